"""The borders: files in, records of the model out. Inclusive ends and text end here."""
