"""The segments of a kexec load, and where kexec-tools and the kernel put them."""
