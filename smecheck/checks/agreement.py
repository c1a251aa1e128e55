"""What several sources say of one machine is compared, never merged in silence."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from itertools import accumulate
from typing import TYPE_CHECKING

from smecheck.boot.boot import SmeState
from smecheck.boot.crashkernel_option import AskedReservation, asked_reservation
from smecheck.boot.logged_sme import shows_guest, sme_beside_guest
from smecheck.boot.memory_taken import TakenMemory, taken_memory
from smecheck.checks import needs
from smecheck.checks.finding import Effect, Party, Severity
from smecheck.checks.rule import Observation, rule
from smecheck.evidence import Known, value_of
from smecheck.kernel.constants import PAGE_SIZE
from smecheck.machine.memory import SYSTEM_RAM, MapKind, MemoryMap, Region
from smecheck.machine.reservation_line import is_exact
from smecheck.quantity import address_text, size_text
from smecheck.record import record
from smecheck.span import Span, SpanSet

if TYPE_CHECKING:
    from smecheck.case import Resolved
    from smecheck.machine.kernel_log import CrashReservation, LoggedBoot


_LIMIT = 4
"""Places shown of each kind of difference."""


@record
class Difference:
    """A span that one map calls RAM and the other one does not."""

    span: Span
    ram: Region
    """The region of the map that calls it RAM."""
    other: Region | None
    """What the other map calls it; ``None`` where it has nothing there."""
    more: int
    """How many further places of this kind are not shown one by one."""


def ram_without(one: MemoryMap, other: MemoryMap) -> Iterator[Difference]:
    """Yield what ``one`` calls RAM and ``other`` does not, the first few places of each kind.

    Memory that was added to a running machine ("System RAM (kmem)") is in no firmware's map, and
    does not count. What lies inside System RAM and is claimed by firmware, or a RAM buffer, counts
    as RAM of the other map: it differs in who uses it.
    """
    ram = SpanSet(region.span for region in one.named(SYSTEM_RAM)) & one.system_ram
    not_ram = ram - _all_ram(other) - other.ram_buffer
    named: list[tuple[Span, Region]] = []
    nameless: list[Span] = []
    # Regions ascend by their starts; how far the ones up to each of them reach ascends as well.
    starts = [region.span.start for region in other.regions]
    reached = list(accumulate((region.span.end for region in other.regions), max))
    for span in not_ram:
        here: list[tuple[Span, Region]] = []
        near = slice(bisect_right(reached, span.start), bisect_left(starts, span.end))
        for region in other.regions[near]:
            met = region.span & span
            if (
                met
                and not region.name.startswith(SYSTEM_RAM)
                and other.innermost(met.start) == region
            ):
                here.append((met, region))
        nameless += SpanSet([span]) - SpanSet(met for met, _ in here)
        named += here
    for index, (span, region) in enumerate(named[:_LIMIT]):
        yield _difference(one, span, region, _more(named, index))
    # In a piece of a map, what is not there says nothing.
    if other.complete:
        for index, span in enumerate(nameless[:_LIMIT]):
            yield _difference(one, span, None, _more(nameless, index))


def _all_ram(memory: MemoryMap) -> SpanSet:
    return SpanSet(region.span for region in memory.regions if region.name.startswith(SYSTEM_RAM))


def _difference(one: MemoryMap, span: Span, other: Region | None, more: int) -> Difference:
    holders = (region for region in one.named(SYSTEM_RAM) if span.start in region.span)
    ram = next(holders, Region(SYSTEM_RAM, span, 0, 0))
    return Difference(span, ram, other, more)


def _more(found: list[tuple[Span, Region]] | list[Span], index: int) -> int:
    return len(found) - _LIMIT if index == _LIMIT - 1 and len(found) > _LIMIT else 0


def is_firmwares(memory: MemoryMap) -> bool:
    """Return whether a map is the firmware's own, before a kernel changed it."""
    return memory.kind in (MapKind.FIRMWARE, MapKind.EFI)


