"""What each program reads and asks, the same for the command line and for Python."""
