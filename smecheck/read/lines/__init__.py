"""read/lines."""
