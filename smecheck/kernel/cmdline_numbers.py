"""Numbers on a command line, as the kernel and its decompressor read them.

Source: memparse() of lib/cmdline.c, simple_strtoull() of arch/x86/boot/string.c.
"""

from __future__ import annotations

import re

_WORD = 1 << 64
_SUFFIXES = "KMGTPE"
_HEX = re.compile(r"0[xX]([0-9a-fA-F]+)")
_OCTAL = re.compile(r"0[0-7]*")
_DECIMAL = re.compile(r"[0-9]*")


def memparse(text: str) -> tuple[int, str]:
    """Read a number with an optional suffix K to E, modulo 2**64; return it and the rest."""
    value, rest = strtoull(text)
    if rest and rest[0].upper() in _SUFFIXES:
        value <<= 10 * (_SUFFIXES.index(rest[0].upper()) + 1)
        rest = rest[1:]
    return value % _WORD, rest


def strtoull(text: str) -> tuple[int, str]:
    """Read a number in the base that its beginning says, modulo 2**64; return it and the rest."""
    if match := _HEX.match(text):
        return int(match[1], 16) % _WORD, text[match.end() :]
    if match := _OCTAL.match(text):
        return int(match[0], 8) % _WORD, text[match.end() :]
    digits = _DECIMAL.match(text)
    end = digits.end() if digits else 0
    return int(text[:end] or "0") % _WORD, text[end:]
