"""What a kernel log says that makes it impossible to predict a load on its machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smecheck.load.segments import Obstacle
from smecheck.machine.memory import MapKind

if TYPE_CHECKING:
    from smecheck.case import Case
    from smecheck.machine.kernel_log import LogLine


def obstacle_of(case: Case) -> Obstacle | None:
    """Return what stands in the way of a prediction; ``None`` if nothing in the log does."""
    log, asked = case.log, case.asked
    if log is None or case.segments is not None:
        return None
    boot = log.boot
    if boot.xen is not None:
        return Obstacle(
            f"{boot.xen.where}: {boot.xen.text}: the log is that of a domain of Xen, whose "
            "memory map is not the machine's, and kexec there loads into the hypervisor",
            "give the machine's own memory map, of a boot without Xen (--iomem, --dmesg), or the "
            "load itself (--segments)",
        )
    if log.broken_load is not None:
        return Obstacle(
            f"{log.broken_load.where}: {log.broken_load.text}; a load is recorded there, and what "
            "is left of it shows no segments",
            "capture the log again, and attach it as a file; or give the load itself (--segments)",
        )
    if not asked.is_crash:
        return _changed_map(case)
    if _reservation_is_shown(case):
        return None
    if boot.broken_reservation is not None:
        line = boot.broken_reservation
        return Obstacle(
            f"where memory is reserved for the crash kernel is not known: {line.where} is broken: "
            f"{line.text}",
            "give the log as a file, not as text that was broken; or /proc/iomem of that boot "
            "(--iomem, read as root)",
        )
    failure = nothing_reserved(case)
    if failure is not None:
        return Obstacle(f"nothing was reserved for a crash kernel ({said(failure)})", _RESERVE)
    return None


_RESERVE = (
    "correct crashkernel= on the command line of the running kernel, boot it again, and load "
    "again: without a reservation kexec -p loads nothing"
)
"""What to do where nothing is reserved."""


def _changed_map(case: Case) -> Obstacle | None:
    """Return the option by which the kernel changed its memory map, if the changed one is lost.

    kexec_load goes by the firmware's map, which is in the log.
    """
    memory, log, loader = case.memory, case.log, case.asked.loader
    if log is None or log.boot.unshown_map is None or loader is None:
        return None
    if (
        loader.value.rules.placed_by_tools
        or memory is None
        or memory.kind is not MapKind.KERNEL_LOG
    ):
        return None
    line = log.boot.unshown_map
    return Obstacle(
        f"the running kernel's memory is not known: {line.where}: {line.text} changed its map, and "
        "the log does not show the map that came of it",
        "give /proc/iomem of that boot (--iomem, read as root), or the complete log",
    )


def nothing_reserved(case: Case) -> LogLine | None:
    """Return the line of the log that says why no memory is reserved for a crash kernel."""
    if case.log is None:
        return None
    boot = case.log.boot
    if boot.crash_reservations or boot.broken_reservation is not None or not boot.crash_failures:
        return None
    return boot.crash_failures[0]


def said(line: LogLine) -> str:
    """Quote a line of a log."""
    return f'{line.where}: "{line.text}"'


def _reservation_is_shown(case: Case) -> bool:
    """Return whether something else than the log shows where memory is reserved."""
    memory, machine = case.memory, case.machine
    if memory is not None and memory.kind is MapKind.IOMEM and memory.crash_kernel:
        return True
    return machine is not None and machine.host.crash_kernel is not None
