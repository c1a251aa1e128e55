"""YAML documents, with the place of every value."""
