"""One memory map in place of the other, where only one is known.

The running kernel makes /proc/iomem of the firmware's map; for most machines they agree in what is
RAM.
"""

from __future__ import annotations

from smecheck.model.firmware import E820Type, FirmwareMap
from smecheck.model.memory import MemoryMap, Region, usable_ram
from smecheck.span import Span

_FIRST_PAGE_END = 0x1000
"""arch/x86/kernel/setup.c, trim_bios_range(): the kernel takes the first page for reserved."""

_NAMES = {
    E820Type.RAM: "System RAM",
    E820Type.RESERVED_KERN: "System RAM",
    E820Type.RESERVED: "Reserved",
    E820Type.ACPI: "ACPI Tables",
    E820Type.NVS: "ACPI Non-volatile Storage",
    E820Type.UNUSABLE: "Unusable memory",
    E820Type.PMEM: "Persistent Memory",
    E820Type.PRAM: "Persistent Memory (legacy)",
    E820Type.SOFT_RESERVED: "Soft Reserved",
}
"""arch/x86/kernel/e820.c, e820_type_to_string()."""


def iomem_of_firmware(firmware: FirmwareMap, crash_kernel: Span | None) -> MemoryMap:
    """Return what /proc/iomem should show on a machine with this firmware map.

    It is not marked as complete: what runs in the memory is not known.
    """
    regions = []
    for line, one in enumerate(sorted(firmware.ranges, key=lambda one: one.span.start), 1):
        name = _name(one.type)
        span = one.span
        if name == "System RAM" and span.start < _FIRST_PAGE_END:
            span = Span(min(_FIRST_PAGE_END, span.end), span.end)
        if not span:
            continue
        regions.append(Region(name, span, 0, line))
        if crash_kernel is not None and name == "System RAM" and span.covers(crash_kernel):
            regions.append(Region("Crash kernel", crash_kernel, 1, line))
    return MemoryMap(firmware.source, tuple(regions), False, usable_ram(regions))


def _name(number: int) -> str:
    try:
        return _NAMES[E820Type(number)]
    except ValueError:
        return "Unknown E820 type"
