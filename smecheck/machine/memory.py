"""The physical memory of a machine, as its resource tree or its firmware's map shows it."""

from __future__ import annotations

from enum import Enum, Flag, auto
from typing import TYPE_CHECKING

from smecheck.record import record
from smecheck.remembered import remembered
from smecheck.span import Span, SpanSet

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SYSTEM_RAM = "System RAM"
CRASH_KERNEL = "Crash kernel"
_OF_KERNEL = (CRASH_KERNEL, "Kernel code", "Kernel rodata", "Kernel data", "Kernel bss")
"""What a kernel puts into RAM, and nowhere else; a grep shows it without the RAM around it."""
_CLAIMED = (
    "reserved",
    "acpi",
    "unusable",
    "unknown e820",
    "soft reserved",
    "persistent memory",
    "efi",
    "gart",
)
"""How names of resources begin that are not free RAM even inside "System RAM".

The e820 names are those of e820_type_to_string(), arch/x86/kernel/e820.c; children of "System RAM"
named "EFI runtime" were seen on the kexec list, 2019-12-03. "GART" is an aperture of the I/O memory
management of early AMD64, laid over RAM (arch/x86/kernel/aperture_64.c).
"""


class MapKind(Enum):
    """What a memory map was made of; they do not all show the same."""

    IOMEM = "iomem"
    """/proc/iomem: the resource tree of the running kernel."""
    KERNEL_LOG = "dmesg"
    """The e820 table that a kernel printed, and what it changed in it."""
    FIRMWARE = "memmap"
    """The e820 table as the firmware gave it."""
    EFI = "efi"
    """The EFI memory map."""
    RESERVATION = "reservation"
    """What was reserved for a crash kernel, and nothing else of the machine."""
    LOAD = "load"
    """The table that a load hands over to the kernel that it loads."""


class Missing(Flag):
    """What of a machine's memory may not be in a map of it."""

    NOTHING = 0
    LINES = auto()
    """Any of its lines: it is a fragment, and an address that no region names may be memory."""
    END = auto()
    """What comes after the last line: the text seems cut off where larger machines have memory."""


@record
class Region:
    """One resource: a line of /proc/iomem, or an entry of a firmware's map."""

    name: str
    span: Span
    depth: int
    """Nesting, 0 at the top."""
    line: int
    """Line number in the source, from 1; 0 where ``where`` shows the place."""
    where: str | None = None
    """The place, where it is not a line of the map's own source."""


@record
class MemoryMap:
    """A machine's resources, in ascending order, parents before children."""

    source: str
    regions: tuple[Region, ...]
    missing: Missing
    system_ram: SpanSet
    """What is "System RAM" and not claimed by firmware inside it."""
    ignored_lines: tuple[int, ...] = ()
    """Lines that are not resources, by number."""
    kind: MapKind = MapKind.IOMEM

    @property
    def complete(self) -> bool:
        """Whether an address that no region names is not memory; not so in a fragment."""
        return Missing.LINES not in self.missing

    @property
    def shows_kernel(self) -> bool:
        """Whether what the running kernel put into memory, "Crash kernel" too, would be in it."""
        return self.kind is MapKind.IOMEM and self.complete

    def where(self, region: Region) -> str:
        """Say where a region stands: ``iomem.txt:12``."""
        return region.where or f"{self.source}:{region.line}"

    def named(self, name: str) -> Iterator[Region]:
        """Yield the regions of exactly that name."""
        return iter(_by_name(self.regions).get(name, ()))

    def first(self, name: str) -> Region | None:
        """Return the first region of exactly that name."""
        return next(self.named(name), None)

    @property
    def crash_kernel(self) -> tuple[Region, ...]:
        """The reservations for a crash kernel: none, one, or a low and a high one."""
        return tuple(self.named(CRASH_KERNEL))

    @property
    def reservations(self) -> tuple[Region, ...]:
        """What is kept from general use: for a crash kernel, or claimed by firmware."""
        return tuple(
            region
            for region in self.regions
            if region.name == CRASH_KERNEL or region.name.lower().startswith(_CLAIMED)
        )

    def innermost(self, address: int) -> Region | None:
        """Return the innermost region that holds ``address``, if one does."""
        holding = [
            region
            for region in self.regions
            if region.span.start <= address < region.span.end  # often asked: not "in"
        ]
        return max(holding, key=lambda region: region.depth, default=None)

    def name_at(self, address: int) -> str:
        """Say what is at ``address``."""
        region = self.innermost(address)
        if region is not None:
            return region.name
        return "no memory" if self.complete else "nothing in this fragment of a map"

    @property
    def ram_buffer(self) -> SpanSet:
        """What the kernel inserts after RAM that ends at an odd place: most likely memory.

        arch/x86/kernel/e820.c, e820__reserve_resources_late(), "RAM buffer". An after-end v5.0
        kernel whose workarea lay there came up.
        """
        return SpanSet(region.span for region in self.named("RAM buffer"))


@remembered
def _by_name(regions: tuple[Region, ...]) -> dict[str, list[Region]]:
    """Sort regions by their names: a map has few of them, and is asked for each many times."""
    found: dict[str, list[Region]] = {}
    for region in regions:
        found.setdefault(region.name, []).append(region)
    return found


def usable_ram(regions: Iterable[Region]) -> SpanSet:
    """Return the "System RAM" of ``regions`` without what firmware claims inside it.

    A byte is judged by the innermost region around it that says RAM or not RAM, whatever else it is
    nested in. "Crash kernel" outside of all others, as a grep shows it, was taken from RAM.
    "System RAM (kmem)" or "(virtio_mem)" is hot-added memory and counts as RAM inside
    "Persistent Memory" or "Soft Reserved"; "Reserved" inside "System RAM" does not.

    Args:
        regions: in ascending order, parents before children, as a :class:`MemoryMap` holds them.
    """
    ram: list[Span] = []
    open_ends: list[tuple[int, bool]] = []
    """Where the regions around ``position`` end, and whether they say RAM; the innermost last."""
    position = 0
    for start, end, is_ram in _ram_or_not(regions):
        while open_ends and open_ends[-1][0] <= start:
            closed, was_ram = open_ends.pop()
            if closed > position:
                if was_ram:
                    ram.append(Span(position, closed))
                position = closed
        if start > position:
            if open_ends and open_ends[-1][1]:
                ram.append(Span(position, start))
            position = start
        open_ends.append((end, is_ram))
    return SpanSet(ram)


def _ram_or_not(regions: Iterable[Region]) -> Iterator[tuple[int, int, bool]]:
    """Yield start and end of the regions that say RAM or not RAM, and one after all of them."""
    last = 0
    for region in regions:
        is_ram = region.name.startswith(SYSTEM_RAM) or (
            region.depth == 0 and region.name in _OF_KERNEL
        )
        if is_ram or region.name.lower().startswith(_CLAIMED):
            span = region.span
            if span.end > last:
                last = span.end
            yield span.start, span.end, is_ram
    yield last, last, False
