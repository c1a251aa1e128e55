"""boot/kaslr."""
