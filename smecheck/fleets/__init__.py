"""Many machines against many kernels: questions that are the same, rows, classes, a summary."""
