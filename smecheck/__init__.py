"""smecheck: where the Linux kernel's SME workarea lies, and what it collides with."""

__version__ = "0.1.0"
