"""Segments of which only the address is known: their first page is taken, and perhaps more."""

from __future__ import annotations

from collections.abc import Iterator

from smecheck.kernel.constants import PAGE_SIZE
from smecheck.load.segments import Segment, SegmentList, SegmentRole
from smecheck.quantity import address_text
from smecheck.record import replace
from smecheck.span import Span, align_up


def with_initrd_of(load: SegmentList, size: int) -> SegmentList:
    """Return the load, its initrd of ``size`` bytes if the load does not say of how many."""
    if not size:
        return load
    return replace(load, segments=tuple(_sized(one, size) for one in load.segments))


def _sized(segment: Segment, size: int) -> Segment:
    if segment.role is not SegmentRole.INITRD or segment.size_is_known:
        return segment
    start = segment.span.start
    span = Span(start, align_up(start + size, PAGE_SIZE))
    return replace(segment, span=span, buffer_size=size, size_is_known=True)


def sizes_not_known(load: SegmentList) -> Iterator[str]:
    """Say of which segments only the address is known."""
    for segment in load.segments:
        if not segment.size_is_known:
            yield (
                f"{segment.where}: {segment.role.value} is at {address_text(segment.span.start)}, "
                "but its size is not given: only its first page is known to be taken"
            )
