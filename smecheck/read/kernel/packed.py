"""Packed bytes: a part of a file, read forward, and the reason why it cannot be unpacked."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import BinaryIO

from smecheck.span import Span


class NotUnpacked(Exception):
    """The bytes cannot be unpacked; the message is the reason, as a clause."""

    def __init__(self, reason: str, help_text: str = "copy the file again") -> None:
        super().__init__(reason)
        self.reason = reason
        self.help_text = help_text


class Packed(ABC):
    """Packed bytes, as a decoder reads them."""

    @abstractmethod
    def read(self, size: int) -> bytes:
        """Return the next ``size`` bytes, fewer at the end, none past it."""

    def read_all(self, size: int, what: str) -> bytes:
        """Return the next ``size`` bytes.

        Raises:
            NotUnpacked: there are fewer.
        """
        data = self.read(size)
        if len(data) != size:
            raise NotUnpacked(f"it ends inside {what}")
        return data


class PackedBytes(Packed):
    """Bytes of a file from the start of a span to its end; nothing else is ever read."""

    def __init__(self, stream: BinaryIO, span: Span) -> None:
        self._stream = stream
        self._span = span
        self._at = span.start

    def rewind(self) -> None:
        """Begin again at the start."""
        self._at = self._span.start

    def read(self, size: int) -> bytes:
        """Return the next ``size`` bytes, fewer at the end of the span, none past it."""
        self._stream.seek(self._at)
        data = self._stream.read(min(size, self._span.end - self._at))
        self._at += len(data)
        return data
