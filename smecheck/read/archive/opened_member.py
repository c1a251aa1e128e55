"""A member of which the first bytes were read, to see what it is."""

from __future__ import annotations

from smecheck.read.readable import Readable
from smecheck.record import record


@record
class Opened:
    """A member of which the beginning was read."""

    name: str
    head: bytes
    rest: Readable
    path: str | None
    """Where it is a file of its own."""

    def data(self, limit: int) -> bytes:
        """Return all of it, as far as ``limit``."""
        pieces, left = [self.head[:limit]], limit - len(self.head)
        while left > 0 and (piece := self.rest.read(min(left, 1 << 20))):
            pieces.append(piece)
            left -= len(piece)
        return b"".join(pieces)

    def stream(self) -> Readable:
        """Return all of it, to be read in order."""
        return _Begun(self.head, self.rest)


class _Begun:
    """A stream of which the first bytes were read already."""

    def __init__(self, head: bytes, rest: Readable) -> None:
        self._head = head
        self._rest = rest

    def read(self, size: int, /) -> bytes:
        if self._head:
            data, self._head = self._head[:size], self._head[size:]
            return data
        return self._rest.read(size)
