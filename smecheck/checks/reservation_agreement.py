"""The crash reservation: as it is asked for, as the log says it, as /proc/iomem shows it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from smecheck.boot.crashkernel_option import AskedReservation, asked_reservation
from smecheck.boot.log_of_boot import running_cmdlines
from smecheck.checks import needs
from smecheck.checks.finding import Effect, Outcome, Party, Severity
from smecheck.checks.rule import FROM_ONE_BOOT, Lack, Observation, rule
from smecheck.evidence import Known, Unknown
from smecheck.kernel.constants import HIGH_RESERVATION
from smecheck.machine.memory import MapKind, MemoryMap, Missing, Region
from smecheck.machine.reservation_line import is_exact
from smecheck.quantity import address_text, size_text
from smecheck.record import record
from smecheck.span import Span, SpanSet

if TYPE_CHECKING:
    from smecheck.case import Resolved
    from smecheck.machine.kernel_log import CrashReservation, LoggedBoot

_MIB = 1 << 20


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
                remedy=FROM_ONE_BOOT,
            )


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
        remedy="nothing to do: the memory map counts" if shrunk else FROM_ONE_BOOT,
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
        remedy=FROM_ONE_BOOT if shown else "",
    )


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
    for cmdline in running_cmdlines(resolved):
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
    if Missing.END in memory.missing and last.span.start < HIGH_RESERVATION:
        return None  # the one that counts may come after
    return _Reserved(last.span, memory.where(last), 1, True)


def _two_to_compare(resolved: Resolved) -> Lack | None:
    """Need a reservation, and a command line that says how large it should be."""
    why = "nothing shows what is reserved for a crash kernel"
    for cmdline, reserved in _asked_and_reserved(resolved):
        asked = asked_reservation(cmdline.value)
        if isinstance(asked, Unknown):
            why = asked.reason
        elif reserved is not None:
            return None
    return Lack(Outcome.SKIPPED, why)


@rule(
    "SME049",
    "crash reservation is not what crashkernel= asks for",
    Severity.ERROR,
    passed="crash reservation is what crashkernel= asks for",
    brief="crashkernel= asks for another",
    effect=Effect.CONTRADICTION,
    about_load=True,
    needs=(needs.running_cmdline, _two_to_compare),
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


RULES = (reservations_contradict, other_than_asked)
