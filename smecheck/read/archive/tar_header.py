"""The header of a member of a tar archive: a block of 512 bytes with fields of text.

The format: POSIX.1-1988 ustar, GNU (sizes in base 256), and the records of POSIX.1-2001 pax, as
pax(1) and the manual of GNU tar describe them.
"""

from __future__ import annotations

from zlib import adler32

BLOCK = 512

_ADLER = 65521
_SIZE_LIMIT = 1 << 62
_BASE_256 = 0x80


class Damaged(Exception):
    """The archive cannot be followed any further; the message is why, as a clause."""


def is_header(block: bytes) -> bool:
    """Return whether a block is the header of a member: it holds the sum of its bytes."""
    if len(block) != BLOCK:
        return False
    said = _checksum(block[148:156])
    if said is None:
        return False
    # The sum is made with blanks for itself. The lower half of Adler-32 is 1 and the sum of all
    # bytes, modulo a prime, at a fortieth of what sum() costs.
    total = said - 8 * 0x20 + sum(block[148:156])
    if (1 + total) % _ADLER == adler32(block) & 0xFFFF:
        return True
    signed = sum(byte - 256 if byte > 127 else byte for byte in block[:148] + block[156:])
    return said == signed + 8 * 0x20  # some old programs sum signed bytes


def _checksum(field: bytes) -> int | None:
    try:
        return int(field.strip(b" \0") or b"x", 8)
    except ValueError:
        return None


def number(field: bytes) -> int:
    """Read a size: in octal digits, or, where it is too large for that, in base 256.

    Raises:
        Damaged: no file has it.
    """
    try:
        if field[0] == _BASE_256:
            return _sane(int.from_bytes(field[1:], "big"))
        return _sane(int(field.strip(b" \0") or b"0", 8))
    except ValueError:
        return _sane(-1)


def pax_size(text: bytes | None) -> int | None:
    """Read the size that a record has for the next member.

    Raises:
        Damaged: no file has it.
    """
    if text is None:
        return None
    return _sane(int(text) if text.isdigit() and len(text) < 20 else -1)


def _sane(size: int) -> int:
    if 0 <= size < _SIZE_LIMIT:
        return size
    raise Damaged("a member has a size that no file has")


def pax_records(data: bytes) -> dict[bytes, bytes]:
    """Read records "LENGTH KEY=VALUE"; what is not a record ends them."""
    said: dict[bytes, bytes] = {}
    at = 0
    while at < len(data):
        blank = data.find(b" ", at, at + 10)
        digits = data[at:blank]
        if blank < 0 or not digits.isdigit():
            break
        end = at + int(digits)
        key, _, value = data[blank + 1 : end - 1].partition(b"=")
        if end <= blank or end > len(data):
            break
        said[key] = value
        at = end
    return said


def name_of(block: bytes) -> bytes:
    """Return the name in a header: in ustar it may begin in another field."""
    name = text_of(block[:100])
    if block[257:263] == b"ustar\0" and block[345]:
        return text_of(block[345:500]) + b"/" + name
    return name


def text_of(field: bytes) -> bytes:
    """Return what a field holds up to its end or its first NUL."""
    return field.split(b"\0", 1)[0]
