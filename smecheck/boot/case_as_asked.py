"""The case with all that follows from what was given: the mode, the memory, which boot it is.

What a question has nothing for is not imported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from smecheck.asked import BootRequest, Path
from smecheck.evidence import Known, value_of
from smecheck.load.load_of_case import asks_for_load
from smecheck.record import replace

if TYPE_CHECKING:
    from smecheck.case import Case
    from smecheck.machine.memory import MemoryMap
    from smecheck.span import Span


def as_asked(case: Case) -> Case:
    """Return the case as it is answered."""
    return with_path(with_memory(with_kexec_options(case)))


def with_kexec_options(case: Case) -> Case:
    """Return the question with the mode and the system call that the options of kexec say.

    Whoever asks, and a load that was recorded, come first.
    """
    boot, machine, load = case.asked, case.machine, case.segments
    if machine is None or not machine.host.kexec_options or boot.is_first_boot:
        return case
    from smecheck.load.kexec_options import options_of_host

    options = options_of_host(machine.host)
    origin = f"{machine.host.source}: kexec_options"
    if boot.mode is None and boot.path is None and not (load and isinstance(load.mode, Known)):
        boot = replace(boot, mode=options.mode and Known(options.mode, origin))
    if boot.loader is None and not (load and isinstance(load.loader, Known)):
        boot = replace(boot, loader=options.loader and Known(options.loader, origin))
    return replace(case, asked=boot)


def with_memory(case: Case) -> Case:
    """Take the firmware's map from the host, and make a memory map, where none was given."""
    host = case.machine.host if case.machine is not None else None
    if case.firmware is None and host is not None and host.firmware_map is not None:
        case = replace(case, firmware=host.firmware_map)
    early = case.early
    if case.firmware is None and case.segments is None and early is not None:
        case = replace(case, firmware=value_of(early.e820))
    if case.memory is None:
        memory = _machine_memory(case) or _reserved(case) or _handed_over(case)
        case = replace(case, memory=memory)
    return case


def _machine_memory(case: Case) -> MemoryMap | None:
    """Make a memory map of what else shows the machine's memory."""
    if case.log is None and case.firmware is None:
        return None
    from smecheck.machine.map_without_iomem import machine_memory

    return machine_memory(case.log, case.firmware)


def _reserved(case: Case) -> MemoryMap | None:
    """Return the crash reservation alone, where that is all that the load depends on."""
    boot, log = case.asked, case.log
    if log is None or boot.mode is None or boot.loader is None:
        return None
    if not (boot.mode.value.is_crash and boot.loader.value.rules.needs_reservation_only):
        return None
    from smecheck.machine.map_without_iomem import reserved_memory

    return reserved_memory(log)


def _handed_over(case: Case) -> MemoryMap | None:
    """Return the memory that a recorded load hands over, if its text shows it."""
    segments = case.segments
    if segments is None or segments.table is None:
        return None
    from smecheck.machine.map_without_iomem import memory_of_load

    spans = [segment.span for segment in segments.segments] if segments.is_crash else None
    return memory_of_load(segments.table, spans)


def with_path(case: Case) -> Case:
    """Return the question with the boot that it is about, where that follows.

    boot_params without a load are those of the boot asked about; where a load is asked about that
    was not recorded, they are those of the running kernel. Memory that is reserved for a crash
    kernel is what people ask about who have lost a dump: the boot that runs now came up.
    """
    boot = case.asked
    if boot.path is not None or boot.mode is not None or case.segments is not None:
        return case
    if case.early is not None and not asks_for_load(case):
        return replace(case, asked=replace(boot, path=Path.FIRST_BOOT))
    reserved = _reserved_places(case)
    if not reserved or not _may_lie_there(boot, [span for span, _ in reserved]):
        return case
    why = (
        f"memory is reserved for a crash kernel ({reserved[0][1]}), and no option says which boot "
        "is meant: checking kdump (--path or --mode to say otherwise)"
    )
    return replace(case, asked=replace(boot, path=Path.KDUMP, path_premise=why))


def _reserved_places(case: Case) -> list[tuple[Span, str]]:
    """Return the memory that is reserved for a crash kernel, and where that is said."""
    memory, log, machine = case.memory, case.log, case.machine
    if memory is not None and memory.crash_kernel:
        return [(region.span, memory.where(region)) for region in memory.crash_kernel]
    if log is not None and log.boot.crash_reservations:
        return [(one.span, one.where) for one in log.boot.crash_reservations]
    host = machine.host if machine is not None else None
    if host is not None and host.crash_kernel is not None:
        return [(host.crash_kernel, f"{host.source}: crash_kernel")]
    return []


def _may_lie_there(boot: BootRequest, reserved: list[Span]) -> bool:
    """Return whether a kernel that runs where the user says can be one in the reservation."""
    address = boot.load_address
    return address is None or any(address in span for span in reserved)
