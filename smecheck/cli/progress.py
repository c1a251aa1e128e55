"""How far the reading of a large source has come, on a terminal, once it takes a while."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable

_AFTER = 1.0
"""Seconds until something is shown."""
_EVERY = 0.1
_WIDTH = 30


class Progress:
    """A bar on standard error; nothing where that is not a terminal."""

    def __init__(self, paths: Iterable[str]) -> None:
        self._total = sum(map(_size, paths))
        self._is_shown = sys.stderr is not None and sys.stderr.isatty() and self._total > 0
        self._next = time.monotonic() + _AFTER
        self._before = 0
        """Bytes of the sources before the one that is read."""
        self._at = 0
        self._is_drawn = False

    def update(self, done: int) -> None:
        """Take note of how many bytes of the source have been read; less means the next one."""
        if done < self._at:
            self._before += self._at
        self._at = done
        if not self._is_shown or time.monotonic() < self._next:
            return
        self._next = time.monotonic() + _EVERY
        share = min((self._before + done) / self._total, 1.0)
        bar = ("#" * int(share * _WIDTH)).ljust(_WIDTH)
        sys.stderr.write(f"\rreading [{bar}] {share:4.0%}")
        sys.stderr.flush()
        self._is_drawn = True

    def clear(self) -> None:
        """Take the bar away."""
        if self._is_drawn:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size if os.path.isfile(path) else 0  # noqa: PTH113, PTH116
    except OSError:
        return 0
