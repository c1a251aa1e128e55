"""Which boot is asked about, where its kernel runs, what it finds there, whether it uses SME."""
