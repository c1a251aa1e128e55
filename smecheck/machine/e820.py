"""E820 tables as the kernel keeps them: without overlaps, changed, trimmed; and as EFI gives them.

arch/x86/kernel/e820.c and setup.c, v4.14 to v7.3.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from heapq import heappop, heappush
from itertools import pairwise

from smecheck.machine.firmware import (
    EFI_MEMORY_SP,
    E820Type,
    EfiMap,
    EfiRange,
    EfiType,
    FirmwareRange,
)
from smecheck.machine.kernel_log import E820Change
from smecheck.record import replace
from smecheck.span import Span, SpanSet

_TRIMS = tuple(
    E820Change(span, kind, new, "trim_bios_range()")
    for kind in (E820Type.RAM, E820Type.RESERVED_KERN)
    for span, new in ((Span(0, 0x1000), E820Type.RESERVED), (Span(0xA0000, 0x100000), None))
)
"""arch/x86/kernel/setup.c: every kernel takes the first page from RAM, and RAM out of the hole that
BIOS and video memory lie in, whatever the table says."""

RAM_TYPES = frozenset({E820Type.RAM, E820Type.RESERVED_KERN})

_EFI_WB = 1 << 3
_EFI_TYPES = {
    EfiType.LOADER_CODE: E820Type.RAM,
    EfiType.LOADER_DATA: E820Type.RAM,
    EfiType.BOOT_SERVICES_CODE: E820Type.RAM,
    EfiType.BOOT_SERVICES_DATA: E820Type.RAM,
    EfiType.CONVENTIONAL_MEMORY: E820Type.RAM,
    EfiType.UNUSABLE_MEMORY: E820Type.UNUSABLE,
    EfiType.ACPI_RECLAIM_MEMORY: E820Type.ACPI,
    EfiType.ACPI_MEMORY_NVS: E820Type.NVS,
    EfiType.PERSISTENT_MEMORY: E820Type.PMEM,
}
"""do_add_efi_memmap(), arch/x86/platform/efi/efi.c; all others are reserved."""


def without_overlaps(ranges: Iterable[FirmwareRange]) -> tuple[FirmwareRange, ...]:
    """Return the ranges by address, where several overlap the one of the highest type.

    e820__update_table() of the kernel does the same; it also merges what touches.
    """
    ordered = sorted((entry for entry in ranges if entry.span), key=lambda entry: entry.span)
    if all(one.span.end <= two.span.start for one, two in pairwise(ordered)):
        return tuple(ordered)
    return tuple(_resolved(ordered))


def _resolved(ordered: list[FirmwareRange]) -> Iterator[FirmwareRange]:
    cuts = sorted({edge for entry in ordered for edge in (entry.span.start, entry.span.end)})
    holding: list[tuple[int, int]] = []
    """Of the entries that began: the type, negative, and the index; the highest type first."""
    begun = 0
    for start, end in pairwise(cuts):
        while begun < len(ordered) and ordered[begun].span.start <= start:
            heappush(holding, (-ordered[begun].type, begun))
            begun += 1
        while holding and ordered[holding[0][1]].span.end <= start:
            heappop(holding)
        if holding:
            yield replace(ordered[holding[0][1]], span=Span(start, end))


def changed(
    ranges: Iterable[FirmwareRange], changes: Iterable[E820Change]
) -> tuple[FirmwareRange, ...]:
    """Return the ranges after the kernel's changes, by address."""
    current = list(without_overlaps(ranges))
    for change in changes:
        # The ranges stay apart and in order: a change meets those that lie next to each other.
        first = bisect_right(current, change.span.start, key=lambda entry: entry.span.end)
        last = bisect_left(current, change.span.end, lo=first, key=lambda entry: entry.span.start)
        met = current[first:last]
        current[first:last] = [part for entry in met for part in _after(entry, change)]
    return tuple(current)


def trimmed(ranges: Iterable[FirmwareRange]) -> tuple[FirmwareRange, ...]:
    """Return the ranges without the RAM that every kernel takes out of them."""
    return changed(ranges, _TRIMS)


def ram_of(ranges: Iterable[FirmwareRange]) -> SpanSet:
    """Return what is RAM in ranges without overlaps."""
    return SpanSet(entry.span for entry in ranges if entry.type in RAM_TYPES)


def _after(entry: FirmwareRange, change: E820Change) -> list[FirmwareRange]:
    met = entry.span & change.span
    # What is printed as "usable" may be RESERVED_KERN; both are RAM to the rest of the world.
    concerned = change.old is None or entry.type == change.old
    if not met or not concerned:
        return [entry]
    rest = _cut(entry, SpanSet([change.span]))
    if change.new is None:
        return rest
    new = FirmwareRange(met, change.new, change.where)
    return sorted([*rest, new], key=lambda part: part.span)


def _cut(entry: FirmwareRange, holes: SpanSet) -> list[FirmwareRange]:
    return [replace(entry, span=span) for span in SpanSet([entry.span]) - holes]


def e820_of_efi(efi: EfiMap) -> tuple[FirmwareRange, ...]:
    """Return what an EFI memory map is to a kernel that adds it to its e820 table."""
    return tuple(
        FirmwareRange(entry.span, kind, entry.where)
        for entry in efi.ranges
        for kind in [_type_of_efi(entry)]
    )


def _type_of_efi(entry: EfiRange) -> E820Type:
    kind = next((_EFI_TYPES[known] for known in _EFI_TYPES if known == entry.type), None)
    if kind is None:
        return E820Type.RESERVED
    if kind is not E820Type.RAM:
        return kind
    if entry.attribute & EFI_MEMORY_SP:
        return E820Type.SOFT_RESERVED
    return E820Type.RAM if entry.attribute & _EFI_WB else E820Type.RESERVED
