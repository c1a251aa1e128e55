"""Several memory maps of one machine are compared, never merged in silence."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from smecheck.boot.boot import SmeState
from smecheck.boot.log_of_boot import running_cmdlines
from smecheck.boot.logged_sme import shows_guest
from smecheck.boot.memory_taken import TakenMemory, taken_memory
from smecheck.checks import needs
from smecheck.checks.finding import Effect, Party, Severity
from smecheck.checks.rule import FROM_ONE_BOOT, Observation, rule
from smecheck.kernel.constants import PAGE_SIZE
from smecheck.machine.firmware import E820Type
from smecheck.machine.memory import SYSTEM_RAM, MapKind, MemoryMap, Region
from smecheck.quantity import address_text, size_text
from smecheck.span import Span, SpanSet

if TYPE_CHECKING:
    from smecheck.case import Resolved
    from smecheck.machine.kernel_log import KernelLog
    from smecheck.machine.map_differences import Difference

_TAKEN = "the kernel or its command line (mem=, memmap=) took it"


@rule(
    "SME040",
    "two memory maps contradict each other",
    Severity.ERROR,
    passed="memory maps agree",
    brief="memory maps contradict",
    effect=Effect.CONTRADICTION,
    about_load=True,
    needs=(needs.two_maps,),
    remedy=FROM_ONE_BOOT,
)
def maps_contradict(resolved: Resolved) -> Iterator[Observation]:
    """One map calls memory RAM, another one of the same machine does not.

    /proc/iomem is compared with the e820 map of the kernel log, the firmware's map with the one
    that the log begins with, or else with /proc/iomem. Where the workarea or a segment lies in a
    range on which they disagree, nothing can be concluded from either: an error. So it is where
    the log is that of a guest, and has RAM where /proc/iomem has nothing, or a bus: one is of the
    guest, the other of its host. Elsewhere it is a warning that they may be of different boots. A
    kernel whose command line has mem= or memmap= sees other memory than its firmware reports, and
    memory that was added to a running machine is in no firmware's map; kexec_load of kexec-tools
    goes by the firmware's map all the same. Where the running kernel's own mem= and memmap= leave
    no RAM, its /proc/iomem has none.

    Passes: a log of the boot whose /proc/iomem it is; one that lacks the hot-added memory.
    Fails: a map that says Reserved where the workarea lies, beside an iomem that says System RAM.
    Sources: arch/x86/kernel/e820.c, e820_table and the one that firmware_map_add_early() is given,
    e820_table_firmware in v5.0 to v6.12 and e820_table_kexec in v7.3; guests (docs/evidence.md), in
    which all of them agree.
    """
    from smecheck.machine.map_differences import ram_without

    for one, other in _pairs(resolved):
        for more, less in ((one, other), (other, one)):
            for difference in ram_without(more, less):
                yield _contradiction(resolved, more, less, difference)
    yield from _taken_all_the_same(resolved)


def _pairs(resolved: Resolved) -> Iterator[tuple[MemoryMap, MemoryMap]]:
    """Yield the pairs of maps that should be the same."""
    memory, firmware, log = resolved.memory, resolved.firmware, resolved.log
    if firmware is None and log is None:
        return
    from smecheck.machine.map_without_iomem import machine_memory, memory_of_firmware

    logged = None if log is None else machine_memory(log, None)
    is_iomem = memory is not None and memory.kind is MapKind.IOMEM
    if memory is not None and is_iomem and logged is not None:
        yield memory, logged
    if firmware is None:
        return
    listed = memory_of_firmware(firmware, None)
    if log is not None and log.boot.firmware_map is not None:
        yield listed, memory_of_firmware(log.boot.firmware_map, None)
    elif memory is not None and is_iomem:
        yield memory, listed


def is_firmwares(memory: MemoryMap) -> bool:
    """Return whether a map is the firmware's own, before a kernel changed it."""
    return memory.kind in (MapKind.FIRMWARE, MapKind.EFI)


