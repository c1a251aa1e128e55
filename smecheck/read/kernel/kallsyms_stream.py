"""A kernel's own symbol tables, caught in a stream of its bytes that goes by once.

What shows the tables comes after the greater part of them, and code that is looked at with them
comes before, so the last MiB are remembered until then.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence

from smecheck.read.kernel.kallsyms import Kallsyms
from smecheck.read.kernel.kallsyms_search import (
    TOKENS_REACH,
    TOKENS_TEXT,
    holds_token_table,
    kallsyms_at,
)
from smecheck.read.kernel.recent_bytes import RecentBytes
from smecheck.record import record

_TEXTS = 256
"""Texts that look like a token table: the digits stand in a row in a few other places."""


_TABLES = 2
"""Token tables around which the others are sought; a kernel has one."""


_HISTORY = 32 << 20
"""Bytes that are remembered: the code of a kernel, and what lies between it and the tables, are 22
MiB of Debian's; half of it would do for a million symbols."""

_AFTER = (TOKENS_REACH, 2 << 20, 8 << 20)
"""Bytes from the token table on that hold the rest of the tables: up to v6.3, since then as a rule
(300,000 symbols; Debian's have 210,000), and at most."""


@record
class Part:
    """A part of the stream that the kernel has in memory, and does not write to."""

    start: int
    end: int
    address: int
    """The link address of its first byte."""


class KallsymsStream:
    """Takes the bytes of a kernel's file block by block, and finds its tables.

    Args:
        parts: where in the stream the tables may be.
    """

    def __init__(self, parts: Sequence[Part]) -> None:
        self.found: Kallsyms | None = None
        self.is_over = False
        """Whether no more bytes are needed."""
        self._parts = parts
        self._begin = min((part.start for part in parts), default=0)
        self._stop = max((part.end for part in parts), default=0)
        self._recent = RecentBytes(_HISTORY)
        self._tail = b""
        self._candidates: deque[int] = deque()
        self._texts_left = _TEXTS
        self._tables_left = _TABLES
        self._tries = 0

    def feed(self, block: bytes) -> None:
        """Take the next bytes of the stream."""
        if self.is_over:
            return
        self._note_candidates(block)
        if self._recent.end + len(block) <= self._begin:
            self._recent.skip(len(block))
        else:
            self._recent.take(block)
        at_end = self._recent.end >= self._stop
        self._try(at_end=at_end)
        self.is_over = self.is_over or at_end

    def end(self) -> None:
        """Take note that the stream has ended."""
        if not self.is_over:
            self._try(at_end=True)
            self.is_over = True

    def feed_all(self, blocks: Iterable[bytes]) -> Kallsyms | None:
        """Take blocks until the tables are found, or there are no more."""
        for block in blocks:
            self.feed(block)
            if self.is_over:
                break
        self.end()
        self.forget()
        return self.found

    def at_hand(self, start: int, end: int) -> bytes | None:
        """Return a part of the stream that went by; ``None`` if it is not at hand any more."""
        return self._recent.at(start, end)

    def forget(self) -> None:
        """Let go of all that went by."""
        self._recent.forget()

    def _note_candidates(self, block: bytes) -> None:
        short = len(TOKENS_TEXT) - 1
        seam = self._tail + block[:short]
        end = self._recent.end
        for data, start in ((seam, end - len(self._tail)), (block, end)):
            at = data.find(TOKENS_TEXT)
            while at >= 0 and self._texts_left:
                self._candidates.append(start + at)
                self._texts_left -= 1
                at = data.find(TOKENS_TEXT, at + 1)
        self._tail = (self._tail + block[-short:])[-short:]

    def _try(self, *, at_end: bool) -> None:
        """Look at the candidates as far as the stream has gone by."""
        while self._candidates and not self.is_over:
            at = self._candidates[0]
            if self._recent.end < at + _AFTER[self._tries] and not at_end:
                return
            if self._tries or self._is_token_table(at):
                self._find(at)
                self._tries += 1
                if self._tries < len(_AFTER):
                    continue
                self._tables_left -= 1
                self.is_over = self.is_over or not self._tables_left
            self._tries = 0
            self._candidates.popleft()

    def _is_token_table(self, at: int) -> bool:
        end = min(at + TOKENS_REACH, self._recent.end)
        data = self._recent.at(at, end)
        return data is not None and holds_token_table(data)

    def _find(self, at: int) -> None:
        """Look for the tables around the token table at ``at``."""
        recent = self._recent
        for part in self._parts:
            address = part.address + recent.start - part.start
            if part.start <= at < part.end and address >= 0 and address % 8 == 0:
                self.found = kallsyms_at(
                    recent.memory, at - recent.start, address=address, size=recent.size
                )
        self.is_over = self.found is not None
