"""The lines of a text, however it was pasted, mailed or logged, and who speaks in them."""
