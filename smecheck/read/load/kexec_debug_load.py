"""A load as the text of kexec-tools shows it, made into segments."""

from __future__ import annotations

from smecheck.evidence import Fact, Known, Unknown, value_of
from smecheck.load.naming import name_elfcorehdr, name_entered, name_segments
from smecheck.load.segments import Loader, Mode, Segment, SegmentList, SegmentRole
from smecheck.quantity import address_text
from smecheck.read.load.handed_table import HandedTable
from smecheck.read.load.kexec_command import KexecCommand
from smecheck.read.load.recorded_load import (
    RecordedProblem,
    Row,
    by_address,
    elfcorehdr_address,
    other_elfcorehdr,
    segment_of,
)
from smecheck.record import replace

_KEXEC_ON_CRASH = 1
"""include/uapi/linux/kexec.h: the bit of kexec_load's flags."""

_PURGATORY_CMDLINE_SIZE = 64
"""kexec-tools: room for purgatory's own command line after the kernel's."""

_SETUP_MINIMUM = 4096


class KexecDebugLoad:
    """A load as far as its text was read. Pairs of numbers are a line and what it says."""

    def __init__(self) -> None:
        self.command: KexecCommand | None = None
        self.places: dict[int, SegmentRole] = {}
        self.kernel_size: int | None = None
        self.init_size: tuple[int, int] | None = None
        self.cmdline: tuple[int, Fact[str]] | None = None
        self.flags: tuple[int, int] | None = None
        self.entry: int | None = None
        self.refusal: RecordedProblem | None = None
        self.table: HandedTable | None = None
        self.count: tuple[int, int] | None = None
        self.rows: dict[int, dict[str, tuple[int, int]]] = {}
        self.broken: int | None = None
        """A line of the list that is not whole."""
        self.is_repeated = False
        """Whether the list is being printed a second time, as it is after a refusal."""

    @property
    def has_begun(self) -> bool:
        """Whether anything was read of it."""
        return any(vars(self).values())

    @property
    def has_list(self) -> bool:
        """Whether a list of segments has begun."""
        return bool(self.rows) or self.count is not None or self.broken is not None

    @property
    def line(self) -> int:
        """The line that the list begins in."""
        lines = [line for row in self.rows.values() for line, _ in row.values()]
        return self.count[0] if self.count else min(lines, default=self.broken or 0)

    def missing(self) -> str | None:
        """Say what the list lacks, if anything."""
        if self.broken is not None:
            return "is broken: it is not a complete line of a list of segments"
        whole = [index for index, row in self.rows.items() if {"bufsz", "mem", "memsz"} <= set(row)]
        expected = self.count[1] if self.count else max(self.rows, default=-1) + 1
        if len(whole) == expected == len(self.rows) and all(index < expected for index in whole):
            return self._misplaced()
        said = "nr_segments says" if self.count else "by its last one it has"
        return f"the list of segments is cut off: {said} {expected}, {len(whole)} are complete"

    def _misplaced(self) -> str | None:
        """Say what the list has elsewhere than kexec placed it."""
        starts = {row["mem"][1] for row in self.rows.values()}
        for address, role in self.places.items():
            if address not in starts:
                where = f"{role.value} at {address_text(address)}, where kexec placed it"
                return f"the list of segments does not have {where}: a line is not as it was"
            if role is SegmentRole.ELFCOREHDR and self.cmdline is not None:
                other = other_elfcorehdr(value_of(self.cmdline[1]) or "", address)
                if other is not None:
                    return other
        for row in self.rows.values():
            if row["bufsz"][1] > row["memsz"][1]:
                what = f"{row['bufsz'][1]:#x} bytes in {row['memsz'][1]:#x} of memory"
                return f"the list of segments has {what}: a line is not as it was"
        return None


def segment_list(draft: KexecDebugLoad, name: str) -> SegmentList:
    """Make the load of a list that is whole."""
    where = f"{name}:{draft.line}"
    segments = _segments(draft, name)
    return SegmentList(
        source=name,
        segments=segments,
        loader=Known(Loader.KEXEC_LOAD, f"{where}: a list of kexec-tools"),
        mode=_mode(draft, name),
        cmdline=_cmdline(draft, name, segments),
        init_size=_init_size(draft, name),
        table=draft.table.table if draft.table is not None else None,
        refusal=draft.refusal.text if draft.refusal else None,
    )


def _segments(draft: KexecDebugLoad, name: str) -> tuple[Segment, ...]:
    rows = [
        Row(row["mem"][0], row["mem"][1], row["memsz"][1], row["bufsz"][1])
        for row in draft.rows.values()
    ]
    segments = by_address(
        segment_of(row, draft.places.get(row.mem, SegmentRole.OTHER), name) for row in rows
    )
    if draft.cmdline is not None:
        given = value_of(draft.cmdline[1]) or ""
        segments = name_elfcorehdr(segments, elfcorehdr_address(given))
    return name_segments(name_entered(segments, draft.entry), Loader.KEXEC_LOAD, None)


def _init_size(draft: KexecDebugLoad, name: str) -> Fact[int]:
    if draft.init_size is None:
        return Unknown("the text of the load does not show init_size")
    line, size = draft.init_size
    return Known(size, f"{name}:{line}: kernel init_size")


def _mode(draft: KexecDebugLoad, name: str) -> Fact[Mode]:
    if draft.flags is not None:
        line, flags = draft.flags
        mode = Mode.CRASH if flags & _KEXEC_ON_CRASH else Mode.LOAD
        return Known(mode, f"{name}:{line}: flags = {flags:#x}")
    if SegmentRole.ELFCOREHDR in draft.places.values():
        return Known(Mode.CRASH, f"{name}: an elf header segment was created")
    if draft.command is not None and draft.command.mode is not None:
        return Known(draft.command.mode, f"{name}:{draft.command.line}: the command")
    return Unknown("the text of the load shows no flags")


def _cmdline(draft: KexecDebugLoad, name: str, segments: tuple[Segment, ...]) -> Fact[str]:
    if draft.cmdline is not None:
        return draft.cmdline[1]
    if draft.command is None:
        return Unknown("the text of the load does not show the command line")
    given = draft.command.cmdline_of_length(_loaded_length(draft, segments))
    where = f"{name}:{draft.command.line}: the kexec command"
    return replace(given, origin=where) if isinstance(given, Known) else given


def _loaded_length(draft: KexecDebugLoad, segments: tuple[Segment, ...]) -> int | None:
    """Work out how long the loaded command line is, from the sizes of what is around it.

    kexec/arch/x86_64/kexec-bzImage64.c: boot_params is the setup code (at least a page), the
    command line with its NUL, and purgatory's; the kernel segment is the file after the setup.
    """
    sizes = {segment.role: segment.buffer_size for segment in segments}
    kernel, params = sizes.get(SegmentRole.KERNEL), sizes.get(SegmentRole.BOOT_PARAMS)
    if draft.kernel_size is None or kernel is None or params is None:
        return None
    setup = max(draft.kernel_size - kernel, _SETUP_MINIMUM)
    length = params - setup - _PURGATORY_CMDLINE_SIZE - 1
    return length if length >= 0 else None
