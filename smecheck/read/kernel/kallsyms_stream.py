"""A kernel's own symbol tables, caught in a stream of its bytes that goes by once.

What tells the tables comes after the greater part of them, so the last few MiB are at hand until
then: as the blocks in which they came, which costs no copy.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable

from smecheck.read.kernel.kallsyms import Kallsyms
from smecheck.read.kernel.kallsyms_search import (
    TOKENS_REACH,
    TOKENS_TEXT,
    find_kallsyms,
    holds_token_table,
)
from smecheck.record import record

_ALIGNMENT = 8
_CANDIDATES = 256
"""Texts that look like a token table: the digits stand in a row in a few other places."""


_TABLES = 2
"""Token tables around which the others are sought; a kernel has one."""


@record
class Reach:
    """Bytes before and after the beginning of a token table, between which all tables lie."""

    before: int
    after: int


USUAL = Reach(4 << 20, 2 << 20)
"""300,000 symbols; 200,000 in the order up to v6.3. Debian's have 210,000 and 105,000."""

FAR = Reach(24 << 20, 8 << 20)
"""A million."""


class KallsymsStream:
    """Takes the bytes of a kernel's file block by block, and finds its tables.

    Args:
        address_of: the link address of the byte at an offset in the stream.
        reach: how much of the stream to have at hand.
    """

    def __init__(self, address_of: Callable[[int], int | None], reach: Reach = USUAL) -> None:
        self.found: Kallsyms | None = None
        self.is_over = False
        """Whether no more bytes are needed."""
        self.is_short = False
        """Whether there is a token table, but not all of the others within reach of it."""
        self._address_of = address_of
        self._reach = reach
        self._blocks: deque[bytes] = deque()
        self._start = 0
        self._end = 0
        self._tail = b""
        self._candidates: deque[int] = deque()
        self._left = _CANDIDATES
        self._is_token_table = False
        self._tables_left = _TABLES

    def feed(self, block: bytes) -> None:
        """Take the next bytes of the stream."""
        if self.is_over:
            return
        self._note_candidates(block)
        self._blocks.append(block)
        self._end += len(block)
        self._try(at_end=False)
        needed = (self._candidates[0] if self._candidates else self._end) - self._reach.before
        while self._blocks and self._start + len(self._blocks[0]) <= needed:
            self._start += len(self._blocks.popleft())

    def end(self) -> None:
        """Take note that the stream has ended."""
        if not self.is_over:
            self._try(at_end=True)
            self._close()

    def feed_all(self, blocks: Iterable[bytes]) -> Kallsyms | None:
        """Take blocks until the tables are found, or there are no more."""
        for block in blocks:
            self.feed(block)
            if self.is_over:
                break
        self.end()
        return self.found

    def _note_candidates(self, block: bytes) -> None:
        short = len(TOKENS_TEXT) - 1
        seam = self._tail + block[:short]
        begin = self._end - len(self._tail)
        for data, start in ((seam, begin), (block, self._end)):
            at = data.find(TOKENS_TEXT)
            while at >= 0 and self._left:
                self._candidates.append(start + at)
                self._left -= 1
                at = data.find(TOKENS_TEXT, at + 1)
        self._tail = (self._tail + block[-short:])[-short:]

    def _try(self, *, at_end: bool) -> None:
        """Look at the candidates as far as the stream has gone by."""
        while self._candidates and not self.is_over:
            at = self._candidates[0]
            after = self._reach.after if self._is_token_table else TOKENS_REACH
            if self._end < at + after and not at_end:
                return
            if not self._is_token_table:
                self._is_token_table = holds_token_table(self._bytes(at, at + TOKENS_REACH))
                if not self._is_token_table:
                    self._candidates.popleft()
            elif self._find(at):
                self._close()
            else:
                self.is_short = True
                self._is_token_table = False
                self._candidates.popleft()
                self._tables_left -= 1
                if not self._tables_left:
                    self._close()

    def _find(self, at: int) -> bool:
        """Look for the tables around the token table at ``at``."""
        address = self._address_of(at)
        start = max(at - self._reach.before, self._start)
        start = -(-start // _ALIGNMENT) * _ALIGNMENT
        if address is not None and (address - at) % _ALIGNMENT == 0:
            data = self._bytes(start, at + self._reach.after)
            self.found = find_kallsyms(data, address - at + start)
        return self.found is not None

    def _bytes(self, start: int, end: int) -> bytes:
        """Return a part of what is at hand."""
        parts, at = [], self._start
        for block in self._blocks:
            if at < end and at + len(block) > start:
                parts.append(memoryview(block)[max(start - at, 0) : end - at])
            at += len(block)
        return b"".join(parts)

    def _close(self) -> None:
        self.is_over = True
        self._blocks.clear()
        self._candidates.clear()
