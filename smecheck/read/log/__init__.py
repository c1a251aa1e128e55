"""read/log."""
