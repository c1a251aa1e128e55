"""The memory that kexec-tools takes for RAM, and the window that it may use.

kexec-tools, kexec/arch/i386/kexec-x86-common.c, get_memory_ranges().
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import pairwise

from smecheck.load.versions import ToolsChange, Version
from smecheck.machine.firmware import E820Type, FirmwareMap
from smecheck.machine.memory import MemoryMap
from smecheck.record import record, replace
from smecheck.remembered import remembered
from smecheck.span import Span

RANGES_LIMIT = 2048
"""kexec-tools, MAX_MEMORY_RANGES."""

_COMMAND_LINE_READ = 511
"""kexec-tools, efi_map_added(): what it reads of /proc/cmdline."""

IOMEM_TYPES = {
    "System RAM": E820Type.RAM,
    "ACPI Tables": E820Type.ACPI,
    "ACPI Non-volatile Storage": E820Type.NVS,
    "Persistent Memory (legacy)": E820Type.PRAM,
    "Persistent Memory": E820Type.PMEM,
}
"""Names in /proc/iomem that kexec-tools knows, besides "reserved"."""

_RESERVED = "reserved"

_FIRMWARE_TYPES = {
    E820Type.RAM: E820Type.RAM,
    E820Type.RESERVED_KERN: E820Type.RAM,
    E820Type.ACPI: E820Type.ACPI,
    E820Type.NVS: E820Type.NVS,
    E820Type.PMEM: E820Type.PMEM,
    E820Type.PRAM: E820Type.PRAM,
}


@record
class MemoryRange:
    """A range of memory as kexec-tools keeps it, with children and all."""

    span: Span
    type: E820Type

    @property
    def is_ram(self) -> bool:
        """Whether segments may be put there."""
        return self.type is E820Type.RAM


@record
class Candidates:
    """The ranges that kexec-tools reads."""

    ranges: tuple[MemoryRange, ...]
    source: str
    """The file they come from."""
    in_order: bool = True
    """Otherwise kexec-tools says "memory out of order!!" and goes on, without what it does last:
    the interrupt vectors stay RAM, and a crash kernel is not confined to its reservation."""


@record
class RamRanges:
    """The ranges of RAM among all candidates."""

    spans: tuple[Span, ...]
    places: tuple[int, ...]
    """Where each of them is among the candidates."""
    starts: tuple[int, ...]
    in_order: bool
    """Whether each lies above the one before it, without sharing a byte."""

    def reached_by(self, window: Span) -> tuple[int, int]:
        """Return the first span that overlaps a window, and the first after it, if in order."""
        first = bisect_right(self.starts, window.start)
        if first and self.spans[first - 1].end > window.start:
            first -= 1
        return first, max(first, bisect_left(self.starts, window.end))

    def holding(self, address: int) -> Sequence[int]:
        """Return the places of those that hold an address."""
        if not self.in_order:
            return [
                place
                for place, span in zip(self.places, self.spans, strict=True)
                if address in span
            ]
        last = bisect_right(self.starts, address) - 1
        return self.places[last : last + 1] if last >= 0 and address in self.spans[last] else ()


@remembered
def ram_ranges(candidates: Candidates) -> RamRanges:
    """Return the ranges that segments may be put into."""
    found = [(place, one.span) for place, one in enumerate(candidates.ranges) if one.is_ram]
    spans = tuple(span for _, span in found)
    in_order = all(one.end <= other.start for one, other in pairwise(spans))
    return RamRanges(
        spans, tuple(place for place, _ in found), tuple(span.start for span in spans), in_order
    )


def reads_firmware_map(host_cmdline: str) -> bool:
    """Return whether kexec-tools uses the firmware's map, where there is one.

    Args:
        host_cmdline: /proc/cmdline of the running system.
    """
    read = host_cmdline.encode(errors="surrogateescape")[:_COMMAND_LINE_READ]
    return b"add_efi_memmap" not in read


def candidates_of(
    memory: MemoryMap | None, firmware: FirmwareMap | None, tools: Version
) -> Candidates:
    """Return the ranges that kexec-tools reads.

    Args:
        memory: /proc/iomem.
        firmware: /sys/firmware/memmap, if it is there and kexec-tools uses it.
        tools: its version.

    Raises:
        ValueError: neither is known.
    """
    in_any_case = ToolsChange.RESERVED_IN_ANY_CASE.is_in(tools)
    vectors_end = 0x400 if ToolsChange.WHOLE_VECTOR_TABLE.is_in(tools) else 0x100
    return _candidates_of(memory, firmware, in_any_case, vectors_end)


@remembered
def _candidates_of(
    memory: MemoryMap | None, firmware: FirmwareMap | None, in_any_case: bool, vectors_end: int
) -> Candidates:
    """Read the ranges; versions that read them alike share what they come to."""
    if firmware is not None and len(firmware.ranges) <= RANGES_LIMIT:
        ranges, in_order = _without_overlaps(_of_firmware(firmware))
        source = firmware.source
    elif memory is not None:
        ranges, in_order = _of_iomem(memory, in_any_case=in_any_case), True
        source = memory.source
        if firmware is not None:
            ranges, in_order = _without_overlaps(ranges)
    else:
        raise ValueError("no memory map that kexec-tools would read")
    if in_order:
        ranges = _without_vectors(ranges, vectors_end)
    return Candidates(tuple(ranges), source, in_order)


def _of_iomem(memory: MemoryMap, *, in_any_case: bool) -> list[MemoryRange]:
    """Return the lines of /proc/iomem that kexec-tools takes, at whatever depth, by their names."""
    ranges = []
    for region in memory.regions:
        name = region.name
        kind = IOMEM_TYPES.get(name)
        if len(name) == len(_RESERVED) and (name.lower() if in_any_case else name) == _RESERVED:
            kind = E820Type.RESERVED
        if kind is not None:
            ranges.append(MemoryRange(region.span, kind))
            if len(ranges) == RANGES_LIMIT:
                break
    return ranges


def crash_window(reserved: Sequence[Span], tools: Version) -> Span:
    """Return the one reservation that kexec-tools loads a crash kernel into."""
    if ToolsChange.HIGH_CRASH_KERNEL.is_in(tools):
        return reserved[-1]
    return max(reserved, key=lambda span: span.size)


def _of_firmware(firmware: FirmwareMap) -> list[MemoryRange]:
    ranges = [
        MemoryRange(one.span, _firmware_type(one.type)) for one in firmware.ranges if one.span
    ]
    return sorted(ranges, key=lambda one: one.span.start)


def _firmware_type(number: int) -> E820Type:
    try:
        return _FIRMWARE_TYPES.get(E820Type(number), E820Type.RESERVED)
    except ValueError:
        return E820Type.RESERVED


def _without_overlaps(ranges: list[MemoryRange]) -> tuple[list[MemoryRange], bool]:
    """Merge or cut ranges of the same type that overlap, as fixup_memory_ranges() does.

    Only neighbours in the list are compared, the last byte of the first one is left to both, and
    the whole is done again until nothing changes.

    Returns:
        The ranges, and whether they stayed in order. Otherwise kexec-tools gives up half-way and
        keeps as many as there were: what it moved down leaves its old copy at the end.
    """
    ranges = list(ranges)
    count = len(ranges)

    def remove(index: int) -> None:
        ranges[index : count - 1] = ranges[index + 1 : count]

    changed = True
    while changed:
        changed = False
        index = 0
        while index + 1 < count:
            one, two = ranges[index], ranges[index + 1]
            if one.span.start > two.span.start:
                return ranges, False
            if one.type is two.type and one.span.start == two.span.start:
                remove(index + 1 if one.span.end >= two.span.end else index)
                count -= 1
                changed = True
            elif one.type is two.type and one.span.end - 1 > two.span.start:
                if one.span.end < two.span.end:
                    cut = Span(one.span.end - 1, two.span.end)
                    ranges[index + 1] = replace(two, span=cut)
                else:
                    remove(index + 1)
                    count -= 1
                changed = True
            index += 1
    return ranges[:count], True


def _without_vectors(ranges: list[MemoryRange], end: int) -> list[MemoryRange]:
    """Begin the first RAM that reaches into the interrupt vector table after that table."""
    for index, one in enumerate(ranges):
        if one.is_ram and one.span.start < end:
            cut = replace(one, span=Span(end, max(end, one.span.end)))
            return [*ranges[:index], cut, *ranges[index + 1 :]]
    return ranges
