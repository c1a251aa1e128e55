"""What a kernel log says of a boot."""
