"""The lines of a log of any length: never more than one chunk of it is in memory."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import BinaryIO

LINE_LIMIT = 64 << 10
"""Bytes of a line that are looked at; the longest that matters holds a command line of 2 KiB."""

_CHUNK = 1 << 20
_COLOUR = re.compile(r"\x1b\[[0-9;]*+[A-Za-z]")  # dmesg --color=always, in a pipe


def chunks(head: bytes, stream: BinaryIO) -> Iterator[bytes]:
    """Yield what was read of ``stream`` already, then the rest of it."""
    yield head
    while chunk := stream.read(_CHUNK):
        yield chunk


def numbered_lines(pieces: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    """Yield the lines that ``pieces`` add up to, numbered from 1, each cut to ``LINE_LIMIT``."""
    number = 0
    pending = b""
    for piece in pieces:
        lines = (pending + piece).split(b"\n")
        pending = lines.pop()[:LINE_LIMIT]
        for line in lines:
            number += 1
            yield number, line[:LINE_LIMIT]
    if pending:
        yield number + 1, pending


def line_text(line: bytes) -> str:
    """Decode a line; bytes that are no UTF-8 become replacement characters."""
    text = line.decode("utf-8", "replace").rstrip("\r\0")
    return _COLOUR.sub("", text) if "\x1b" in text else text
