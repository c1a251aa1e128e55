"""Which boot is asked about where nobody says so, as far as that follows from what is given."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smecheck.asked import BootRequest, Path
from smecheck.load.of_case import asks_for_load
from smecheck.record import replace

if TYPE_CHECKING:
    from smecheck.case import Case
    from smecheck.span import Span


def with_path(question: Case) -> Case:
    """Return the question with the boot that it is about, where that follows.

    boot_params without a load are those of the boot asked about; where a load is asked about that
    was not recorded, they are those of the running kernel. Memory that is reserved for a crash
    kernel is what people ask about who have lost a dump: the boot that runs now came up.
    """
    boot = question.boot
    if boot.path is not None or boot.mode is not None or question.segments is not None:
        return question
    if question.early is not None and not asks_for_load(question):
        return replace(question, boot=replace(boot, path=Path.FIRST_BOOT))
    reserved = _reserved(question)
    if not reserved or not _may_lie_there(boot, [span for span, _ in reserved]):
        return question
    why = (
        f"memory is reserved for a crash kernel ({reserved[0][1]}), and no option says which boot "
        "is meant: checking kdump (--path or --mode to say otherwise)"
    )
    return replace(question, boot=replace(boot, path=Path.KDUMP, path_premise=why))


def _reserved(question: Case) -> list[tuple[Span, str]]:
    """Return the memory that is reserved for a crash kernel, and where that is said."""
    memory, log, machine = question.memory, question.log, question.machine
    if memory is not None and memory.crash_kernel:
        return [(region.span, memory.where(region)) for region in memory.crash_kernel]
    if log is not None and log.boot.crash_reservations:
        return [(told.span, told.where) for told in log.boot.crash_reservations]
    host = machine.host if machine is not None else None
    if host is not None and host.crash_kernel is not None:
        return [(host.crash_kernel, f"{host.source}: crash_kernel")]
    return []


def _may_lie_there(boot: BootRequest, reserved: list[Span]) -> bool:
    """Tell whether a kernel that runs where the user says can be one in the reservation."""
    address = boot.load_address
    return address is None or any(address in span for span in reserved)
