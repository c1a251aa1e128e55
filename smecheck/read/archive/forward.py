"""Bytes that go by once: what an archive holds, unpacked on its way, taken in order.

Nothing of it is kept: what is skipped is dropped as it comes, and in a file that is not packed it
is not even read.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import BinaryIO

from smecheck.read.kernel.packed import NotUnpacked, Packed
from smecheck.read.kernel.payload import MAGIC_SIZE, Compression, compression_of

_BLOCK = 256 << 10
_BOMB_BEGINS = 4 << 30
"""Bytes that are unpacked before it is asked what they came of: twice the largest report seen."""
_BOMB_RATIO = 100
"""No report is packed so well as a whole; zeros are, 1 : 230 by gzip -1 and 1 : 7000 by xz."""
_UNPACKED_LIMIT = 32 << 30

Watcher = Callable[[int], None]
"""Is given how much of the source has been read, each time that some more is."""


class Forward:
    """A stream of bytes that is taken in order."""

    def __init__(self, blocks: Iterable[bytes]) -> None:
        self.at = 0
        """How much has gone by."""
        self._blocks = iter(blocks)
        self._block = b""
        self._next = 0
        """Where in the block the bytes begin that have not gone by."""

    def take(self, size: int) -> bytes:
        """Return the next ``size`` bytes; fewer at the end.

        Raises:
            NotUnpacked: they are damaged.
        """
        end = self._next + size
        if end > len(self._block):
            data = self._across(size)
        else:
            data = self._block[self._next : end]
            self._next = end
        self.at += len(data)
        return data

    def peek(self, size: int) -> bytes:
        """Return the next ``size`` bytes, and leave them there; fewer at the end.

        Raises:
            NotUnpacked: they are damaged.
        """
        if len(self._block) - self._next < size:
            self._block = self._across(size) + self._block[self._next :]
            self._next = 0
        return self._block[self._next : self._next + size]

    def skip(self, size: int) -> int:
        """Let the next ``size`` bytes go by; return how many there were.

        Raises:
            NotUnpacked: they are damaged.
        """
        left = size
        while left > (there := len(self._block) - self._next):
            left -= there
            if left > _BLOCK:
                left -= self.leap(left - _BLOCK)
            if not self._advance():
                self.at += size - left
                return size - left
        self._next += left
        self.at += size
        return size

    def leap(self, size: int) -> int:  # noqa: ARG002 - a file's own can
        """Pass over what has not been read yet, where that costs nothing; return how much."""
        return 0

    def _across(self, size: int) -> bytes:
        """Return the next bytes, which the block does not hold all of."""
        pieces, left = [], size
        while left > (there := len(self._block) - self._next):
            pieces.append(self._block[self._next :])
            left -= there
            if not self._advance():
                return b"".join(pieces)
        pieces.append(self._block[self._next : self._next + left])
        self._next += left
        return b"".join(pieces)

    def _advance(self) -> bool:
        """Go on to the next block; at the end there is none, and the last one counts as gone by."""
        self._block, self._next = next(self._blocks, b""), 0
        return bool(self._block)


class ForwardFile(Forward):
    """A file that is not packed."""

    def __init__(self, stream: BinaryIO, size: int, watch: Watcher) -> None:
        super().__init__(self._pieces())
        self._stream = stream
        self._size = size
        self._watch = watch
        self._read = 0

    def leap(self, size: int) -> int:
        """Pass over what has not been read yet; return how much there was, ``size`` at most."""
        size = min(size, max(self._size - self._read, 0))
        self._stream.seek(size, os.SEEK_CUR)
        self._read += size
        return size

    def _pieces(self) -> Iterable[bytes]:
        while piece := self._stream.read(_BLOCK):
            self._read += len(piece)
            self._watch(self._read)
            yield piece


class PackedStream(Packed):
    """What a decoder reads of a file or a pipe, in one go."""

    def __init__(self, stream: BinaryIO, head: bytes, watch: Watcher) -> None:
        self.consumed = 0
        self._stream = stream
        self._head = head
        self._watch = watch

    def read(self, size: int) -> bytes:
        """Return the next bytes, ``size`` at most, none at the end."""
        data, self._head = self._head[:size], self._head[size:]
        if not data:
            data = self._stream.read(size)
        self.consumed += len(data)
        self._watch(self.consumed)
        return data


def forward_of(stream: BinaryIO, watch: Watcher) -> Forward:
    """Return the bytes of a source, unpacked if its first bytes say that it is packed.

    Raises:
        OSError: it cannot be read.
        NotUnpacked: a library is missing.
    """
    head = stream.read(MAGIC_SIZE)
    compression = compression_of(head)
    if compression is not None:
        return Forward(_unpacked(compression, PackedStream(stream, head, watch)))
    if stream.seekable():
        size = stream.seek(0, os.SEEK_END)
        stream.seek(0)
        return ForwardFile(stream, size, watch)
    return Forward(_pieces(head, stream, watch))


def _pieces(head: bytes, stream: BinaryIO, watch: Watcher) -> Iterable[bytes]:
    at = len(head)
    yield head
    while piece := stream.read(_BLOCK):
        at += len(piece)
        watch(at)
        yield piece


def _unpacked(compression: Compression, packed: PackedStream) -> Iterable[bytes]:
    """Yield what the decoder makes of it, as long as it is not a bomb."""
    size = 0
    for block in compression.unpack(packed):
        size += len(block)
        is_bomb = size > _BOMB_BEGINS and size > _BOMB_RATIO * packed.consumed
        if is_bomb or size > _UNPACKED_LIMIT:
            raise NotUnpacked(
                f"{size >> 30} GiB came of {max(packed.consumed >> 20, 1)} MiB, and it goes on",
                "unpack it where there is room, and give the folder",
            )
        yield block
