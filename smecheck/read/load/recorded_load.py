"""What a text records of kexec loads: rows of segment lists, whole loads, what went wrong."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeVar

from smecheck.errors import MalformedInput
from smecheck.evidence import value_of
from smecheck.kernel.constants import PAGE_SIZE
from smecheck.load.segments import Mode, Segment, SegmentList, SegmentOrigin, SegmentRole
from smecheck.quantity import address_text
from smecheck.record import record
from smecheck.span import Span

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SEGMENTS_LIMIT = 64
"""KEXEC_SEGMENT_MAX of the kernel is 16."""

CAPTURE_AGAIN = "capture the complete text of the load again, from its first line to its last"

_ADDRESS_BITS = 64
_SHOWN_LINES = 6
_HEX = re.compile(r"(?:0[xX])?[0-9a-fA-F]++")
_ELFCOREHDR = re.compile(r"(?:^|[\0- ])elfcorehdr=(0x[0-9a-fA-F]++|[0-9]++)([KMG]?)")
_UNITS = {"": 0, "K": 10, "M": 20, "G": 30}


@record
class Row:
    """A segment as a list prints it: address, bytes kept, bytes of content."""

    line: int
    mem: int
    memsz: int
    bufsz: int


@record
class RecordedLoad:
    """A load whose list is whole, and the line that the list begins in."""

    line: int
    segments: SegmentList


@record
class RecordedProblem:
    """A line that says why a load is not there: a refusal, or the place of a list cut off."""

    line: int
    text: str


class LoadHistory:
    """The loads of a text. However many there are, only the last of each mode is kept."""

    def __init__(self) -> None:
        self.count = 0
        self.lines: list[int] = []
        """Where the loads begin; of many, the first ones and the last one."""
        self.cut_off: RecordedProblem | None = None
        """The last list that is not whole."""
        self.last_of_mode: dict[Mode | None, RecordedLoad] = {}

    def add(self, load: RecordedLoad) -> None:
        """Add a whole load; loads are added in the order of the text."""
        self.count += 1
        del self.lines[_SHOWN_LINES - 1 :]
        self.lines.append(load.line)
        self.last_of_mode[value_of(load.segments.mode)] = load

    def merge(self, other: LoadHistory) -> None:
        """Take in the loads that another reader found in the same text."""
        self.count += other.count
        self.lines = sorted((*self.lines, *other.lines))
        del self.lines[_SHOWN_LINES - 1 : -1]
        self.cut_off = later(self.cut_off, other.cut_off)
        for mode, load in other.last_of_mode.items():
            self.last_of_mode[mode] = later(self.last_of_mode.get(mode), load) or load

    def last(self, mode: Mode | None) -> RecordedLoad | None:
        """Return the last load, or the last that is or may be of ``mode``."""
        loads = self.last_of_mode
        if mode is None:
            return max(loads.values(), key=lambda load: load.line, default=None)
        return loads.get(mode, loads.get(None))


_Placed = TypeVar("_Placed", RecordedLoad, RecordedProblem)


def later(one: _Placed | None, other: _Placed | None) -> _Placed | None:
    """Return what stands further down in the text."""
    if one is None or other is None:
        return one or other
    return max(one, other, key=lambda found: found.line)


def parse_hex(text: str, where: str) -> int:
    """Read a hexadecimal number as printf's ``%p`` and ``%#zx`` write it.

    Raises:
        MalformedInput: it is not such a number, or needs more than 64 bits.
    """
    if text == "(nil)":
        return 0
    if not _HEX.fullmatch(text):
        raise MalformedInput(
            f"'{text[:40]}' is not a hexadecimal number", where=where, help_text=CAPTURE_AGAIN
        )
    value = int(text, 16)
    if value.bit_length() > _ADDRESS_BITS:
        raise MalformedInput(
            f"the number {text[:40]} needs more than 64 bits", where=where, help_text=CAPTURE_AGAIN
        )
    return value


def segment_of(row: Row, role: SegmentRole, name: str) -> Segment:
    """Make the segment that ``row`` of the file ``name`` prints.

    Raises:
        MalformedInput: it ends beyond the last address, or is not whole pages, as every segment is.
    """
    where = f"{name}:{row.line}"
    if row.mem + row.memsz > 1 << _ADDRESS_BITS:
        raise MalformedInput(
            f"the segment at {address_text(row.mem)} ends beyond the 64 bits of an address",
            where=where,
            help_text=CAPTURE_AGAIN,
        )
    if row.memsz == 0 or (row.mem | row.memsz) % PAGE_SIZE:
        raise MalformedInput(
            f"the segment at {address_text(row.mem)}, {row.memsz:#x} bytes, is not whole pages: "
            "a line seems cut off",
            where=where,
            help_text=CAPTURE_AGAIN,
        )
    span = Span.sized(row.mem, row.memsz)
    return Segment(role, span, row.bufsz, SegmentOrigin.LOG, where)


def first_page(address: int, role: SegmentRole, where: str) -> Segment:
    """Make the segment of which the address is known, and not the size: it has one page at least.

    Raises:
        MalformedInput: the address is not that of a page.
    """
    if address % PAGE_SIZE or address + PAGE_SIZE > 1 << _ADDRESS_BITS:
        raise MalformedInput(
            f"the segment at {address_text(address)} does not begin with a page",
            where=where,
            help_text=CAPTURE_AGAIN,
        )
    span = Span.sized(address, PAGE_SIZE)
    return Segment(role, span, None, SegmentOrigin.LOG, where, size_is_known=False)


def by_address(segments: Iterable[Segment]) -> tuple[Segment, ...]:
    """Return the segments in the order that a :class:`SegmentList` has."""
    return tuple(sorted(segments, key=lambda segment: segment.span))


def elfcorehdr_address(cmdline: str) -> int | None:
    """Return the address that a crash kernel's command line gives for elfcorehdr."""
    return next(iter(_elfcorehdr_addresses(cmdline)), None)


def _elfcorehdr_addresses(cmdline: str) -> Iterator[int]:
    for match in _ELFCOREHDR.finditer(cmdline):
        if len(match[1]) > _ADDRESS_BITS:
            return
        yield int(match[1], 0 if match[1].startswith("0x") else 10) << _UNITS[match[2]]


def other_elfcorehdr(cmdline: str, loaded: int) -> str | None:
    """Say that a load's command line names elfcorehdr elsewhere than it was loaded, if it does.

    Both are of the loader. A user's own elfcorehdr= may stand beside the right one.
    """
    named = list(_elfcorehdr_addresses(cmdline))
    if not named or loaded in named:
        return None
    return (
        f"elfcorehdr is loaded at {address_text(loaded)}, and the command line names "
        f"{address_text(named[0])}: a line is not as it was"
    )
