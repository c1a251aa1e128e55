"""The memory of a case: as it was read, or made of what else shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smecheck.evidence import value_of
from smecheck.load.segments import Loader, Mode
from smecheck.record import replace

if TYPE_CHECKING:
    from smecheck.case import Case
    from smecheck.machine.memory import MemoryMap


def with_memory(question: Case) -> Case:
    """Take the firmware's map from the host, and make a memory map, where none was given."""
    host = question.machine.host if question.machine is not None else None
    if question.firmware is None and host is not None and host.firmware_map is not None:
        question = replace(question, firmware=host.firmware_map)
    early = question.early
    if question.firmware is None and question.segments is None and early is not None:
        question = replace(question, firmware=value_of(early.e820))
    if question.memory is None:
        memory = _machine_memory(question) or _reserved(question) or _handed_over(question)
        question = replace(question, memory=memory)
    return question


def _machine_memory(question: Case) -> MemoryMap | None:
    """Make a memory map of what else tells the machine's memory."""
    if question.log is None and question.firmware is None:
        return None
    from smecheck.machine.map_without_iomem import machine_memory

    return machine_memory(question.log, question.firmware)


def _reserved(question: Case) -> MemoryMap | None:
    """Return the crash reservation alone, where that is all that the load depends on."""
    boot, log = question.boot, question.log
    enough = boot.mode is Mode.CRASH and boot.loader is Loader.KEXEC_FILE_LOAD
    if log is None or not enough:
        return None
    from smecheck.machine.map_without_iomem import reserved_memory

    return reserved_memory(log)


def _handed_over(question: Case) -> MemoryMap | None:
    """Return the memory that a recorded load hands over, if its text shows it."""
    segments = question.segments
    if segments is None or segments.table is None:
        return None
    from smecheck.machine.map_without_iomem import memory_of_load

    is_crash = value_of(segments.mode) is Mode.CRASH
    spans = [segment.span for segment in segments.segments] if is_crash else None
    return memory_of_load(segments.table, spans)


def memory_premises(question: Case) -> tuple[str, ...]:
    """Return what has to be said of a memory map that was made of something else."""
    if question.log is None and question.firmware is None and question.memory is None:
        return ()
    from smecheck.machine.map_without_iomem import premises

    return premises(question.memory, question.log, question.firmware)
