"""Physical KASLR, exactly: arch/x86/boot/compressed/kaslr.c as interval algebra.

The expressions follow v4.14 to v6.12 (``generations`` says what differs and since when). They agree
with every recorded list of slots that the real choose_random_location() of v5.0 and 6.12 made.
"""
