"""The borders: one family of files per folder, each read into the nouns of the rooms."""
