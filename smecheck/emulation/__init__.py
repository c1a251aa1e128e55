"""The kernel's own machine code, run in an emulator and held against the arithmetic."""
