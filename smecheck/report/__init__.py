"""The report in words and pictures: one file per format, a ``Report`` in, a string out."""
