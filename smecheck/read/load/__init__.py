"""The segments of a load, as kexec-tools and kernels print them."""