_MIB = 1 << 20
_FROM_ONE_BOOT = "give maps and logs of the same boot of the same machine"
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
    remedy=_FROM_ONE_BOOT,
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
    for one, other in _pairs(resolved):
        for more, less in ((one, other), (other, one)):
            for difference in ram_without(more, less):
                yield _contradiction(resolved, more, less, difference)
    yield from _taken_all_the_same(resolved)


@rule(
    "SME041",
    "kernel log and memory map show different crash reservations",
    Severity.ERROR,
    passed="crash reservation is the same everywhere",
    brief="crash reservations differ",
    effect=Effect.CONTRADICTION,
    about_load=True,
    needs=(needs.log, needs.resource_tree),
    remedy="reboot, and compare again before loading: where the log shows a reservation that "
    "/proc/iomem does not, kexec -p finds none",
)
def reservations_contradict(resolved: Resolved) -> Iterator[Observation]:
    """The log says where memory was reserved for a crash kernel, /proc/iomem shows it elsewhere.

    Or not at all: kernels before fc7f27cda843 (v6.9) could lose "Crash kernel" from the resource
    tree when the setup_data of an earlier kexec lay in the way. kexec -p then says that memory is
    not reserved. A reservation that became smaller at its end was shrunk through
    /sys/kernel/kexec_crash_size; /proc/iomem is the newer one. For any other difference, log and
    map are not of the same boot. It is an error where the boot in question is a crash
    kernel's, else a warning.

    Passes: "Reserving 256MB of memory at 192MB" beside a Crash kernel of that place.
    Fails: the same line beside a complete /proc/iomem without a line Crash kernel.
    Sources: arch/x86/kernel/setup.c, kernel/crash_core.c or crash_reserve.c,
    v5.0 to v7.3; fc7f27cda843.
    """
    memory, log = resolved.memory, resolved.log
    if memory is None or log is None or memory.kind is not MapKind.IOMEM:
        return
    boot = log.boot
    shown = list(memory.crash_kernel)
    for reservation in boot.crash_reservations:
        match = next((r for r in shown if _begins_alike(r, reservation, boot)), None)
        if match is not None:
            shown.remove(match)
            yield from _other_end(memory, match, reservation, boot)
        elif shown or memory.complete:
            yield _lost(resolved, memory, reservation, shown)
    if not boot.crash_reservations and boot.crash_failures:
        failure = boot.crash_failures[0]
        for region in shown:
            yield Observation(
                severity=Severity.WARNING,
                message=f"{failure.where} says that no memory was reserved ({failure.text}), "
                f"{memory.where(region)} shows Crash kernel",
                span=region.span,
                other=Party(region.name, region.span),
                remedy=_FROM_ONE_BOOT,
            )


@rule(
    "SME049",
    "crashkernel= asks for another crash reservation",
    Severity.ERROR,
    passed="crash reservation is what crashkernel= asks for",
    brief="crashkernel= asks for another",
    effect=Effect.CONTRADICTION,
    about_load=True,
    needs=(needs.running_cmdline,),
    remedy="give the command line, the log and the memory map of one boot",
)
def other_than_asked(resolved: Resolved) -> Iterator[Observation]:
    """What is reserved for a crash kernel is not what the running kernel's command line asks for.

    The kernel reserves exactly the size of crashkernel=, at exactly its place where it has one, or
    nothing. So the command line is of another boot, or a line was changed on its way. It is an
    error where the boot in question is a crash kernel's, else a warning. A smaller "Crash kernel"
    in /proc/iomem was shrunk through /sys/kernel/kexec_crash_size: a note, as is a reservation
    that no crashkernel= asks for, since a kernel may be built with one (CONFIG_CMDLINE). What
    crashkernel=auto comes to is not known here; of sizes for ranges of memory, any will do.

    Passes: crashkernel=256M beside "Reserving 256MB of memory at 1760MB"; crashkernel=512M,high
    crashkernel=72M,low beside 512 MiB at 8 GiB.
    Fails: crashkernel=512M beside "Reserving 256MB"; crashkernel=256M@16M beside a place of 1 GiB.
    Sources: kernel/crash_core.c, later kernel/crash_reserve.c, parse_crashkernel(),
    reserve_crashkernel_generic(), crash_shrink_memory(); arch/x86/kernel/setup.c,
    reserve_crashkernel(), v5.0 to v7.3.
    """
    for cmdline, reserved in _asked_and_reserved(resolved):
        asked = asked_reservation(cmdline.value)
        if isinstance(asked, Known) and reserved is not None:
            yield from _other_than(resolved, cmdline.origin, asked.value, reserved)


