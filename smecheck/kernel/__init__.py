"""What an image is: its facts, its generation, its symbols, two files of one build."""
