"""What must not lie where the kernel and its workarea are: a rule says it once, for any address.

Parts of what is used follow the kernel, what they must not meet stays where it is. From that follow
what is met at one address, and all addresses at which it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import Enum
from typing import TYPE_CHECKING

from smecheck.evidence import Unknown
from smecheck.kernel.constants import PMD_SIZE
from smecheck.load.segments import SegmentRole
from smecheck.record import record
from smecheck.remembered import remembered
from smecheck.span import Span, SpanSet, align_down, align_up

if TYPE_CHECKING:
    from smecheck.case import Located, Resolved
    from smecheck.load.segments import Segment, SegmentList
    from smecheck.workarea.placement import Extents

EVERYWHERE = SpanSet([Span(0, 1 << 64)])


class Part(Enum):
    """A part of the memory that a kernel with a workarea uses."""

    IMAGE = "image"
    """From ``_text`` to the end of what is encrypted in place."""
    WRITTEN = "written"
    """What is surely written of the workarea."""
    TOUCHED = "touched"
    """That, and what is encrypted in place before it."""
    AT_WORST = "at worst"
    """What may be written besides; empty where that is known."""
    MAPPED = "mapped"
    """The whole 2 MiB frames that are mapped."""


@record
class Forbidden:
    """Something that a part must not meet."""

    name: str
    part: Part
    spans: SpanSet
    segment: Segment | None = None
    """The segment that it is, or is a part of."""
    if_moved: bool = False
    """It is there only where KASLR has moved the kernel away from its segment."""

    def met_by(self, part: Span, places: Span) -> Iterator[Span]:
        """Yield the addresses in ``places`` from which the part, an offset, meets it."""
        if not part:
            return
        for span in self.spans.reached_by(Span(places.start + part.start, places.end + part.end)):
            lowest = max(places.start, span.start - part.end + 1)
            highest = min(places.end, span.end - part.start)
            if lowest < highest:
                yield Span(lowest, highest)


Forbids = Callable[["Located"], Iterable[Forbidden]]
"""What a rule forbids, wherever the kernel runs."""


@remembered
def parts_of(extents: Extents, base: int, is_exact: bool) -> Mapping[Part, Span]:
    """Return the parts of a kernel whose ``_text`` is at ``base``.

    Args:
        extents: of its workarea, counted from where ``base`` is counted from.
        base: 0 for offsets from ``_text``.
        is_exact: whether nothing is written after ``extents.written_end``.
    """
    written_end = extents.written_end
    worst_end = written_end if is_exact else max(written_end, extents.worst_end)
    mapped_start = align_up(extents.start, PMD_SIZE)
    return {
        Part.IMAGE: Span(base, max(base, extents.in_place.end)),
        Part.WRITTEN: extents.written,
        Part.TOUCHED: Span(extents.in_place.start, max(extents.in_place.start, written_end)),
        Part.AT_WORST: Span(written_end, worst_end),
        Part.MAPPED: Span(
            mapped_start, max(mapped_start, align_down(extents.mapped_end, PMD_SIZE))
        ),
    }


def met(resolved: Resolved, forbids: Forbids) -> Iterator[tuple[Forbidden, Span]]:
    """Yield what is met where the kernel runs, and in which range."""
    extents, base = resolved.extents, resolved.boot.kernel_base
    if extents is None or isinstance(base, Unknown):
        return
    parts = parts_of(extents, base.value, resolved.placement.written_is_exact)
    for forbidden in forbids(resolved):
        if forbidden.if_moved and not resolved.kernel_moved:
            continue
        part = parts[forbidden.part]
        for span in forbidden.spans.reached_by(part):
            yield forbidden, span & part


def neighbours_in(part: Part) -> Forbids:
    """Forbid a part to meet what is loaded beside the kernel."""

    def forbids(located: Located) -> Iterable[Forbidden]:
        return () if located.segments is None else _each_neighbour(located.segments, part)

    return forbids


@remembered
def _each_neighbour(segments: SegmentList, part: Part) -> tuple[Forbidden, ...]:
    return tuple(
        Forbidden(segment.role.value, part, spans, segment) for segment, spans in _apart(segments)
    )


@remembered
def _apart(segments: SegmentList) -> tuple[tuple[Segment, SpanSet], ...]:
    return tuple(
        (segment, SpanSet([segment.span]))
        for segment in segments.segments
        if segment.role is not SegmentRole.KERNEL
    )
