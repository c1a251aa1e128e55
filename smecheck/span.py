"""Half-open spans of addresses and the algebra of sets of them.

Every range inside smecheck is a :class:`Span`: ``start`` belongs to it, ``end`` does not. Inclusive
ends exist only in some inputs (/proc/iomem, e820) and are converted where they are read. A span
carries no meaning; what it is for is said by the name of the field that holds it.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from operator import attrgetter
from typing import TYPE_CHECKING

from smecheck.record import record

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


def align_up(value: int, alignment: int) -> int:
    """Return the lowest multiple of ``alignment`` that is not below ``value``."""
    return -(-value // alignment) * alignment


def align_down(value: int, alignment: int) -> int:
    """Return the highest multiple of ``alignment`` that is not above ``value``."""
    return value // alignment * alignment


def ceil_div(value: int, divisor: int) -> int:
    """Return ``value / divisor``, rounded up to a whole number."""
    return -(-value // divisor)


@record
class Span:
    """The addresses from ``start`` up to, not including, ``end``.

    Raises:
        ValueError: if the end lies below the start, or the start below zero.
    """

    start: int
    end: int

    def __post_init__(self) -> None:
        if not 0 <= self.start <= self.end:
            raise ValueError(f"not a span: start {self.start:#x}, end {self.end:#x}")

    @classmethod
    def sized(cls, start: int, size: int) -> Span:
        """Return the span of ``size`` bytes from ``start``."""
        return cls(start, start + size)

    @property
    def size(self) -> int:
        """The number of bytes in the span."""
        return self.end - self.start

    def __bool__(self) -> bool:
        return self.end > self.start

    def __contains__(self, address: int) -> bool:
        return self.start <= address < self.end

    def covers(self, other: Span) -> bool:
        """Return whether every byte of ``other`` is in this span; an empty one always is."""
        return not other or (self.start <= other.start and other.end <= self.end)

    def overlaps(self, other: Span) -> bool:
        """Return whether the two spans share a byte."""
        return max(self.start, other.start) < min(self.end, other.end)

    def __and__(self, other: Span) -> Span:
        start = max(self.start, other.start)
        return Span(start, max(start, min(self.end, other.end)))

    def moved(self, distance: int) -> Span:
        """Return the span ``distance`` bytes further up (down where it is negative)."""
        return Span(self.start + distance, self.end + distance)

    def aligned_out(self, alignment: int) -> Span:
        """Return the smallest span of whole ``alignment`` frames that covers this one."""
        return Span(align_down(self.start, alignment), align_up(self.end, alignment))

    def frames(self, frame_size: int) -> range:
        """Return the numbers of the ``frame_size`` frames that the span touches."""
        if not self:
            return range(0)
        return range(self.start // frame_size, ceil_div(self.end, frame_size))

    def __lt__(self, other: Span) -> bool:
        return (self.start, self.end) < (other.start, other.end)

    def __repr__(self) -> str:
        return f"[{self.start:#x}, {self.end:#x})"


_START, _END = attrgetter("start"), attrgetter("end")


class SpanSet:
    """An immutable set of addresses, kept as sorted spans that neither overlap nor touch."""

    __slots__ = ("_spans",)

    def __init__(self, spans: Iterable[Span] = ()) -> None:
        kept = [span for span in spans if span.end > span.start]
        if len(kept) < 2:
            self._spans = tuple(kept)
            return
        kept.sort(key=_START)
        merged: list[Span] = []
        for span in kept:
            if merged and span.start <= merged[-1].end:
                merged[-1] = Span(merged[-1].start, max(merged[-1].end, span.end))
            else:
                merged.append(span)
        self._spans = tuple(merged)

    def __iter__(self) -> Iterator[Span]:
        return iter(self._spans)

    def __len__(self) -> int:
        return len(self._spans)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SpanSet) and self._spans == other._spans

    def __hash__(self) -> int:
        return hash(self._spans)

    def __repr__(self) -> str:
        return "{" + ", ".join(map(repr, self._spans)) + "}"

    @property
    def size(self) -> int:
        """The number of bytes in the set."""
        return sum(span.size for span in self._spans)

    def __or__(self, other: SpanSet) -> SpanSet:
        if not other or not self:
            return self or other
        return SpanSet((*self._spans, *other._spans))

    def __and__(self, other: SpanSet) -> SpanSet:
        both: list[Span] = []
        others = other._spans
        for span in self._spans:
            index = bisect_right(others, span.start, key=_END)
            while index < len(others) and others[index].start < span.end:
                both.append(span & others[index])
                index += 1
        return self._in_order(both)

    def __sub__(self, other: SpanSet) -> SpanSet:
        kept: list[Span] = []
        holes = other._spans
        for span in self._spans:
            start = span.start
            index = bisect_right(holes, start, key=_END)
            while index < len(holes) and holes[index].start < span.end:
                if holes[index].start > start:
                    kept.append(Span(start, holes[index].start))
                start = max(start, holes[index].end)
                index += 1
            if start < span.end:
                kept.append(Span(start, span.end))
        return self._in_order(kept)

    def covers(self, span: Span) -> bool:
        """Return whether every byte of ``span`` is in the set."""
        if not span:
            return True
        index = bisect_right(self._spans, span.start, key=_END)
        return index < len(self._spans) and self._spans[index].covers(span)

    def overlaps(self, span: Span) -> bool:
        """Return whether the set holds a byte of ``span``."""
        return any(own.overlaps(span) for own in self._spans)

    def reached_by(self, span: Span) -> tuple[Span, ...]:
        """Return the spans of the set that ``span`` shares a byte with, whole."""
        spans = self._spans
        if not spans or span.end <= spans[0].start or spans[-1].end <= span.start or not span:
            return ()
        if len(spans) == 1:
            return spans
        first = bisect_right(spans, span.start, key=_END)
        return spans[first : bisect_left(spans, span.end, lo=first, key=_START)]

    def holding(self, address: int) -> Span | None:
        """Return the span of the set that holds ``address``, if one does."""
        return next((span for span in self._spans if address in span), None)

    @classmethod
    def _in_order(cls, spans: list[Span]) -> SpanSet:
        """Return the set of spans that are in order and do not touch, as parts of a set are."""
        made = cls()
        made._spans = tuple(spans)
        return made