@rule(
    "SME045",
    "the kernel log calls SME active and the machine a guest, or Intel's",
    Severity.ERROR,
    passed="SME or SEV, not both",
    brief="SME beside SEV, a guest or Intel",
    effect=Effect.CONTRADICTION,
    about_load=True,
    needs=(needs.log,),
    remedy="give the kernel log of one boot of the machine itself, without lines of its guests",
)
def sme_in_a_guest(resolved: Resolved) -> Iterator[Observation]:
    """One log says that SME is active, and that its kernel is a guest, or that its CPU is Intel's.

    No kernel says both: a list of encryption features that begins with SME ends there, SEV and its
    kind are what a guest has from its hypervisor, and since v4.15 sme_enable() turns SME on under
    no hypervisor that CPUID shows; no CPU of Intel has SME. So the lines are of two machines (a
    guest's console in its host's log), or one was changed on its way. Whether SME is on is then not
    known, and whatever else the log says may be about the other machine.

    Passes: "AMD Memory Encryption Features active: SEV SEV-ES" alone, or SME alone.
    Fails: "Memory Encryption Features active: AMD SME SEV".
    Sources: arch/x86/mm/mem_encrypt.c, print_mem_encrypt_feature_info(), v5.10 to v7.3;
    arch/x86/kernel/cpu/hypervisor.c, init_hypervisor_platform(), v5.0 to v7.3.
    """
    found = sme_beside_guest(resolved.log)
    if found is not None:
        yield Observation(message=found)


def _running_cmdlines(resolved: Resolved) -> Iterator[Known[str]]:
    """Yield what the log and the host say that the running kernel was given, each once."""
    log, host = resolved.log, resolved.host
    logged = log.boot.cmdline if log is not None else None
    if isinstance(logged, Known):
        yield logged
    current = host.cmdline if host is not None else None
    if isinstance(current, Known) and (logged is None or value_of(logged) != current.value):
        yield current


@record
class _Reserved:
    """The reservation that a crash kernel is loaded into, as one source shows it."""

    span: Span
    where: str
    slack: int
    """By how much the true start and size may be larger."""
    can_be_shrunk: bool


def _asked_and_reserved(resolved: Resolved) -> Iterator[tuple[Known[str], _Reserved | None]]:
    """Yield each command line of the running kernel with what should be of the same boot."""
    log = resolved.log
    for cmdline in _running_cmdlines(resolved):
        of_log = log is not None and cmdline is log.boot.cmdline
        in_log = _logged_reservation(log.boot) if log is not None and of_log else None
        yield cmdline, in_log or _shown_reservation(resolved)


def _logged_reservation(boot: LoggedBoot) -> _Reserved | None:
    """Return what a log reserves; nothing where that is in doubt."""
    high = [one for one in boot.crash_reservations if not one.is_low]
    if len(high) != 1:
        return None
    return _Reserved(high[0].span, high[0].where, _MIB if high[0].in_mib else 1, False)


def _shown_reservation(resolved: Resolved) -> _Reserved | None:
    memory = resolved.memory
    if memory is None or memory.kind is not MapKind.IOMEM or not memory.crash_kernel:
        return None
    last = memory.crash_kernel[-1]
    return _Reserved(last.span, memory.where(last), 1, True)


