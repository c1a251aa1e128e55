"""Numbers as strtoul() of the C library reads them, which kexec-tools hands its options to."""

from __future__ import annotations

import re

_ALL_ONES = (1 << 64) - 1
_NUMBER = re.compile(
    r"[ \t\n\v\f\r]*(?P<sign>[+-]?)"
    r"(?:0[xX](?P<hex>[0-9a-fA-F]+)|0(?P<octal>[0-7]*)|(?P<decimal>[1-9][0-9]*))"
)


def strtoul(text: str) -> int | None:
    """Read a number in the base that its beginning says: ``0x`` hexadecimal, ``0`` octal.

    Returns:
        The number, modulo 2**64 where it is negative and the largest one where it is too large;
        ``None`` if the text goes on after it, or does not begin with one. No text at all is 0.
    """
    if not text:
        return 0
    match = _NUMBER.fullmatch(text)
    if match is None:
        return None
    if match["hex"]:
        value = int(match["hex"], 16)
    elif match["octal"] is not None:
        value = int(match["octal"] or "0", 8)
    else:
        value = int(match["decimal"])
    if value > _ALL_ONES:
        return _ALL_ONES
    return -value & _ALL_ONES if match["sign"] == "-" else value
