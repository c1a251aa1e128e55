"""workarea."""