def _contradiction(
    resolved: Resolved,
    ram_map: MemoryMap,
    other_map: MemoryMap,
    difference: Difference,
) -> Observation:
    span, other = difference.span, difference.other
    touched = next((name for name, used in _used(resolved) if used.overlaps(span)), None)
    # A kernel takes RAM from its firmware's map for many reasons; it adds none but by hotplug. What
    # it took is not in a log from a console, which leaves out the lines "e820: update".
    of_firmware = is_firmwares(ram_map) and not is_firmwares(other_map)
    is_partial = ram_map.kind is MapKind.KERNEL_LOG and not _shows_changes(resolved)
    if of_firmware:
        severity = Severity.NOTE
    elif (touched and other is not None and not is_partial) or _is_of_a_guest(
        resolved, ram_map, other
    ):
        severity = Severity.ERROR
    else:
        severity = Severity.WARNING
    said = "shows nothing there" if other is None else f"says {other.name}"
    place = other_map.source if other is None else other_map.where(other)
    more = f", and in {difference.more} more places" if difference.more else ""
    hit = f"; {touched} lies there" if touched else ""
    return Observation(
        severity=severity,
        message=f"{ram_map.where(difference.ram)} says System RAM, {place} {said}: "
        f"{size_text(span.size)} at {address_text(span.start)}{more}{hit}"
        + (f" ({_TAKEN})" if of_firmware else ""),
        span=span,
        other=Party(other.name, other.span) if other else None,
        remedy="nothing to do, unless kexec_load places a segment there" if of_firmware else "",
    )


def _taken_all_the_same(resolved: Resolved) -> Iterator[Observation]:
    """Yield where /proc/iomem has RAM that the running kernel's command line took away."""
    memory = resolved.memory
    if memory is None or memory.kind is not MapKind.IOMEM:
        return
    ram = SpanSet(region.span for region in memory.named(SYSTEM_RAM)) & memory.system_ram
    for cmdline in running_cmdlines(resolved):
        for taken in taken_memory(cmdline.value):
            left = [one for one in ram & SpanSet([taken.span]) if one.size >= PAGE_SIZE]
            if left:
                yield _not_taken(resolved, memory, taken, left, cmdline.origin)


def _not_taken(
    resolved: Resolved, memory: MemoryMap, taken: TakenMemory, left: list[Span], origin: str
) -> Observation:
    parts = list(_used(resolved))
    met = ((name, span) for span in left for name, one in parts if one.overlaps(span))
    used, span = next(met, (None, left[0]))
    region = next(one for one in memory.named(SYSTEM_RAM) if one.span.overlaps(span))
    # mm/memory_hotplug.c, register_memory_resource(): mem= is for memory that is there at the boot.
    was_there = resolved.log is not None and _is_ram_at_boot(resolved.log, span)
    may_be_added = taken.is_limit and region.span.start >= taken.span.start and not was_there
    return Observation(
        severity=Severity.WARNING if used is None or may_be_added else Severity.ERROR,
        message=f"{taken.option} ({origin}) leaves no System RAM at {address_text(span.start)}, "
        f"{memory.where(region)} shows some"
        + (f"; {used} lies there" if used else "")
        + (": it was added later, or is of another boot" if may_be_added else ""),
        span=span,
        other=Party(region.name, region.span),
    )


def _is_ram_at_boot(log: KernelLog, span: Span) -> bool:
    table = log.boot.firmware_map
    rows = table.ranges if table is not None else ()
    return any(row.type == E820Type.RAM and row.span.overlaps(span) for row in rows)


def _is_of_a_guest(resolved: Resolved, ram_map: MemoryMap, other: Region | None) -> bool:
    """Return whether SME is off because a log is that of a guest, whose RAM the machine lacks.

    A kernel that takes RAM makes it something else; mem= and memmap= aside, there was none where
    nothing is, or a bus.
    """
    log = resolved.log
    if resolved.boot.sme is not SmeState.INACTIVE or ram_map.kind is not MapKind.KERNEL_LOG:
        return False
    if log is None or log.boot.unshown_map is not None or not shows_guest(log):
        return False
    return other is None or other.name.startswith("PCI Bus")


def _shows_changes(resolved: Resolved) -> bool:
    return resolved.log is not None and bool(resolved.log.boot.changes)


def _used(resolved: Resolved) -> Iterator[tuple[str, Span]]:
    """Yield what is written to, by name."""
    if resolved.extents is not None and resolved.placement.actual:
        extents = resolved.extents
        yield "the workarea", Span(extents.in_place.start, max(extents.worst_end, extents.start))
    for segment in resolved.segments.segments if resolved.segments else ():
        yield segment.role.value, segment.span


RULES = (maps_contradict,)
