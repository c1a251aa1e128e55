"""A FIFO, as ``<(command)`` of a shell is one: read while somebody writes, refused if nobody does.

Opened as a file, a FIFO without a writer would keep smecheck waiting for ever.
"""

from __future__ import annotations

import io
import os
from typing import BinaryIO

from smecheck.errors import UnreadableInput

_FIRST = 64 << 10


def open_fifo(path: str, name: str) -> BinaryIO:
    """Open a FIFO for reading.

    Raises:
        OSError: it cannot be opened.
        UnreadableInput: nobody writes to it.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    raw = io.FileIO(descriptor)
    first = raw.read(_FIRST)  # None: there is a writer, and nothing of it yet
    if first == b"":
        raw.close()
        raise UnreadableInput(
            "is a FIFO that nobody writes to", where=name, help_text="name a regular file"
        )
    os.set_blocking(descriptor, True)
    return io.BufferedReader(_Begun(first or b"", raw))


class _Begun(io.RawIOBase):
    """A stream of which the first bytes were read already."""

    def __init__(self, first: bytes, rest: io.FileIO) -> None:
        self._first = first
        self._rest = rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        if not self._first:
            return self._rest.readinto(buffer) or 0
        size = min(len(buffer), len(self._first))
        buffer[:size], self._first = self._first[:size], self._first[size:]
        return size

    def close(self) -> None:
        self._rest.close()
        super().close()
