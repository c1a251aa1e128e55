"""What the rules hold the extents of a workarea against, as sets of spans that do not move.

From each extent, an offset from ``_text``, and such a set follow the addresses at which they meet.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from smecheck.checks.crash_reservation import past_crash_reservation
from smecheck.checks.in_place import segment_in_slack
from smecheck.checks.mapped import initrd_loses_encryption
from smecheck.checks.ram import not_mapped_at_entry, workarea_outside_ram
from smecheck.checks.rule import Rule
from smecheck.checks.written import live_tables, written_over_segment
from smecheck.kernel.constants import PMD_SIZE, PUD_SIZE
from smecheck.kernel.generations import GENERATION_RULES
from smecheck.load.segments import SegmentRole
from smecheck.machine.memory import MemoryMap
from smecheck.record import record
from smecheck.remembered import remembered
from smecheck.span import Span, SpanSet
from smecheck.workarea.page_tables import page_aligned_initrd, partial_frames

if TYPE_CHECKING:
    from smecheck.case import Located

_EVERYWHERE = SpanSet([Span(0, 1 << 64)])


@record
class Forbidden:
    """Something that an extent must not meet."""

    rule: Rule
    name: str
    extent: str
    """Which extent: a key of :attr:`_Kind.extents`."""
    starts: tuple[int, ...]
    ends: tuple[int, ...]
    """Of its spans, ascending."""
    spans: SpanSet

    def within_reach(self, start: int, end: int) -> bool:
        """Tell whether anything at all lies between the first span and the last."""
        return bool(self.starts) and start < self.ends[-1] and self.starts[0] < end

    def holds(self, start: int, end: int) -> bool:
        """Tell whether a byte from ``start`` to before ``end`` is in one of the spans."""
        first = bisect_left(self.ends, start + 1)
        return first < len(self.starts) and self.starts[first] < end

    def met_by(self, extent: Span, slots: Span) -> Iterator[Span]:
        """Yield the addresses in ``slots`` from which the extent, an offset, meets a span."""
        first = bisect_left(self.ends, slots.start + extent.start + 1)
        for start, end in zip(self.starts[first:], self.ends[first:], strict=True):
            lowest = max(slots.start, start - extent.end + 1)
            if lowest >= slots.end:
                return
            highest = min(slots.end, end - extent.start)
            if lowest < highest:
                yield Span(lowest, highest)


def forbidden(located: Located, crash_memory: SpanSet | None) -> Iterator[Forbidden]:
    """Yield what the rules hold the extents against, rule by rule."""
    neighbours = located.neighbours
    for segment in neighbours:
        name, spans = segment.role.value, [segment.span]
        # SME002 is about what is written at worst, where that is all that is known.
        yield _of(written_over_segment, name, "reached", spans)
        yield _of(segment_in_slack, name, "image", spans)
        encrypts = any(GENERATION_RULES[g].encrypts_initrd for g in located.facts.generations)
        may_be_initrd = segment.role is SegmentRole.INITRD or (
            segment.role is SegmentRole.OTHER and located.boot.initrd.size
        )
        if encrypts and may_be_initrd:
            initrd = page_aligned_initrd(segment.span)
            frames = (Span.sized(n * PMD_SIZE, PMD_SIZE) for n in partial_frames(initrd))
            yield _of(initrd_loses_encryption, name, "mapped", frames)
    kernel = located.segments.of(SegmentRole.KERNEL) if located.segments else ()
    yield _of(
        written_over_segment,
        "page tables of the decompressor",
        "written",
        (live_tables(segment) for segment in kernel),
    )
    if located.memory is None:
        return
    yield _outside_ram(located.memory)
    if crash_memory is not None:
        yield _of(
            past_crash_reservation, "outside Crash kernel", "touched", _EVERYWHERE - crash_memory
        )


@remembered
def _outside_ram(memory: MemoryMap) -> Forbidden:
    outside = _EVERYWHERE - memory.system_ram - memory.ram_buffer
    return _of(workarea_outside_ram, "no System RAM", "touched", outside)


def _of(rule: Rule, name: str, extent: str, spans: Iterable[Span]) -> Forbidden:
    ordered = spans if isinstance(spans, SpanSet) else SpanSet(spans)
    starts = tuple(span.start for span in ordered)
    return Forbidden(rule, name, extent, starts, tuple(span.end for span in ordered), ordered)


def frames_of_the_load(located: Located) -> Forbidden:
    """Return the 1 GiB frames that have page tables of their own, or that share them."""
    segments = located.segments.segments if located.segments else ()
    return _of(
        not_mapped_at_entry,
        "frames",
        "",
        (segment.span.aligned_out(PUD_SIZE) for segment in segments),
    )
