"""The last bytes of a stream, in memory that goes back to the system at once when they are let go.

What is freed in many pieces stays with the process, where a decoder that is busy with its own
window makes no use of it.
"""

from __future__ import annotations

import contextlib
import mmap

_ALIGNMENT = 8


def _memory(size: int) -> mmap.mmap:
    """Return memory of this process alone, in large pages where the system has them.

    Most of the time of a copy goes into the pages it touches first, and shared ones cost more.
    """
    memory = mmap.mmap(-1, size, access=mmap.ACCESS_COPY)
    large = getattr(mmap, "MADV_HUGEPAGE", None)  # Linux
    if large is not None:
        with contextlib.suppress(OSError):  # a kernel without them
            memory.madvise(large)
    return memory


class RecentBytes:
    """Remembers the last bytes of a stream, from a multiple of 8 bytes on.

    Args:
        limit: bytes that are remembered at most; half of them at least.
    """

    def __init__(self, limit: int) -> None:
        self.memory = _memory(limit)
        """The bytes from ``start`` on, and whatever lies after them."""
        self.start = 0
        """Where in the stream they begin."""
        self.size = 0
        self._limit = limit

    @property
    def end(self) -> int:
        """Where in the stream they end: how much of it went by."""
        return self.start + self.size

    def skip(self, size: int) -> None:
        """Let bytes go by that need not be remembered, nor what went by before."""
        self.start += self.size + size
        self.size = 0

    def take(self, block: bytes) -> None:
        """Take the next bytes of the stream."""
        if not self.size:
            least = max(len(block) - self._limit, 0)
            skipped = min(least + -(self.start + least) % _ALIGNMENT, len(block))
            self.skip(skipped)
            block = block[skipped:]
        if self.size + len(block) > self._limit:
            keep = max(min(self._limit // 2, self._limit - len(block)), 0)
            moved = min(-(-(self.size - keep) // _ALIGNMENT) * _ALIGNMENT, self.size)
            self.memory.move(0, moved, self.size - moved)
            self.start += moved
            self.size -= moved
            if not self.size:
                self.take(block)
                return
        self.memory[self.size : self.size + len(block)] = block
        self.size += len(block)

    def at(self, start: int, end: int) -> bytes | None:
        """Return a part of the stream; ``None`` if it is not remembered."""
        if self.start <= start and end <= self.end:
            return self.memory[start - self.start : end - self.start]
        return None

    def forget(self) -> None:
        """Give the memory back; what goes by afterwards is not remembered."""
        self.start, self.size = self.end, 0
        self.memory.close()
