"""A journal of any length, with nothing in it but the lines that matter.

A system logs a hundred lines where its kernel logs one. The others are left empty, so that places
stay those of the file.
"""

from __future__ import annotations

from smecheck.read.archive.log_signs import JOURNAL_NEEDLES
from smecheck.read.readable import Readable

JOURNAL_LIMIT = 256 << 20
"""Bytes of a journal that are looked at; sos keeps 25 MiB of one unless it is told otherwise."""

_CHUNK = 1 << 20
_KEPT_LIMIT = 8 << 20
_LINE_LIMIT = 8 << 10


def sieved_journal(content: Readable) -> tuple[bytes, bool]:
    """Return the lines that matter, each in its place, and whether all of it was looked at."""
    kept: list[bytes] = []
    size = read = 0
    pending = b""
    while read < JOURNAL_LIMIT and size < _KEPT_LIMIT:
        chunk = content.read(_CHUNK)
        if not chunk:
            kept.append(_sieved(pending))
            return b"".join(kept), True
        read += len(chunk)
        whole, newline, rest = (pending + chunk).rpartition(b"\n")
        pending = rest if len(rest) < _CHUNK else b""
        if newline:
            kept.append(_sieved(whole + newline))
            size += len(kept[-1])
    return b"".join(kept), False


def _sieved(lines: bytes) -> bytes:
    """Empty the lines that hold none of the needles."""
    begins: set[int] = set()
    for needle in JOURNAL_NEEDLES:
        at = lines.find(needle)
        while at >= 0:
            begins.add(lines.rfind(b"\n", 0, at) + 1)
            end = lines.find(b"\n", at)
            at = lines.find(needle, end) if end >= 0 else -1
    pieces: list[bytes] = []
    done = 0
    for begin in sorted(begins):
        end = lines.find(b"\n", begin)
        end = len(lines) if end < 0 else end
        pieces.append(b"\n" * lines.count(b"\n", done, begin))
        pieces.append(lines[begin : min(end, begin + _LINE_LIMIT)])
        done = end
    pieces.append(b"\n" * lines.count(b"\n", done))
    return b"".join(pieces)
