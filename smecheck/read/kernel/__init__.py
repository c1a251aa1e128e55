"""read/kernel."""
