"""read/archive."""
