"""A memory map for a machine without its /proc/iomem: from a kernel log, or a firmware's map.

It is made as the kernel makes its resource tree: of the e820 table, as far as that is known to have
been changed, with the crash reservation that the log shows.
"""

from __future__ import annotations

from collections.abc import Iterable

from smecheck.machine.e820 import changed, e820_of_efi, trimmed, without_overlaps
from smecheck.machine.firmware import (
    E820Type,
    FirmwareMap,
    FirmwareRange,
)
from smecheck.machine.kernel_log import KernelLog, LogSpan
from smecheck.machine.lost_memory import lost_memory
from smecheck.machine.memory import (
    CRASH_KERNEL,
    SYSTEM_RAM,
    MapKind,
    MemoryMap,
    Missing,
    Region,
    usable_ram,
)
from smecheck.span import Span, SpanSet

_FIRST_PAGE_END = 0x1000
_LOW_MEMORY = SpanSet([Span(0, 1 << 20)])
_NAMES = {
    E820Type.RAM: SYSTEM_RAM,
    E820Type.RESERVED_KERN: SYSTEM_RAM,
    E820Type.RESERVED: "Reserved",
    E820Type.ACPI: "ACPI Tables",
    E820Type.NVS: "ACPI Non-volatile Storage",
    E820Type.UNUSABLE: "Unusable memory",
    E820Type.PRAM: "Persistent Memory (legacy)",
    E820Type.PMEM: "Persistent Memory",
    E820Type.SOFT_RESERVED: "Soft Reserved",
}
"""e820_type_to_string(), arch/x86/kernel/e820.c: what /proc/iomem calls them."""
_OTHER = "Unknown E820 type"


def machine_memory(log: KernelLog | None, firmware: FirmwareMap | None) -> MemoryMap | None:
    """Return the memory map that can be made of what was given, ``None`` if none can.

    A kernel's own table comes before the firmware's: it shows what the command line changed.
    """
    boot, missing = log.boot if log is not None else None, Missing.NOTHING
    if boot is not None and boot.kernel_map is not None:
        ranges = trimmed(changed(boot.kernel_map.ranges, boot.changes))
        source, kind = boot.kernel_map.source, MapKind.KERNEL_LOG
        missing = boot.kernel_map.missing
    elif firmware is not None:
        ranges = trimmed(without_overlaps(firmware.ranges))
        source, kind = firmware.source, MapKind.FIRMWARE
        missing = firmware.missing
    elif boot is not None and boot.efi_map is not None:
        ranges = trimmed(without_overlaps(e820_of_efi(boot.efi_map)))
        source, kind = boot.efi_map.source, MapKind.EFI
    else:
        return None
    if boot is None:
        return _map(source, kind, ranges, missing=missing)
    if kind is MapKind.KERNEL_LOG and lost_memory(boot) is not None:
        missing |= Missing.LINES
    reserved = tuple(LogSpan(logged.span, logged.where) for logged in boot.crash_reservations)
    return _map(source, kind, ranges, boot.ram_buffers, reserved, missing)


def reserved_memory(log: KernelLog) -> MemoryMap | None:
    """Return the memory that the log says was reserved for a crash kernel; ``None`` if none was.

    It is the line of a log that people paste. It is enough for kexec_file_load of a crash kernel,
    which goes by the reservation alone: nothing else of the machine moves kernel, boot_params,
    purgatory or initrd (kernel/kexec_file.c, kexec_walk_resources()).
    """
    logged = [LogSpan(one.span, one.where) for one in log.boot.crash_reservations]
    if not logged:
        return None
    ram = tuple(FirmwareRange(one.span, E820Type.RAM, one.where) for one in logged)
    return _map(log.source, MapKind.RESERVATION, ram, reserved=tuple(logged))


def memory_of_load(table: FirmwareMap, crash_segments: Iterable[Span] | None) -> MemoryMap:
    """Return the memory of the kernel that is loaded, as its load hands it over.

    Args:
        table: what it hands over.
        crash_segments: of the load of a crash kernel, which is handed nothing but its reservation
            and the low 1 MiB, in parts between its segments; ``None`` of another one.
    """
    ranges = without_overlaps(table.ranges)
    if crash_segments is None:
        return _map(table.source, MapKind.LOAD, trimmed(ranges))
    ram = SpanSet(entry.span for entry in ranges if entry.type == E820Type.RAM)
    usable = SpanSet([*(ram - _LOW_MEMORY), *crash_segments])
    where = table.ranges[0].where
    more = [FirmwareRange(span, E820Type.RAM, where) for span in usable - ram]
    logged = tuple(LogSpan(span, where) for span in usable)
    # The memory of the kernel that crashed is not among it.
    return _map(
        table.source,
        MapKind.LOAD,
        (*ranges, *more),
        reserved=logged,
        missing=Missing.LINES,
    )


def memory_of_firmware(firmware: FirmwareMap, crash_kernel: Span | None) -> MemoryMap:
    """Return the memory map that a firmware's map makes; a reservation is known from elsewhere.

    The running kernel makes /proc/iomem of that map; for most machines they agree in what is RAM.
    """
    ranges = trimmed(without_overlaps(firmware.ranges))
    logged = () if crash_kernel is None else (LogSpan(crash_kernel, "the host's crash_kernel"),)
    source, missing = firmware.source, firmware.missing
    return _map(source, MapKind.FIRMWARE, ranges, reserved=logged, missing=missing)


def _map(
    source: str,
    kind: MapKind,
    ranges: tuple[FirmwareRange, ...],
    buffers: tuple[LogSpan, ...] = (),
    reserved: tuple[LogSpan, ...] = (),
    missing: Missing = Missing.NOTHING,
) -> MemoryMap:
    """Make a map; one that does not begin where memory begins lacks lines."""
    known = SpanSet(entry.span for entry in ranges)
    regions = [Region(_name_of(entry.type), entry.span, 0, 0, entry.where) for entry in ranges]
    # e820__reserve_resources_late(): what is a resource already stays what it is.
    regions += [
        Region("RAM buffer", span, 0, 0, buffer.where)
        for buffer in buffers
        for span in SpanSet([buffer.span]) - known
    ]
    regions += [
        Region(CRASH_KERNEL, logged.span, 1 if known.covers(logged.span) else 0, 0, logged.where)
        for logged in reserved
    ]
    ordered = tuple(
        sorted(regions, key=lambda region: (region.span.start, -region.span.end, region.depth))
    )
    if not ordered or ordered[0].span.start >= _FIRST_PAGE_END:
        missing |= Missing.LINES
    return MemoryMap(
        source=source,
        regions=ordered,
        missing=missing,
        system_ram=usable_ram(ordered),
        kind=kind,
    )


def _name_of(number: int) -> str:
    return next((_NAMES[kind] for kind in _NAMES if kind == number), _OTHER)