def _other_than(
    resolved: Resolved, origin: str, asked: AskedReservation | None, reserved: _Reserved
) -> Iterator[Observation]:
    size, start = reserved.span.size, reserved.span.start
    shows = f"{reserved.where} shows a crash reservation of {size_text(size)}"
    severity = Severity.ERROR if resolved.boot.path.is_crash else Severity.WARNING
    if asked is None:
        severity = Severity.NOTE
        said = f"{shows}, and the command line ({origin}) asks for none"
    elif asked.base is not None and not 0 <= asked.base - start < reserved.slack:
        said = f"{shows} at {address_text(start)}, {asked.word} ({origin}) puts it elsewhere"
    elif any(0 <= one - size < reserved.slack for one in asked.sizes):
        return
    elif reserved.can_be_shrunk and size < max(asked.sizes):
        severity = Severity.NOTE
        said = f"{shows}, less than {asked.word} ({origin}): it was shrunk, or is of another boot"
    else:
        said = f"{shows}, but {asked.word} ({origin}) asks for another size"
    yield Observation(message=said, span=reserved.span, severity=severity)


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
    for cmdline in _running_cmdlines(resolved):
        for taken in taken_memory(cmdline.value):
            span = next((one for one in ram & SpanSet([taken.span]) if one.size >= PAGE_SIZE), None)
            if span is not None:
                yield _not_taken(resolved, memory, taken, span, cmdline.origin)


def _not_taken(
    resolved: Resolved, memory: MemoryMap, taken: TakenMemory, span: Span, origin: str
) -> Observation:
    used = next((name for name, one in _used(resolved) if one.overlaps(taken.span)), None)
    region = next(one for one in memory.named(SYSTEM_RAM) if one.span.overlaps(span))
    return Observation(
        severity=Severity.WARNING if used is None else Severity.ERROR,
        message=f"{taken.option} ({origin}) leaves no System RAM at {address_text(span.start)}, "
        f"{memory.where(region)} shows some" + (f"; {used} lies there" if used else ""),
        span=span,
        other=Party(region.name, region.span),
    )


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


def _begins_alike(region: Region, reservation: CrashReservation, boot: LoggedBoot) -> bool:
    slack = 0 if is_exact(reservation, boot) else _MIB
    return 0 <= region.span.start - reservation.span.start <= slack


def _other_end(
    memory: MemoryMap, region: Region, reservation: CrashReservation, boot: LoggedBoot
) -> Iterator[Observation]:
    slack = 0 if is_exact(reservation, boot) else 2 * _MIB
    further = region.span.end - reservation.span.end
    if 0 <= further <= slack:
        return
    shrunk = further < 0
    yield Observation(
        severity=Severity.NOTE if shrunk else Severity.WARNING,
        message=f"{reservation.where} shows a crash reservation up to "
        f"{address_text(reservation.span.end)}, "
        f"{memory.where(region)} shows it up to {address_text(region.span.end)}"
        + (": it was shrunk (/sys/kernel/kexec_crash_size)" if shrunk else ""),
        span=next(iter(SpanSet([reservation.span]) - SpanSet([region.span])), region.span),
        other=Party(region.name, region.span),
        remedy="nothing to do: the memory map counts" if shrunk else _FROM_ONE_BOOT,
    )


def _lost(
    resolved: Resolved, memory: MemoryMap, reservation: CrashReservation, shown: list[Region]
) -> Observation:
    of_crash_kernel = resolved.boot.path.is_crash
    if shown:
        region = shown[0]
        what = f"{memory.where(region)} shows Crash kernel at {address_text(region.span.start)}"
        party = Party(region.name, region.span)
    else:
        what, party = f"{memory.source} has no line Crash kernel", None
    return Observation(
        severity=Severity.ERROR if of_crash_kernel else Severity.WARNING,
        message=f"{reservation.where} shows a crash reservation of "
        f"{size_text(reservation.span.size)} at "
        f"{address_text(reservation.span.start)}, but {what}",
        span=reservation.span,
        other=party,
        remedy=_FROM_ONE_BOOT if shown else "",
    )


RULES = (maps_contradict, reservations_contradict, other_than_asked, sme_in_a_guest)
