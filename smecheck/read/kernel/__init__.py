"""Every form a kernel comes in."""
