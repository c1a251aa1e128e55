"""What every reader needs of an input that is read in order, once."""

from __future__ import annotations

from typing import Protocol


class Readable(Protocol):
    """Bytes to be read in order: a file, a member of an archive."""

    def read(self, size: int, /) -> bytes:
        """Return the next bytes, ``size`` at most, none at the end."""
