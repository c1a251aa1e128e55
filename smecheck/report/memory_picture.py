"""What a picture of the memory shows: rows of marks, each with a name, a span and what it means.

The picture has two scales: the whole of physical memory, and a lens around the workarea. Both show
the same rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import Enum

from smecheck.answer import Report
from smecheck.boot.kaslr.slots import Collisions, KaslrSweep, SlotCollision
from smecheck.checks.finding import Finding
from smecheck.checks.unpacking import unpacked_in
from smecheck.evidence import Fact, Known
from smecheck.kernel.constants import PMD_SIZE
from smecheck.load.segments import SegmentRole
from smecheck.machine.memory import CRASH_KERNEL, SYSTEM_RAM
from smecheck.quantity import count_text
from smecheck.record import record
from smecheck.report.finding_words import place_of
from smecheck.span import Span, align_down, align_up
from smecheck.workarea.placement import Extents, Placement

_LEAST_LENS = 8 << 20
"""A lens shows at least four 2 MiB frames."""


class Ink(Enum):
    """How a mark is drawn. Each differs from the others by pattern or outline, not colour alone.

    In a row, what comes later here is drawn over what comes before.
    """

    RAM = "ram"
    RESERVATION = "reservation"
    KERNEL = "kernel"
    SEGMENT = "segment"
    UNPACK = "unpack"
    UNPACK_COPY = "unpack-copy"
    IN_PLACE = "in-place"
    WRITTEN = "written"
    WORST = "worst"
    MAPPED = "mapped"
    WORKAREA = "workarea"
    HYPOTHETICAL = "hypothetical"
    RESERVED_FOR_KERNEL = "kept"
    PLACES = "places"
    COLLIDING = "colliding"
    NOTE = "note"
    WARNING = "warning"
    ERROR = "error"


INK_MEANINGS = {
    Ink.RAM: SYSTEM_RAM,
    Ink.RESERVATION: "reserved",
    Ink.KERNEL: "kernel",
    Ink.SEGMENT: "segment",
    Ink.UNPACK: "unpack buffer",
    Ink.UNPACK_COPY: "decompressor's copy of itself",
    Ink.IN_PLACE: "encrypted in place",
    Ink.WRITTEN: "surely written",
    Ink.WORST: "written at worst",
    Ink.MAPPED: "mapped only",
    Ink.WORKAREA: "workarea",
    Ink.HYPOTHETICAL: "the other scheme (hypothetical)",
    Ink.RESERVED_FOR_KERNEL: "reserved for the kernel",
    Ink.PLACES: "possible KASLR position",
    Ink.COLLIDING: "position that collides",
    Ink.ERROR: "error",
    Ink.WARNING: "warning",
}
"""What the legend says, in this order, of those that are drawn."""


@record
class Mark:
    """Something at some addresses. Its texts may hold anything that was in an input."""

    name: str
    span: Span
    ink: Ink
    detail: str = ""
    """What there is to say of it."""
    origin: str = ""
    """Where it is known from."""
    owner: str = ""
    """Who owns these addresses."""
    every: int = 0
    """Where it is repeated: bytes from one to the next. Each is as long as :attr:`length`."""
    length: int = 0
    anchor: str = ""
    """What leads to it: the id of the place of a finding."""

    @property
    def facts(self) -> str:
        """All that there is to say of it beside its name and place, on a line."""
        said = (
            self.detail,
            f"known from {self.origin}" if self.origin else "",
            f"owner: {self.owner}" if self.owner else "",
        )
        return "; ".join(filter(None, said))

    @property
    def is_crash(self) -> bool:
        """Whether it is reserved for a crash kernel."""
        return self.ink is Ink.RESERVATION and self.name == CRASH_KERNEL

    @property
    def places(self) -> Iterator[Span]:
        """Every place it is drawn at."""
        if not self.every:
            yield self.span
            return
        for start in range(self.span.start, self.span.end, self.every):
            yield Span.sized(start, self.length)


@record
class Row:
    """Marks that are drawn on one line, in this order."""

    label: str
    marks: tuple[Mark, ...]

    @classmethod
    def of(cls, label: str, marks: Iterable[Mark]) -> Row:
        """Return the marks in the order in which they are drawn."""
        return cls(label, tuple(sorted(marks, key=lambda m: (_ORDER[m.ink], m.span.start))))


_ORDER = {ink: number for number, ink in enumerate(Ink)}


@record
class PlacesStrip:
    """The positions of ``_text`` that KASLR may choose, drawn once more on a scale of their own."""

    row: Row
    span: Span
    """From the first position to the end of the last."""
    alignment: int
    """Bytes from one position to the next."""
    count: int
    """Of the positions."""
    colliding: int | None
    """How many of them collide; ``None`` where that is not known."""


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
    places: PlacesStrip | None = None
    """Where KASLR may put the kernel; ``None`` where it does not choose."""


def memory_picture(report: Report) -> MemoryPicture | None:
    """Return what there is to draw; ``None`` where the workarea cannot be placed at all."""
    actual = report.actual or next((p for p in report.placements if p.offsets is not None), None)
    if actual is None or actual.offsets is None:
        return None
    extents, is_physical = (
        (actual.offsets, False) if actual.extents is None else (actual.extents, True)
    )
    places = _strip(report.kaslr) if is_physical and report.kaslr is not None else None
    rows = tuple(row for row in _rows(report, places, is_physical=is_physical) if row.marks)
    marks = [mark for row in rows for mark in row.marks]
    whole = whole_of(marks)
    lens = lens_around(Span(extents.in_place.start, extents.mapped_end), marks, whole)
    return MemoryPicture(rows, whole, lens, is_physical, places)


def whole_of(marks: Iterable[Mark]) -> Span:
    """Return from 0 to the end of what is drawn.

    What firmware reserves does not count: AMD's machines have such a range below 1 TiB, however
    little memory they have.
    """
    ends = [mark.span.end for mark in marks if mark.ink is not Ink.RESERVATION]
    return Span(0, align_up(max(ends), PMD_SIZE))


def _rows(report: Report, places: PlacesStrip | None, *, is_physical: bool) -> Iterator[Row]:
    if is_physical:
        yield Row.of("memory", _ram(report))
        yield Row.of("reservations", _reservations(report))
    yield Row.of("kernel", _kernel(report, is_physical=is_physical))
    if is_physical:
        yield Row.of("segments", _segments(report))
        yield Row.of("unpacking", _unpacking(report))
    for placement in report.placements:
        if placement.actual:
            yield Row.of("workarea", _workarea(placement))
    for placement in report.placements:
        if not placement.actual:
            yield Row.of(f"or {placement.scheme.value}", _hypothetical(placement))
    if not is_physical:
        yield Row.of("reserved", _reserved_for_kernel(report))
    if is_physical:
        if places is not None:
            yield places.row
        yield Row.of("findings", _findings(report.findings))


def _ram(report: Report) -> Iterator[Mark]:
    if report.memory is not None:
        for span in report.memory.system_ram:
            yield Mark(SYSTEM_RAM, span, Ink.RAM, origin=report.memory.source)


def _reservations(report: Report) -> Iterator[Mark]:
    if report.memory is not None:
        for region in report.memory.reservations:
            yield Mark(
                region.name, region.span, Ink.RESERVATION, origin=report.memory.where(region)
            )


def _kernel(report: Report, *, is_physical: bool) -> Iterator[Mark]:
    segments = report.segments.of(SegmentRole.KERNEL) if report.segments and is_physical else ()
    for segment in segments:
        origin = f"{segment.where} ({segment.origin.value})"
        yield Mark("kernel segment", segment.span, Ink.KERNEL, origin=origin)
    size = report.facts.image_size
    base: Fact[int] = report.boot.kernel_base if is_physical else Known(0, "_text")
    if size is not None and isinstance(base, Known):
        runs_inside = any(base.value in segment.span for segment in segments)
        if not runs_inside:
            span = Span.sized(base.value, size)
            yield Mark("kernel, _text to _end", span, Ink.KERNEL, origin=base.origin)


def _segments(report: Report) -> Iterator[Mark]:
    for segment in report.segments.segments if report.segments is not None else ():
        if segment.role is not SegmentRole.KERNEL:
            origin = f"{segment.where} ({segment.origin.value})"
            yield Mark(segment.role.value, segment.span, Ink.SEGMENT, origin=origin)


def _unpacking(report: Report) -> Iterator[Mark]:
    buffer = unpacked_in(report.image, report.facts, report.segments)
    if buffer is None:
        return
    name = "buffer that the kernel is unpacked in"
    yield Mark(name, buffer.span, Ink.UNPACK, "before KASLR chooses", buffer.origin)
    if buffer.copy:
        name = "end of the buffer, which the decompressor copies itself to"
        detail = "overwritten before KASLR chooses, with SME or without"
        yield Mark(name, buffer.copy, Ink.UNPACK_COPY, detail, buffer.origin)


def _extents(placement: Placement) -> Extents | None:
    return placement.extents or placement.offsets


def _workarea(placement: Placement) -> Iterator[Mark]:
    extents = _extents(placement)
    if extents is None:
        return
    owner = f"{placement.owner.value} ({placement.owner_reason})"
    origin = f"the scheme {placement.scheme.value} and _end"
    parts = [
        ("workarea, surely written", extents.written, Ink.WRITTEN),
        (
            "workarea, written at worst",
            Span(extents.written_end, max(extents.written_end, extents.worst_end)),
            Ink.WORST,
        ),
    ]
    reached = max(extents.written_end, extents.worst_end)
    mapped = Span(reached, max(reached, extents.mapped_end))
    parts.append(("workarea, mapped only", mapped, Ink.MAPPED))
    if extents.in_place:
        yield Mark("encrypted in place with the kernel", extents.in_place, Ink.IN_PLACE)
    for name, span, ink in parts:
        if span:
            yield Mark(name, span, ink, origin=origin, owner=owner)


def _hypothetical(placement: Placement) -> Iterator[Mark]:
    extents = _extents(placement)
    if extents is not None:
        name = f"workarea under the scheme {placement.scheme.value} (hypothetical)"
        owner = f"{placement.owner.value} ({placement.owner_reason})"
        yield Mark(name, extents.mapped, Ink.HYPOTHETICAL, owner=owner)


def _reserved_for_kernel(report: Report) -> Iterator[Mark]:
    """Yield what each way of loading reserves for the kernel from _text on, the longest first."""
    if report.proof is None:
        return
    ways: dict[int, list[str]] = {}
    for path in report.proof.paths:
        if path.taken and path.reserved_end > 0:
            ways.setdefault(path.reserved_end, []).append(path.path.value)
    for end, names in sorted(ways.items(), reverse=True):
        name = f"reserved for the kernel by {', '.join(names)}"
        yield Mark(name, Span(0, end), Ink.RESERVED_FOR_KERNEL)


def _strip(sweep: KaslrSweep) -> PlacesStrip | None:
    marks = tuple(_places(sweep))
    if not marks:
        return None
    span = Span(min(mark.span.start for mark in marks), max(mark.span.end for mark in marks))
    colliding = sweep.collisions.count if sweep.collisions is not None else None
    slots = sweep.slots
    return PlacesStrip(Row.of("KASLR", marks), span, slots.alignment, slots.count, colliding)


def _places(sweep: KaslrSweep) -> Iterator[Mark]:
    slots = sweep.slots
    for area in slots.areas:
        span = Span(area.start, slots.last_of(area) + slots.alignment)
        positions = f"{count_text(area.count, 'possible position')} of _text"
        yield Mark("KASLR", span, Ink.PLACES, f"{positions}, {slots.alignment:#x} apart")
    if sweep.collisions is not None:
        yield from _colliding(sweep.collisions, slots.alignment)


def _colliding(collisions: Collisions, alignment: int) -> Iterator[Mark]:
    """Yield the positions that collide, those that meet the same things together."""
    borders: dict[int, tuple[list[SlotCollision], list[SlotCollision]]] = {}
    for one in collisions.by_rule:
        for run in one.runs:
            if run.step != alignment:
                span = Span(run.first, run.last + alignment)
                detail = f"{count_text(run.count, 'position')}, {run.step:#x} apart: {_met([one])}"
                name = "colliding KASLR positions"
                yield Mark(name, span, Ink.COLLIDING, detail, every=run.step, length=alignment)
                continue
            borders.setdefault(run.first, ([], []))[0].append(one)
            borders.setdefault(run.last + alignment, ([], []))[1].append(one)
    open_ones: list[SlotCollision] = []
    before = 0
    for border, (begun, ended) in sorted(borders.items()):
        if open_ones:
            span = Span(before, border)
            count = count_text(span.size // alignment, "position")
            detail = f"{count} of _text: {_met(open_ones)}"
            yield Mark("colliding KASLR positions", span, Ink.COLLIDING, detail)
        for one in ended:
            open_ones.remove(one)
        open_ones += begun
        before = border


def _met(collisions: Iterable[SlotCollision]) -> str:
    """Say what is met, each with its rule."""
    return ", ".join(
        f"{one.rule} {one.phrase or f'collides with {one.other}'}" for one in collisions
    )


def _findings(findings: Iterable[Finding]) -> Iterator[Mark]:
    for number, finding in enumerate(findings):
        if finding.span is not None:
            detail = f"{finding.message} ({place_of(finding)})"
            ink = Ink(finding.severity.value)
            yield Mark(finding.rule, finding.span, ink, detail, anchor=found_id(number))


def found_id(number: int) -> str:
    """Return what leads to the place of a finding, by its number in the report."""
    return f"found-{number}"


def lens_around(middle: Span, marks: Iterable[Mark], whole: Span) -> Span:
    """Return the frames around the workarea, and what is hit, with a frame to either side."""
    start, end = middle.start, middle.end
    near = Span(max(0, start - _LEAST_LENS), end + _LEAST_LENS)
    for mark in marks:
        if mark.ink in (Ink.SEGMENT, Ink.ERROR, Ink.WARNING) and mark.span.overlaps(near):
            start, end = min(start, mark.span.start), max(end, mark.span.end)
    start, end = max(start, near.start), min(end, near.end)
    lens = Span(align_down(start, PMD_SIZE), align_up(end, PMD_SIZE))
    missing = max(PMD_SIZE, (_LEAST_LENS - lens.size) // 2)
    return Span(max(0, lens.start - missing), min(max(lens.end + missing, lens.end), whole.end))
