"""The arithmetic of placement: pure functions over the model, nothing is read or printed here."""
