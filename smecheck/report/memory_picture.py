"""What a picture of the memory shows: rows of marks, each with a name, a span and what it means.

The picture has two scales: the whole of physical memory, and a lens around the workarea. Both show
the same rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import Enum

from smecheck.answer import Report
from smecheck.checks.finding import Finding
from smecheck.evidence import Fact, Known
from smecheck.load.segments import SegmentRole
from smecheck.record import record
from smecheck.report.finding_words import place_of
from smecheck.span import Span, align_down, align_up
from smecheck.workarea.placement import Extents, Placement

_FRAME = 2 << 20
_LEAST_LENS = 8 << 20
"""A lens shows at least four 2 MiB frames."""


class Ink(Enum):
    """How a mark is drawn. Each differs from the others by pattern or outline, not colour alone."""

    RAM = "ram"
    RESERVATION = "reservation"
    KERNEL = "kernel"
    SEGMENT = "segment"
    IN_PLACE = "in-place"
    WRITTEN = "written"
    WORST = "worst"
    MAPPED = "mapped"
    HYPOTHETICAL = "hypothetical"
    PLACES = "places"
    COLLIDING = "colliding"
    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


INK_MEANINGS = {
    Ink.KERNEL: "kernel",
    Ink.SEGMENT: "segment",
    Ink.IN_PLACE: "encrypted in place",
    Ink.WRITTEN: "surely written",
    Ink.WORST: "written at worst",
    Ink.MAPPED: "mapped only",
    Ink.HYPOTHETICAL: "the other scheme (hypothetical)",
    Ink.PLACES: "possible KASLR positions",
    Ink.COLLIDING: "positions that collide",
    Ink.ERROR: "error",
}
"""What the legend says, in this order, of those that are drawn."""


@record
class Mark:
    """Something at some addresses."""

    name: str
    span: Span
    ink: Ink
    detail: str = ""
    """Where it is known from, or who owns it. It may hold anything that was in an input."""


@record
class Row:
    """Marks that are drawn on one line."""

    label: str
    marks: tuple[Mark, ...]


@record
class MemoryPicture:
    """Rows, and the two scales they are drawn to."""

    rows: tuple[Row, ...]
    whole: Span
    """From 0 to the end of all that is drawn."""
    lens: Span
    """Around the workarea."""
    is_physical: bool
    """Whether addresses are physical; otherwise they are offsets from ``_text``."""


def memory_picture(report: Report) -> MemoryPicture | None:
    """Return what there is to draw; ``None`` where the workarea cannot be placed at all."""
    actual = report.actual or next((p for p in report.placements if p.offsets is not None), None)
    if actual is None or actual.offsets is None:
        return None
    extents, is_physical = (
        (actual.offsets, False) if actual.extents is None else (actual.extents, True)
    )
    rows = tuple(row for row in _rows(report, is_physical=is_physical) if row.marks)
    marks = [mark for row in rows for mark in row.marks]
    whole = Span(0, align_up(max(mark.span.end for mark in marks), _FRAME))
    return MemoryPicture(rows, whole, _lens(extents, marks, whole), is_physical)


def _rows(report: Report, *, is_physical: bool) -> Iterator[Row]:
    if is_physical:
        yield Row("memory", tuple(_ram(report)))
        yield Row("reserved", tuple(_reserved(report)))
    yield Row("kernel", tuple(_kernel(report, is_physical=is_physical)))
    if is_physical:
        yield Row("segments", tuple(_segments(report)))
    for placement in report.placements:
        if placement.actual:
            yield Row("workarea", tuple(_workarea(placement)))
    for placement in report.placements:
        if not placement.actual:
            yield Row(placement.scheme.value, tuple(_hypothetical(placement)))
    if is_physical:
        yield Row("KASLR", tuple(_places(report)))
        yield Row("findings", tuple(_findings(report.findings)))


def _ram(report: Report) -> Iterator[Mark]:
    if report.memory is not None:
        for span in report.memory.system_ram:
            yield Mark("System RAM", span, Ink.RAM, report.memory.source)


def _reserved(report: Report) -> Iterator[Mark]:
    if report.memory is not None:
        for region in report.memory.crash_kernel:
            yield Mark(region.name, region.span, Ink.RESERVATION, report.memory.where(region))


def _kernel(report: Report, *, is_physical: bool) -> Iterator[Mark]:
    segments = report.segments.of(SegmentRole.KERNEL) if report.segments and is_physical else ()
    for segment in segments:
        yield Mark("kernel segment", segment.span, Ink.KERNEL, segment.where)
    size = report.facts.image_size
    base: Fact[int] = report.boot.kernel_base if is_physical else Known(0, "_text")
    if size is not None and isinstance(base, Known):
        runs_inside = any(base.value in segment.span for segment in segments)
        if not runs_inside:
            span = Span.sized(base.value, size)
            yield Mark("kernel, _text to _end", span, Ink.KERNEL, base.origin)


def _segments(report: Report) -> Iterator[Mark]:
    for segment in report.segments.segments if report.segments is not None else ():
        if segment.role is not SegmentRole.KERNEL:
            origin = f"{segment.origin.value}: {segment.where}"
            yield Mark(segment.role.value, segment.span, Ink.SEGMENT, origin)


def _extents(placement: Placement) -> Extents | None:
    return placement.extents or placement.offsets


def _workarea(placement: Placement) -> Iterator[Mark]:
    extents = _extents(placement)
    if extents is None:
        return
    owner = f"owner: {placement.owner.value} ({placement.owner_reason})"
    if extents.in_place:
        yield Mark("encrypted in place with the kernel", extents.in_place, Ink.IN_PLACE)
    yield Mark("workarea, surely written", extents.written, Ink.WRITTEN, owner)
    if extents.worst_end > extents.written_end:
        worst = Span(extents.written_end, extents.worst_end)
        yield Mark("workarea, written at worst", worst, Ink.WORST, owner)
    reached = max(extents.written_end, extents.worst_end)
    if extents.mapped_end > reached:
        yield Mark("workarea, mapped only", Span(reached, extents.mapped_end), Ink.MAPPED, owner)


def _hypothetical(placement: Placement) -> Iterator[Mark]:
    extents = _extents(placement)
    if extents is not None:
        name = f"workarea under the scheme {placement.scheme.value} (hypothetical)"
        yield Mark(name, extents.mapped, Ink.HYPOTHETICAL, placement.owner_reason)


def _places(report: Report) -> Iterator[Mark]:
    sweep = report.kaslr
    if sweep is None:
        return
    slots = sweep.slots
    for area in slots.areas:
        span = Span(area.start, slots.last_of(area) + slots.alignment)
        positions = f"{area.count} possible positions of _text, {slots.alignment:#x} apart"
        yield Mark("KASLR", span, Ink.PLACES, positions)
    for collision in sweep.collisions.by_rule if sweep.collisions is not None else ():
        span = Span(collision.lowest, collision.highest + slots.alignment)
        met = collision.phrase or f"collides with {collision.other}"
        detail = f"{collision.rule}: {collision.count} positions in this range: {met}"
        yield Mark("colliding positions", span, Ink.COLLIDING, detail)


def _findings(findings: Iterable[Finding]) -> Iterator[Mark]:
    for finding in findings:
        if finding.span is not None:
            detail = f"{finding.message} ({place_of(finding)})"
            yield Mark(finding.rule, finding.span, Ink(finding.severity.value), detail)


def _lens(extents: Extents, marks: Iterable[Mark], whole: Span) -> Span:
    """Return the frames around the workarea, and what is hit, with a frame to either side."""
    start, end = extents.in_place.start, extents.mapped_end
    near = Span(max(0, start - _LEAST_LENS), end + _LEAST_LENS)
    for mark in marks:
        if mark.ink in (Ink.SEGMENT, Ink.ERROR, Ink.WARNING) and mark.span.overlaps(near):
            start, end = min(start, mark.span.start), max(end, mark.span.end)
    start, end = max(start, near.start), min(end, near.end)
    lens = Span(align_down(start, _FRAME), align_up(end, _FRAME))
    missing = max(_FRAME, (_LEAST_LENS - lens.size) // 2)
    return Span(max(0, lens.start - missing), min(max(lens.end + missing, lens.end), whole.end))
