"""The two maps that kexec-tools makes for a crash kernel: what to dump, and what to run in.

kexec-tools, kexec/arch/i386/crashdump-x86.c. Both decide sizes: elfcorehdr holds a program header
for every range to dump, and more than 128 ranges to run in need a segment of their own.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from itertools import pairwise
from operator import attrgetter

from smecheck.load.candidates import IOMEM_TYPES
from smecheck.load.versions import ToolsChange, Version
from smecheck.machine.firmware import E820Type
from smecheck.machine.memory import MemoryMap
from smecheck.record import record
from smecheck.remembered import remembered
from smecheck.span import Span, align_down, align_up

_RANGES_LIMIT = 32768
_RANGES_LIMIT_BEFORE = 2050
"""kexec-tools, CRASH_MAX_MEMORY_RANGES."""

_USABLE_LIMIT = 1024
"""kexec-tools, CRASH_MAX_MEMMAP_NR."""

_LOW_MEMORY_END = 0xA0000
_DEFAULT_BACKUP = Span(0, _LOW_MEMORY_END)
"""kexec-tools, BACKUP_SRC_START and BACKUP_SRC_END."""

_GRANULE = 1024
"""memmap= and elfcorehdr= count in KiB."""

_LEAST_ON_CMDLINE = 100
"""kexec-tools, cmdline_add_memmap(): RAM of fewer KiB is left out."""

_TYPES = IOMEM_TYPES | {"reserved": E820Type.RESERVED, "Reserved": E820Type.RESERVED}

_MEMMAP_MARKS = {
    E820Type.RAM: "@",
    E820Type.ACPI: "#",
    E820Type.NVS: "#",
    E820Type.PRAM: "!",
}


@record
class CrashRange:
    """A range as kexec-tools keeps it: cutting may leave one that ends before it starts."""

    start: int
    end: int
    type: E820Type


def ranges_to_dump(
    memory: MemoryMap, reserved: tuple[Span, ...], tools: Version
) -> tuple[CrashRange, ...] | None:
    """Return what elfcorehdr describes: memory without the reservations and the GART aperture.

    ``None`` where there are more ranges than kexec-tools has room for.
    """
    any_ram = ToolsChange.HOTPLUGGED_RAM.is_in(tools)
    limit = _RANGES_LIMIT if ToolsChange.MORE_CRASH_RANGES.is_in(tools) else _RANGES_LIMIT_BEFORE
    borders = tuple(border for span in reserved for border in (span.start, span.end))
    return _ranges_to_dump(memory, borders, any_ram, limit)


@remembered
def _ranges_to_dump(
    memory: MemoryMap, reserved: tuple[int, ...], any_ram: bool, limit: int
) -> tuple[CrashRange, ...] | None:
    """Work it out; ``reserved`` holds start and end of each reservation."""
    ranges: list[CrashRange] = []
    aperture = None
    for region in memory.regions:
        name = region.name
        kind = E820Type.RAM if any_ram and "System RAM" in name else _TYPES.get(name)
        if len(ranges) == limit:
            break
        if name == "GART":
            aperture = region.span
        elif kind is not None:
            ranges.append(CrashRange(region.span.start, region.span.end, kind))
    excluded = [Span(*borders) for borders in zip(reserved[::2], reserved[1::2], strict=True)]
    for span in (*excluded, *([aperture] if aperture is not None else [])):
        if not _exclude(ranges, span, limit):
            return None
    return tuple(ranges)


@remembered
def backup_source(ranges: tuple[CrashRange, ...]) -> Span:
    """Return the low memory that is backed up for the crash kernel."""
    for one in ranges:
        if one.type is E820Type.RAM and one.end - 1 <= _LOW_MEMORY_END and one.start <= one.end:
            return Span(one.start, one.end)
    return _DEFAULT_BACKUP


@remembered
def not_ram(ranges: tuple[CrashRange, ...]) -> tuple[CrashRange, ...]:
    """Return those that are not RAM: a crash kernel is shown them too."""
    return tuple(one for one in ranges if one.type is not E820Type.RAM)


_START, _END = attrgetter("start"), attrgetter("end")


@remembered
def _ascend(ranges: tuple[CrashRange, ...]) -> bool:
    """Return whether ranges are in order, none is empty, and none overlaps another."""
    return all(one.start < one.end for one in ranges) and all(
        one.end <= other.start for one, other in pairwise(ranges)
    )


class UsableMap:
    """What the crash kernel may run in."""

    def __init__(self, tools: Version) -> None:
        self.ranges: list[CrashRange] = []
        self._is_in_order = True
        """Whether they ascend and do not overlap: until one is added that ends before it starts."""
        self._shrinks = ToolsChange.SHRINKS_RESERVATIONS.is_in(tools)

    def add(self, start: int, end: int, kind: E820Type) -> bool:
        """Insert a range; ``False`` where it overlaps another one, or there is no room for more.

        RAM is cut to whole KiB; before 2.0.22 such a range was not taken.
        """
        if kind is E820Type.RAM and (start % _GRANULE or end % _GRANULE):
            start, end = align_up(start, _GRANULE), align_down(end, _GRANULE)
            if not self._shrinks or start >= end:
                return False
        if len(self.ranges) == _USABLE_LIMIT:
            return False
        index = self._place(start, end)
        if index is None:
            return False
        if end < start:
            self._is_in_order = False
        self.ranges.insert(index, CrashRange(start, end, kind))
        return True

    def add_all(self, ranges: tuple[CrashRange, ...]) -> None:
        """Insert each of some ranges that are not RAM, as far as it can be."""
        if not (self._is_in_order and _ascend(ranges)):
            for one in ranges:
                self.add(one.start, one.end, one.type)
            return
        # They do not meet each other, only what is there: a few ranges.
        fitting: list[CrashRange] = []
        begin = 0
        for there in self.ranges:
            fitting += ranges[begin : bisect_left(ranges, there.start + 1, begin, key=_END)]
            begin = bisect_left(ranges, there.end, key=_START)
        fitting += ranges[begin:]
        self.ranges = sorted(self.ranges + fitting[: _USABLE_LIMIT - len(self.ranges)], key=_START)

    def _place(self, start: int, end: int) -> int | None:
        """Return where a range is inserted: after the last that ends before it.

        ``None`` where it overlaps one.
        """
        if self._is_in_order:
            index = bisect_right(self.ranges, start, key=_END)
            return index if index == len(self.ranges) or self.ranges[index].start >= end else None
        index = 0
        for place, one in enumerate(self.ranges):
            if one.start < end and one.end > start:
                return None
            if start >= one.end:
                index = place + 1
        return index

    def remove(self, span: Span) -> bool:
        """Cut a segment out; ``False`` where no range holds it whole, or there is no room."""
        if len(self.ranges) == _USABLE_LIMIT:
            return False
        for index, one in enumerate(self.ranges):
            if one.start <= span.start and span.end <= one.end:
                left = [(one.start, span.start), (span.end, one.end)]
                self.ranges[index : index + 1] = [
                    CrashRange(start, end, one.type) for start, end in left if start < end
                ]
                return True
        return False

    def cmdline_words(self) -> list[str]:
        """Return the ``memmap=`` words that ``--pass-memmap-cmdline`` adds."""
        words = ["memmap=exactmap"]
        for one in self.ranges:
            mark = _MEMMAP_MARKS.get(one.type)
            if mark is None:
                continue
            start, end = one.start // _GRANULE, one.end // _GRANULE
            if mark == "#":
                end = align_up(one.end, _GRANULE) // _GRANULE
            if not start and not end:
                break
            if one.type is E820Type.RAM and end - start < _LEAST_ON_CMDLINE:
                continue
            words.append(f"memmap={end - start}K{mark}{start}K")
        return words


def _exclude(ranges: list[CrashRange], span: Span, limit: int) -> bool:
    """Cut ``span`` out of the ranges it overlaps by more than a byte; a split makes one more.

    Of several splits the second parts are lost but for the last, as in exclude_region(). ``False``
    where there is no room for one more.
    """
    last = span.end - 1
    second: tuple[int, CrashRange] | None = None
    for index, one in enumerate(ranges):
        if not (span.start < one.end - 1 and last > one.start):
            continue
        if span.start != one.start and span.end != one.end:
            ranges[index] = CrashRange(one.start, span.start, one.type)
            second = index + 1, CrashRange(span.end, one.end, E820Type.RAM)
        elif span.start != one.start:
            ranges[index] = CrashRange(one.start, span.start, one.type)
        else:
            ranges[index] = CrashRange(span.end, one.end, one.type)
    if second is None:
        return True
    if len(ranges) == limit:
        return False
    ranges.insert(*second)
    return True
