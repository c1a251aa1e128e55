"""A load as the lines of the kernel's log give it, made into segments."""

from __future__ import annotations

from smecheck.evidence import Fact, Known, Unknown, value_of
from smecheck.kernel.constants import PAGE_SIZE
from smecheck.load.naming import name_elfcorehdr, name_entered, name_in_load_order, name_segments
from smecheck.load.segments import Loader, Mode, Segment, SegmentList, SegmentRole
from smecheck.read.load.handed_table import HandedTable
from smecheck.read.load.recorded_load import (
    Row,
    by_address,
    elfcorehdr_address,
    first_page,
    other_elfcorehdr,
    segment_of,
)
from smecheck.record import record
from smecheck.span import align_up


@record
class Placed:
    """What a "Loaded" line says; sizes are not given for purgatory."""

    line: int
    address: int
    sizes: tuple[int, int] | None


class KernelLogLoad:
    """A load as far as its lines were read. Pairs are a line and what it says."""

    def __init__(self) -> None:
        self.loader = Loader.KEXEC_FILE_LOAD
        self.places: dict[SegmentRole, Placed] = {}
        self.cmdline: tuple[int, Fact[str]] | None = None
        self.count: tuple[int, int] | None = None
        self.rows: dict[int, Row] = {}
        self.broken: int | None = None
        """A line of the list that is not whole."""
        self.broken_place: int | None = None
        """A line that says where something was placed, and is not whole."""
        self.mode: tuple[int, Mode] | None = None
        self.entry: int | None = None
        self.table: HandedTable | None = None

    @property
    def line(self) -> int:
        """The line that the list begins in; without a list, the first line of the load."""
        if self.count:
            return self.count[0]
        rows = self.rows.values() or self.places.values()
        return self.broken or min(row.line for row in rows)

    @property
    def is_open_ended(self) -> bool:
        """Whether nothing but the segments themselves shows that none is missing at the end."""
        return self.count is None and not self.loader.rules.placed_by_tools

    def missing(self) -> str | None:
        """Say what the list lacks, if anything."""
        if self.broken is not None:
            return "is broken: it is not a complete line of a list of segments"
        expected = self.count[1] if self.count else max(self.rows) + 1
        if len(self.rows) != expected or max(self.rows, default=-1) >= expected:
            said = "nr_segments says" if self.count else "by its last one it has"
            return f"the list of segments is cut off: {said} {expected}, {len(self.rows)} are there"
        listed = {row.mem for row in self.rows.values()}
        for role, place in self.places.items():
            if place.address not in listed:
                return f"the list of segments is cut off: {role.value} is not in it"
        return self.misplaced()

    def misplaced(self) -> str | None:
        """Say what the command line has elsewhere than it was placed."""
        place = self.places.get(SegmentRole.ELFCOREHDR)
        return other_elfcorehdr(_text_of(self), place.address) if place is not None else None


def listed(draft: KernelLogLoad, name: str) -> SegmentList:
    """Make the load of a list of segments."""
    roles = {place.address: role for role, place in draft.places.items()}
    segments = tuple(
        segment_of(row, roles.get(row.mem, SegmentRole.OTHER), name)
        for _, row in sorted(draft.rows.items())
    )
    segments = name_elfcorehdr(segments, elfcorehdr_address(_text_of(draft)))
    segments = name_entered(segments, draft.entry)
    if not draft.loader.rules.placed_by_tools:
        segments = name_in_load_order(segments)
    return _segment_list(draft, name, segments, ())


def only_placed(draft: KernelLogLoad, name: str) -> SegmentList:
    """Make the load of "Loaded" lines alone, as far as they give sizes."""
    segments: list[Segment] = []
    remarks: list[str] = []
    for role, place in draft.places.items():
        if place.sizes is None:
            segments.append(first_page(place.address, role, f"{name}:{place.line}"))
            continue
        bufsz, memsz = place.sizes
        row = Row(place.line, place.address, align_up(memsz, PAGE_SIZE), bufsz)
        segments.append(segment_of(row, role, name))
    header = elfcorehdr_address(_text_of(draft))
    if header is not None and SegmentRole.ELFCOREHDR not in draft.places:
        where = f"{name}:{draft.cmdline[0] if draft.cmdline else draft.line}"
        segments.append(first_page(header, SegmentRole.ELFCOREHDR, where))
    if draft.cmdline is None:
        remarks.append(
            f"{name}:{draft.line}: the kernel prints a final command line when all is "
            "placed, and there is none: the load may have failed, or lines are missing"
        )
    return _segment_list(draft, name, tuple(segments), tuple(remarks))


def _text_of(draft: KernelLogLoad) -> str:
    """Return the final command line, as far as it is known."""
    return (draft.cmdline and value_of(draft.cmdline[1])) or ""


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
        cmdline=_cmdline(draft),
        init_size=_init_size(draft, ordered),
        table=draft.table.table if draft.table is not None else None,
        remarks=remarks,
        may_lack=_may_lack(draft, ordered),
    )


def _mode(draft: KernelLogLoad, name: str, segments: tuple[Segment, ...]) -> Fact[Mode]:
    if draft.mode is not None:
        line, mode = draft.mode
        return Known(mode, f"{name}:{line}: type")
    roles = {segment.role for segment in segments}
    cmdline = _text_of(draft)
    if SegmentRole.ELFCOREHDR in roles or elfcorehdr_address(cmdline) is not None:
        return Known(Mode.CRASH, f"{name}:{draft.line}: elfcorehdr is loaded")
    if draft.cmdline is not None and isinstance(draft.cmdline[1], Unknown):
        return Unknown("the command line, which would name elfcorehdr, is not known")
    if SegmentRole.KERNEL in roles:
        return Known(Mode.LOAD, f"{name}:{draft.line}: no elfcorehdr is loaded")
    return Unknown("the kernel's lines do not show what was loaded")


def _cmdline(draft: KernelLogLoad) -> Fact[str]:
    logged = draft.cmdline
    if logged is None or (isinstance(logged[1], Known) and not logged[1].value):
        return Unknown("the kernel's lines do not show the final command line")
    return logged[1]


def _may_lack(draft: KernelLogLoad, segments: tuple[Segment, ...]) -> str | None:
    """Say what may be missing: the initrd is placed last, and only a count shows that it is not."""
    if not draft.is_open_ended or any(one.role is SegmentRole.INITRD for one in segments):
        return None
    return "no line says whether an initrd is loaded"


def _init_size(draft: KernelLogLoad, segments: tuple[Segment, ...]) -> Fact[int]:
    """Return the size that bzImage64_load() keeps for the kernel: init_size, in whole pages."""
    kernel = [segment for segment in segments if segment.role is SegmentRole.KERNEL]
    if draft.loader.rules.loads_elf or len(kernel) != 1:
        return Unknown("the kernel's lines do not show init_size")
    return Known(kernel[0].span.size, f"{kernel[0].where}: memsz of the kernel segment")
