"""read/load."""
