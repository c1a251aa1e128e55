"""What shows that a map lacks memory which its machine has: a log loses lines, an iomem its end."""

from __future__ import annotations

from smecheck.evidence import Known, Unknown
from smecheck.kernel.constants import PAGE_SIZE, PMD_SIZE
from smecheck.machine.e820 import changed, ram_of, trimmed
from smecheck.machine.kernel_log import LoggedBoot
from smecheck.machine.memory import MapKind, MemoryMap
from smecheck.quantity import address_text, size_text
from smecheck.span import SpanSet, align_down, align_up

_UNCOVERED = 1 << 20
"""arch/x86/mm/numa.c, numa_meminfo_cover_memory(): so much may be missing in the SRAT."""
_OTHERWISE_USED = 64 << 20
"""More than what of the memory that a kernel counted can be something else in its iomem: pages that
are not complete, setup_data, the tables of the firmware."""


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
            place = address_text(first.start)
            return f"{logged.source} shows System RAM at {place}, where it shows nothing"
    if isinstance(boot.counted, Known):
        shown = sum(span.size for span in iomem.system_ram)
        if boot.counted.value - shown > _OTHERWISE_USED:
            return (
                f"the kernel counted {size_text(boot.counted.value)} of memory "
                f"({boot.counted.origin}), and it shows {size_text(shown)}"
            )
    return None
