"""Addresses and sizes as text: how they are printed, and how people may write them.

The grammar is that of the descriptions and of the command line: ``0x`` hexadecimal, plain decimal,
or a decimal with a binary unit. Nothing is octal, nothing is sexagesimal, nothing is a float.
"""

from __future__ import annotations

import re

_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_INTEGER = (
    r"(?P<hex>0[xX][0-9a-fA-F]+)"
    r"|(?P<decimal>0|[1-9][0-9]*)(?:[ ]?(?P<unit>[KMGT])(?:iB)?)?"
)
_LIMIT = 1 << 64


def parse_integer(text: str) -> int:
    """Read an address or a size: ``0x3a00000``, ``4096``, ``4M``, ``64MiB``.

    Raises:
        ValueError: the text is not of that form, or the number needs more than 64 bits. The
            message says how such a number is written.
    """
    match = re.fullmatch(_INTEGER, text.strip())
    if match is None:
        raise ValueError(
            f"{_why_not(text.strip())}; write 0x… hex, a decimal, or a size such as 4M"
        )
    if match["hex"]:
        value = int(match["hex"], 16)
    else:
        value = int(match["decimal"]) * _UNITS[match["unit"] or ""]
    if value >= _LIMIT:
        raise ValueError("the number needs more than 64 bits")
    return value


def _why_not(text: str) -> str:
    if re.fullmatch(r"0[0-9]+", text):
        return "a decimal does not begin with 0 (nothing is octal here)"
    if re.fullmatch(r"[0-9]+(:[0-9]+)+", text):
        return "that would be a sexagesimal number"
    if re.fullmatch(r"[0-9a-fA-F]{4,}", text):
        return "a hexadecimal number begins with 0x"
    if text.startswith("-"):
        return "a negative number"
    return "not a number"


def address_text(address: int) -> str:
    """Print an address: ``0x7de00000``."""
    return f"{address:#x}"


def size_text(size: int) -> str:
    """Print a size with its binary unit and in hex: ``2 MiB (0x200000)``."""
    sign, magnitude = ("-", -size) if size < 0 else ("", size)
    for suffix, unit in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if magnitude >= unit:
            return f"{sign}{_in_units(magnitude, unit)} {suffix} ({sign}{magnitude:#x})"
    return f"{sign}{magnitude} B ({sign}{magnitude:#x})"


def short_size_text(size: int) -> str:
    """Print a size as people speak of memory: ``12 TiB``, ``255.9 GiB``."""
    for suffix, unit in (("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if size >= unit:
            return f"{_in_units(size, unit)} {suffix}"
    return f"{size} B"


def count_text(count: int, noun: str) -> str:
    """Print a count with its noun: ``1 page``, ``4 pages``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _in_units(size: int, unit: int) -> str:
    if size % unit == 0:
        return str(size // unit)
    # Rounded down, so that a size is never shown as more than there is.
    return f"{size // unit}.{size % unit * 10 // unit}"
