"""What would help: changes tried out with the program itself."""
