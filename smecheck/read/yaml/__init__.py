"""read/yaml."""
