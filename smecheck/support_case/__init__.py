"""From what was read of a machine to what failed, and what to do: pure."""
