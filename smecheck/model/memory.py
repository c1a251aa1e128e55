"""The physical memory of a machine as its resource tree tells it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from smecheck.span import Span, SpanSet

if TYPE_CHECKING:
    from collections.abc import Iterator

_CLAIMED_BY_FIRMWARE = ("reserved", "acpi", "efi", "unusable", "soft reserved", "persistent memory")
"""How names of resources begin that are not free RAM even inside "System RAM".

The e820 names are those of e820_type_to_string(), arch/x86/kernel/e820.c; children of "System RAM"
named "EFI runtime" were seen on the kexec list, 2019-12-03.
"""


@dataclass(frozen=True, slots=True)
class Region:
    """One resource: a line of /proc/iomem."""

    name: str
    span: Span
    depth: int
    """Nesting, 0 at the top."""
    line: int
    """Line number in the source, from 1."""


@dataclass(frozen=True, slots=True)
class MemoryMap:
    """A machine's resources, in ascending order, parents before children."""

    source: str
    regions: tuple[Region, ...]
    complete: bool
    """Whether an address that no region names is not memory. False for a fragment of a dump."""
    system_ram: SpanSet
    """What is "System RAM" and not claimed by firmware inside it."""
    ignored_lines: tuple[int, ...] = ()
    """Lines that are no resources, by number."""

    def named(self, name: str) -> Iterator[Region]:
        """Yield the regions of exactly that name."""
        return (region for region in self.regions if region.name == name)

    def first(self, name: str) -> Region | None:
        """Return the first region of exactly that name."""
        return next(self.named(name), None)

    @property
    def crash_kernel(self) -> tuple[Region, ...]:
        """The reservations for a crash kernel: none, one, or a low and a high one."""
        return tuple(self.named("Crash kernel"))

    def what_is_at(self, span: Span) -> str:
        """Name the innermost region that holds the first byte of ``span``."""
        holding = [region for region in self.regions if span.start in region.span]
        if holding:
            return max(holding, key=lambda region: region.depth).name
        return "not memory" if self.complete else "not in this fragment of the map"


def usable_ram(regions: tuple[Region, ...]) -> SpanSet:
    """Return the "System RAM" of ``regions`` without what firmware claims inside it.

    "System RAM (kmem)" and "(virtio_mem)" are hot-added memory and count as RAM, whatever they are
    nested in: classification goes by the innermost of the regions that say RAM or not RAM.
    """
    ram = SpanSet()
    for depth in range(max((region.depth for region in regions), default=0) + 1):
        level = [region for region in regions if region.depth == depth]
        ram = ram - SpanSet(r.span for r in level if _is_claimed(r.name))
        ram = ram | SpanSet(r.span for r in level if r.name.startswith("System RAM"))
    return ram


def _is_claimed(name: str) -> bool:
    return name.lower().startswith(_CLAIMED_BY_FIRMWARE)
