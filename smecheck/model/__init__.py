"""The nouns: frozen records of what was read and of what was found. No behaviour beyond look-up."""
