"""Where physical KASLR may put a kernel: what it avoids, what it reads, the search."""
