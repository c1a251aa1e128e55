"""Who is drawn on the memory ruler: the workarea, and all that may meet it."""

from __future__ import annotations

from enum import Enum

from smecheck.answer import Report
from smecheck.checks.finding import Severity
from smecheck.evidence import Known
from smecheck.load.segments import SegmentRole
from smecheck.machine.memory import SYSTEM_RAM, MemoryMap
from smecheck.record import record
from smecheck.span import Span
from smecheck.workarea.placement import Extents, Placement
from smecheck.workarea.proven import Way

NEARBY = 8 << 20
"""How far from the workarea something may lie to be drawn: four 2 MiB frames."""


_RESERVED_BY = {
    Way.KEXEC: "kexec holds",
    Way.BOOT_LOADER: "loader holds",
    Way.KASLR: "kaslr holds",
    Way.EFI_STUB: "stub holds",
    Way.ELF: "LOADs hold",
}
"""What each way of loading reserves for the kernel, as short as a label must be."""


class Ink(Enum):
    """What a lane shows; decides how it is drawn."""

    KERNEL = "kernel"
    IN_PLACE = "in place"
    SEGMENT = "segment"
    RESERVATION = "reservation"
    HIT = "hit"


@record
class Lane:
    """One party on the ruler."""

    name: str
    spans: tuple[Span, ...]
    ink: Ink


@record
class Scene:
    """A workarea and the parties around it."""

    extents: Extents
    lanes: tuple[Lane, ...]
    physical: bool
    """Addresses are physical; otherwise they are offsets from ``_text``."""


def scene_of(report: Report) -> Scene | None:
    """Return what there is to draw of this kernel's own workarea, if that is known at all."""
    placement = report.actual
    if placement is None or placement.offsets is None:
        return None
    if placement.extents is None:
        lanes = _image(report, placement.offsets, 0)
        return Scene(placement.offsets, (*lanes, _in_place(placement.offsets)), physical=False)
    lanes = (
        *_kernel(report, placement),
        _in_place(placement.extents),
        *_neighbours(report),
        *_machine(report.memory, placement.extents),
        *_hits(report),
    )
    return Scene(placement.extents, lanes, physical=True)


def condensed(scene: Scene) -> Scene:
    """Return the scene in few lanes, for a first screen: segments share one, memory is left out."""
    lanes: list[Lane] = []
    segments = [span for lane in scene.lanes if lane.ink is Ink.SEGMENT for span in lane.spans]
    for lane in scene.lanes:
        if lane.ink is Ink.SEGMENT:
            if segments:
                lanes.append(Lane("segments", tuple(sorted(segments)), Ink.SEGMENT))
                segments = []
        elif lane.name != SYSTEM_RAM and lane.ink is not Ink.IN_PLACE:
            lanes.append(lane)
    return Scene(scene.extents, tuple(lanes), scene.physical)


def near(extents: Extents) -> Span:
    """Return the addresses that are near enough to the workarea to be drawn."""
    return Span(max(0, extents.start - NEARBY), extents.mapped_end + NEARBY)


def _in_place(extents: Extents) -> Lane:
    return Lane("in place", (extents.in_place,), Ink.IN_PLACE)


def _image(report: Report, extents: Extents, base: int) -> tuple[Lane, ...]:
    """Return the kernel by its image, and what the ways of loading reserve for it."""
    image = Lane("image", (Span(base, extents.in_place.start),), Ink.KERNEL)
    if report.proof is None:
        return (image,)
    kept = (
        Lane(_RESERVED_BY[path.path], (Span(base, base + path.reserved_end),), Ink.RESERVATION)
        for path in report.proof.paths
        if path.taken
    )
    return (image, *kept)


def _kernel(report: Report, placement: Placement) -> tuple[Lane, ...]:
    base, extents = report.boot.kernel_base, placement.extents
    segments = report.segments.of(SegmentRole.KERNEL) if report.segments else ()
    lanes = tuple(Lane("kernel", (segment.span,), Ink.KERNEL) for segment in segments)
    if extents is None or not isinstance(base, Known):
        return lanes
    runs_in_a_segment = any(base.value in segment.span for segment in segments)
    return lanes if runs_in_a_segment else (*lanes, *_image(report, extents, base.value))


def _neighbours(report: Report) -> tuple[Lane, ...]:
    if report.segments is None:
        return ()
    return tuple(
        Lane(segment.role.value, (segment.span,), Ink.SEGMENT)
        for segment in report.segments.segments
        if segment.role is not SegmentRole.KERNEL
    )


def _machine(memory: MemoryMap | None, extents: Extents) -> tuple[Lane, ...]:
    if memory is None:
        return ()
    reserved = (Lane(r.name, (r.span,), Ink.RESERVATION) for r in memory.crash_kernel)
    ram = tuple(span for span in memory.system_ram if span.overlaps(near(extents)))
    if not ram:
        # The workarea is far from all memory: the nearest below says how far.
        ram = tuple(span for span in memory.system_ram if span.end <= extents.start)[-1:]
    return (*reserved, *((Lane(SYSTEM_RAM, ram, Ink.RESERVATION),) if ram else ()))


def _hits(report: Report) -> tuple[Lane, ...]:
    spans = tuple(
        finding.span
        for finding in report.findings
        if finding.span is not None and finding.severity is Severity.ERROR
    )
    return (Lane("hit", spans, Ink.HIT),) if spans else ()
