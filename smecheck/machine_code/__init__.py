"""x86-64 code as it stands in an image: what can be said of it without running it."""
