"""read/machine."""
