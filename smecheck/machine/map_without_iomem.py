"""A memory map for a machine without its /proc/iomem: from a kernel log, or a firmware's map.

It is made as the kernel makes its resource tree: of the e820 table, as far as that is known to have
been changed, with the crash reservation that the log shows.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from smecheck.evidence import Known, Unknown, value_of
from smecheck.kernel.cmdline import values
from smecheck.kernel.constants import PAGE_SIZE, PMD_SIZE
from smecheck.machine.e820 import changed, ram_of, trimmed, without_overlaps
from smecheck.machine.firmware import (
    EFI_MEMORY_SP,
    E820Type,
    EfiMap,
    EfiRange,
    EfiType,
    FirmwareMap,
    FirmwareRange,
)
from smecheck.machine.kernel_log import CrashReservation, KernelLog, LoggedBoot, LogSpan
from smecheck.machine.memory import (
    CRASH_KERNEL,
    SYSTEM_RAM,
    MapKind,
    MemoryMap,
    Missing,
    Region,
    usable_ram,
)
from smecheck.quantity import size_text
from smecheck.span import Span, SpanSet, align_down, align_up

_FIRST_PAGE_END = 0x1000
_LOW_MEMORY = SpanSet([Span(0, 1 << 20)])
_UNCOVERED = 1 << 20
_OTHERWISE_USED = 64 << 20
"""More than what of the memory that a kernel counted can be something else in its iomem: pages that
are no whole ones, setup_data, the tables of the firmware."""
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
_KINDS = {
    MapKind.IOMEM: "the resource tree",
    MapKind.KERNEL_LOG: "the kernel's e820 map",
    MapKind.FIRMWARE: "the firmware's e820 map",
    MapKind.EFI: "the EFI memory map",
    MapKind.RESERVATION: "the crash reservation",
    MapKind.LOAD: "the load's own e820 map",
}

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


def lost_memory(boot: LoggedBoot) -> str | None:
    """Say how the map that a log shows is not all of the map that its kernel had, if it is not.

    get_num_physpages() counts what e820__memblock_setup() took from the map, in whole pages; the
    numbers agree to the page in every boot that was recorded. Up to 1 MiB may be dropped where the
    firmware's SRAT leaves it out (numa_meminfo_cover_memory(), arch/x86/mm/numa.c).
    """
    if boot.unshown_map is not None:
        return (
            f"{boot.unshown_map.where}: {boot.unshown_map.text} changed the map, and the lines of "
            'the map that came of it ("user-defined physical RAM map") are missing'
        )
    if isinstance(boot.counted, Unknown) or boot.kernel_map is None:
        return None
    ram = ram_of(trimmed(changed(boot.kernel_map.ranges, boot.changes)))
    whole = (align_down(span.end, PAGE_SIZE) - align_up(span.start, PAGE_SIZE) for span in ram)
    shown = sum(max(0, size) for size in whole)
    if abs(shown - boot.counted.value) <= _UNCOVERED:
        return None
    return (
        f"{boot.counted.origin}: the kernel counted {size_text(boot.counted.value)}, and its map "
        f"shows {size_text(shown)}: lines of the map are missing"
    )


def what_it_lacks(iomem: MemoryMap, boot: LoggedBoot) -> str | None:
    """Say what shows that the machine has memory which an iomem does not show, if anything does.

    Where mem= or memmap= changed the map, a log that does not show the map that came of it does not
    count. A machine may have more memory than its log says, by hotplug, but hardly less.
    """
    if iomem.kind is not MapKind.IOMEM or not iomem.complete or boot.unshown_map is not None:
        return None
    logged = boot.kernel_map
    if logged is not None:
        ram = ram_of(trimmed(changed(logged.ranges, boot.changes)))
        unshown = ram - SpanSet(region.span for region in iomem.regions)
        first = next((span for span in unshown if span.size >= PMD_SIZE), None)
        if first is not None:
            return f"{logged.source} shows System RAM at {first.start:#x}, where it shows nothing"
    if isinstance(boot.counted, Known):
        shown = sum(span.size for span in iomem.system_ram)
        if boot.counted.value - shown > _OTHERWISE_USED:
            return (
                f"the kernel counted {size_text(boot.counted.value)} of memory "
                f"({boot.counted.origin}), and it shows {size_text(shown)}"
            )
    return None


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


def e820_of_efi(efi: EfiMap) -> tuple[FirmwareRange, ...]:
    """Return what an EFI memory map is to a kernel that adds it to its e820 table."""
    return tuple(
        FirmwareRange(entry.span, kind, entry.where)
        for entry in efi.ranges
        for kind in [_type_of_efi(entry)]
    )


def is_exact(reservation: CrashReservation, boot: LoggedBoot) -> bool:
    """Return whether the reservation begins and ends where its line says.

    A line in MiB is rounded down. On x86 the kernel chooses multiples of 16 MiB (CRASH_ALIGN,
    arch/x86/kernel/setup.c), so the line is exact where ``crashkernel=`` asks for whole MiB.
    """
    if not reservation.in_mib:
        return True
    asked = [
        number
        for value in values(value_of(boot.cmdline) or "", "crashkernel")
        for number in re.findall(r"(?<!\w)[0-9]\w*", value)
    ]
    return bool(asked) and all(number[-1] in "MmGgTt" for number in asked)


def premises(
    memory: MemoryMap | None, log: KernelLog | None, firmware: FirmwareMap | None
) -> tuple[str, ...]:
    """Return what an answer assumes that leans on a log or a firmware's map."""
    texts = dict.fromkeys(firmware.remarks if firmware is not None else ())
    if memory is not None and memory.kind is not MapKind.IOMEM:
        texts[f"memory is as {_KINDS[memory.kind]} of {memory.source} shows it: no iomem"] = None
        lost = lost_memory(log.boot) if log is not None else None
        if lost is not None and memory.kind is MapKind.KERNEL_LOG:
            texts[lost] = None
        for reservation in log.boot.crash_reservations if log is not None else ():
            if log is not None and not is_exact(reservation, log.boot):
                texts[
                    f"{reservation.where}: the crash reservation is given in whole MiB, rounded "
                    "down: its ends may lie up to 1 MiB higher"
                ] = None
    texts |= dict.fromkeys(log.remarks if log is not None else ())
    return tuple(texts)


def facts_shown(boot: LoggedBoot) -> tuple[str, ...]:
    """Return the names of the facts that a boot's log shows."""
    facts = {
        "release": isinstance(boot.release, Known),
        "cmdline": isinstance(boot.cmdline, Known),
        "cpus": isinstance(boot.cpus, Known),
        "e820": boot.firmware_map is not None,
        "efi": boot.efi_map is not None,
        "efi_tables": bool(boot.efi_tables),
        "esrt": boot.esrt is not None,
        "crash_reservation": bool(boot.crash_reservations or boot.crash_failures),
        "ramdisk": boot.ramdisk is not None,
        "setup_data": bool(boot.setup_data),
        "sme": boot.encryption is not None,
        "decompressor": boot.decompressor is not None,
    }
    return tuple(name for name, is_shown in facts.items() if is_shown)


def _type_of_efi(entry: EfiRange) -> E820Type:
    kind = next((_EFI_TYPES[known] for known in _EFI_TYPES if known == entry.type), None)
    if kind is None:
        return E820Type.RESERVED
    if kind is not E820Type.RAM:
        return kind
    if entry.attribute & EFI_MEMORY_SP:
        return E820Type.SOFT_RESERVED
    return E820Type.RAM if entry.attribute & _EFI_WB else E820Type.RESERVED


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
