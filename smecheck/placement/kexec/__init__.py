"""Where kexec puts a kernel and what comes with it, by either system call."""
