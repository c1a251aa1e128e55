"""A load as the lines of the kernel's log tell it, made into segments."""

from __future__ import annotations

from smecheck.evidence import Fact, Known, Unknown
from smecheck.inputs.recorded_load import Row, by_address, elfcorehdr_address, segment_of
from smecheck.model.segments import Loader, Mode, Segment, SegmentList, SegmentRole
from smecheck.placement.constants import PAGE_SIZE
from smecheck.placement.naming import (
    name_elfcorehdr,
    name_entered,
    name_in_load_order,
    name_segments,
)
from smecheck.quantity import address_text
from smecheck.record import record
from smecheck.span import align_up


@record
class Placed:
    """What a "Loaded" line says; sizes are not told of purgatory."""

    line: int
    address: int
    sizes: tuple[int, int] | None


class KernelLogLoad:
    """A load as far as its lines were read. Pairs are a line and what it says."""

    def __init__(self) -> None:
        self.loader = Loader.KEXEC_FILE_LOAD
        self.places: dict[SegmentRole, Placed] = {}
        self.cmdline: tuple[int, str] | None = None
        self.is_cmdline_cut = False
        self.count: tuple[int, int] | None = None
        self.rows: dict[int, Row] = {}
        self.broken: int | None = None
        """A line of the list that is cut off."""
        self.mode: tuple[int, Mode] | None = None
        self.entry: int | None = None

    @property
    def line(self) -> int:
        """The line that the list begins in; without a list, the first line of the load."""
        if self.count:
            return self.count[0]
        rows = self.rows.values() or self.places.values()
        return self.broken or min(row.line for row in rows)

    def missing(self) -> str | None:
        """Tell what the list lacks, if anything."""
        if self.broken is not None:
            return "a line of the list of segments is cut off"
        expected = self.count[1] if self.count else max(self.rows) + 1
        if len(self.rows) != expected or max(self.rows, default=-1) >= expected:
            said = "nr_segments says" if self.count else "by its last one it has"
            return f"the list of segments is cut off: {said} {expected}, {len(self.rows)} are there"
        listed = {row.mem for row in self.rows.values()}
        for role, place in self.places.items():
            if place.address not in listed:
                return f"the list of segments is cut off: {role.value} is not in it"
        return None


def listed(draft: KernelLogLoad, name: str) -> SegmentList:
    """Make the load of a list of segments."""
    roles = {place.address: role for role, place in draft.places.items()}
    segments = tuple(
        segment_of(row, roles.get(row.mem, SegmentRole.OTHER), name)
        for _, row in sorted(draft.rows.items())
    )
    if draft.cmdline is not None:
        segments = name_elfcorehdr(segments, elfcorehdr_address(draft.cmdline[1]))
    segments = name_entered(segments, draft.entry)
    if draft.loader is Loader.KEXEC_FILE_LOAD:
        segments = name_in_load_order(segments)
    return _segment_list(draft, name, segments, ())


def only_placed(draft: KernelLogLoad, name: str) -> SegmentList:
    """Make the load of "Loaded" lines alone, as far as they tell sizes."""
    segments: list[Segment] = []
    remarks: list[str] = []
    for role, place in draft.places.items():
        if place.sizes is None:
            remarks.append(
                f"{name}:{place.line}: {role.value} is at {address_text(place.address)}, "
                "but its size is not told: it is not among the segments"
            )
            continue
        bufsz, memsz = place.sizes
        row = Row(place.line, place.address, align_up(memsz, PAGE_SIZE), bufsz)
        segments.append(segment_of(row, role, name))
    header = elfcorehdr_address(draft.cmdline[1]) if draft.cmdline else None
    if header is not None and SegmentRole.ELFCOREHDR not in draft.places:
        remarks.append(
            f"{name}:{draft.line}: elfcorehdr is at {address_text(header)}, but its "
            "size is not told: it is not among the segments"
        )
    if draft.cmdline is None:
        remarks.append(
            f"{name}:{draft.line}: the kernel prints a final command line when all is "
            "placed, and there is none: the load may have failed, or lines are missing"
        )
    return _segment_list(draft, name, tuple(segments), tuple(remarks))


def _segment_list(
    draft: KernelLogLoad, name: str, segments: tuple[Segment, ...], remarks: tuple[str, ...]
) -> SegmentList:
    where = f"{name}:{draft.line}"
    ordered = name_segments(by_address(segments), draft.loader, None)
    return SegmentList(
        source=name,
        segments=ordered,
        loader=Known(draft.loader, f"{where}: lines of the kernel"),
        mode=_mode(draft, name, ordered),
        cmdline=_cmdline(draft, name),
        init_size=_init_size(draft, ordered),
        remarks=remarks,
    )


def _mode(draft: KernelLogLoad, name: str, segments: tuple[Segment, ...]) -> Fact[Mode]:
    if draft.mode is not None:
        line, mode = draft.mode
        return Known(mode, f"{name}:{line}: type")
    roles = {segment.role for segment in segments}
    cmdline = draft.cmdline[1] if draft.cmdline else ""
    if SegmentRole.ELFCOREHDR in roles or elfcorehdr_address(cmdline) is not None:
        return Known(Mode.CRASH, f"{name}:{draft.line}: elfcorehdr is loaded")
    if SegmentRole.KERNEL in roles:
        return Known(Mode.LOAD, f"{name}:{draft.line}: no elfcorehdr is loaded")
    return Unknown("the lines of the kernel do not tell what was loaded")


def _cmdline(draft: KernelLogLoad, name: str) -> Fact[str]:
    if draft.cmdline is None or not draft.cmdline[1]:
        return Unknown("the lines of the kernel do not show the final command line")
    line, cmdline = draft.cmdline
    if draft.is_cmdline_cut:
        return Unknown(f"the command line in line {line} is as long as a message can be: cut")
    return Known(cmdline, f"{name}:{line}: Final command line")


def _init_size(draft: KernelLogLoad, segments: tuple[Segment, ...]) -> Fact[int]:
    """Return the size that bzImage64_load() keeps for the kernel: init_size, in whole pages."""
    kernel = [segment for segment in segments if segment.role is SegmentRole.KERNEL]
    if draft.loader is not Loader.KEXEC_FILE_LOAD or len(kernel) != 1:
        return Unknown("the lines of the kernel do not tell init_size")
    return Known(kernel[0].span.size, f"{kernel[0].where}: memsz of the kernel segment")
