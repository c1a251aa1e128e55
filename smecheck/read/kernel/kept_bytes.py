"""What is kept of a stream that goes by once: wanted spans, and texts wherever they stand."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from smecheck.record import record
from smecheck.span import Span

_TAIL = 64
"""Longer than any text that is sought."""


@record
class Sought:
    """A text to look for."""

    text: bytes
    reach: int
    """How many bytes to keep from its start on."""
    most: int = 64
    """How many of its places to keep: a kernel has no more than a few."""


class _Piece:
    """A span of the stream, as far as it went by."""

    def __init__(self, span: Span, data: bytes = b"") -> None:
        self.span = span
        self.data = bytearray(data)

    def is_complete(self, at: int) -> bool:
        return at >= self.span.end

    def take(self, at: int, block: bytes) -> None:
        start = max(self.span.start + len(self.data) - at, 0)
        self.data += block[start : max(self.span.end - at, 0)]


class KeptBytes:
    """Takes a stream block by block and keeps the little that is wanted."""

    def __init__(self, sought: tuple[Sought, ...] = ()) -> None:
        self.size = 0
        """How much went by."""
        self._pieces: list[_Piece] = []
        self._matches: list[_Piece] = []
        self._open: list[_Piece] = []
        self._left = {text: text.most for text in sought}
        self._tail = b""

    def want(self, spans: Iterable[Span]) -> None:
        """Keep the spans, which have not begun to go by yet."""
        pieces = [_Piece(span) for span in spans]
        self._pieces += pieces
        self._open += pieces

    def add(self, start: int, data: bytes) -> None:
        """Keep bytes that went by, as somebody else has kept them."""
        self._pieces.append(_Piece(Span.sized(start, len(data)), data))

    def again(self, spans: Iterable[Span]) -> None:
        """Begin the stream again, for more spans; what was kept is kept, no text is sought."""
        self.size = 0
        self._open = []
        self._left = {}
        self.want(spans)

    @property
    def is_complete(self) -> bool:
        """Whether all that is wanted went by."""
        return not self._open

    def feed(self, block: bytes) -> None:
        """Take the next bytes of the stream."""
        self._search(block)
        for piece in self._open:
            piece.take(self.size, block)
        self.size += len(block)
        if self._open:
            self._open = [piece for piece in self._open if not piece.is_complete(self.size)]

    def at(self, span: Span) -> bytes | None:
        """Return the bytes of a span, ``None`` where they were not kept."""
        for piece in (*self._pieces, *self._matches):
            held = Span.sized(piece.span.start, len(piece.data))
            if held.covers(span):
                start = span.start - held.start
                return bytes(piece.data[start : start + span.size])
        return None

    def texts(self, span: Span) -> Iterator[bytes]:
        """Yield the texts that begin in the span, as far as they lie in it."""
        for piece in self._matches:
            if piece.span.start in span:
                yield bytes(piece.data[: span.end - piece.span.start])

    def _search(self, block: bytes) -> None:
        for sought in self._left:
            # Too short for the text on either side of the seam: what is found there crosses it.
            short = len(sought.text) - 1
            before = self._tail[-short:]
            for found in self._occurrences(sought, before + block[:short]):
                self._match(sought, self.size - len(before) + found, before[found:])
            for found in self._occurrences(sought, block):
                self._match(sought, self.size + found, b"")
        self._tail = (self._tail + block if len(block) < _TAIL else block)[-_TAIL:]

    def _occurrences(self, sought: Sought, data: bytes) -> Iterator[int]:
        at = -1
        while self._left[sought] and (at := data.find(sought.text, at + 1)) >= 0:
            self._left[sought] -= 1
            yield at

    def _match(self, sought: Sought, start: int, data: bytes) -> None:
        piece = _Piece(Span.sized(start, sought.reach), data)
        self._matches.append(piece)
        self._open.append(piece)
