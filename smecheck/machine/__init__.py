"""The machine: its memory, its firmware's map, the system that loads, what its log says."""
