"""The lines of a log of any length: never more than one chunk of it is in memory."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import BinaryIO

from smecheck.errors import UnreadableInput
from smecheck.inputs.source import STDIN, UTF16_MARKS, decode_text, display_name, open_binary

LINE_LIMIT = 64 << 10
"""Bytes of a line that are looked at; the longest that matters holds a command line of 2 KiB."""

MESSAGE_LIMIT = 4 << 10
"""Bytes of a line of a kernel log that can matter: a prefix, and a message of at most 1 KiB."""

_HEAD_SIZE = 64 << 10
_CHUNK = 1 << 20
_COLOUR = re.compile(r"\x1b\[[0-9;]*+[A-Za-z]")  # dmesg --color=always, in a pipe


def log_lines(path: str) -> Iterator[tuple[int, bytes]]:
    """Yield the numbered lines of a log; ``-`` is standard input.

    Raises:
        UnreadableInput: it cannot be read, is empty, or UTF-16.
    """
    with opened(path) as (head, stream):
        if head.startswith(UTF16_MARKS):
            decode_text(head, display_name(path))
        yield from numbered_lines(chunks(head, stream, display_name(path)))


@contextmanager
def opened(path: str) -> Iterator[tuple[bytes, BinaryIO]]:
    """Open a text of any length; give its beginning, and the stream of what follows.

    Raises:
        UnreadableInput: it cannot be read, or is empty.
    """
    name = display_name(path)
    stream = open_binary(path)
    try:
        head = stream.read(_HEAD_SIZE)
        if head and not head.strip(b"\0"):
            raise _hole(0, name)
        if not head.strip():
            raise UnreadableInput("is empty", where=name, help_text="capture it again")
        yield head, stream
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UnreadableInput(reason, where=name, help_text="copy the file again") from error
    finally:
        if path != STDIN:
            stream.close()


def chunks(head: bytes, stream: BinaryIO, name: str) -> Iterator[bytes]:
    """Yield what was read of ``stream`` already, then the rest of it.

    Raises:
        UnreadableInput: it is the zeros of a hole in a file.
    """
    yield head
    at = len(head)
    while chunk := stream.read(_CHUNK):
        if len(chunk) == _CHUNK and not chunk.strip(b"\0"):
            raise _hole(at, name)
        at += len(chunk)
        yield chunk


def _hole(at: int, name: str) -> UnreadableInput:
    # Of files that a crash left unwritten, or that were cut while they grew. One that is sparse may
    # claim to be terabytes.
    return UnreadableInput(
        f"holds only zeros from byte {at} on",
        where=name,
        help_text="give the text alone: tr -d '\\0' < log > text",
    )


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
