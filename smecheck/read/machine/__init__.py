"""Memory maps, and descriptions of a host and of a boot."""
