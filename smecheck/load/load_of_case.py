"""The load of a case: as it was recorded, as it is predicted, or one held against the other.

What a question has nothing for is not imported: a kernel alone has no load.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from smecheck.evidence import value_of
from smecheck.load.segments import SegmentOrigin
from smecheck.machine.memory import MapKind
from smecheck.record import extended, replace
from smecheck.remembered import remembered

if TYPE_CHECKING:
    from smecheck.case import Case
    from smecheck.kernel.image import KernelImage
    from smecheck.load.compared_segments import CrossCheck
    from smecheck.load.request import PredictedLoad, WholeMachine
    from smecheck.load.segments import Obstacle, SegmentList
    from smecheck.machine.host import Host


def asks_for_load(case: Case) -> bool:
    """Return whether a load is asked about that nobody recorded."""
    boot = case.asked
    says_load = boot.loader is not None or boot.mode is not None or boot.path is not None
    if case.segments is not None or boot.is_first_boot:
        return False
    return says_load or case.machine is not None


def predicted_load(case: Case) -> PredictedLoad | None:
    """Predict the load, where one is asked about and none was recorded."""
    if not asks_for_load(case) or obstacle_in_log(case) is not None:
        return None
    from smecheck.load.predicted_load import asked_load, predict_load

    asked = asked_load(case.image, case.asked, _machine(case))
    return None if asked is None else predict_load(asked)


@remembered
def obstacle_in_log(case: Case) -> Obstacle | None:
    """Return what the log says that makes a prediction impossible, if anything."""
    if case.log is None:
        return None
    from smecheck.load.log_obstacle import obstacle_of

    return obstacle_of(case)


def why_nothing_is_reserved(case: Case) -> str | None:
    """Quote the line of the log that says why no memory is reserved for a crash kernel."""
    if case.log is None:
        return None
    from smecheck.load.log_obstacle import nothing_reserved, said

    line = nothing_reserved(case)
    return None if line is None else said(line)


def cross_checked(case: Case, recorded: SegmentList) -> CrossCheck:
    """Hold a recorded load, its segments named, against the prediction of it."""
    from smecheck.load.cross_check import cross_check

    return cross_check(case.image, case.asked, _machine(case), recorded)


def host_of(case: Case) -> Host | None:
    """Return what is known of the system that loads, if anything."""
    if case.machine is None and case.log is None:
        return None
    return _machine(case).host


@remembered
def _machine(case: Case) -> WholeMachine:
    """Put together what is known of the machine that loads."""
    from smecheck.load.request import Machine, WholeMachine

    said = case.machine if case.machine is not None else Machine()
    known = extended(WholeMachine, said, memory=case.memory, firmware=case.firmware)
    if case.log is not None:
        from smecheck.load.predicted_load import machine_with_log

        known = machine_with_log(known, case.log)
    return known


def named(segments: SegmentList | None, image: KernelImage) -> SegmentList | None:
    """Name the segments that a log left unnamed, where the kernel's sizes show which is which.

    What a description calls "other" stays so: its author did not say more.
    """
    if segments is None or any(s.origin is SegmentOrigin.DESCRIPTION for s in segments.segments):
        return segments
    from smecheck.load.naming import name_segments

    named = name_segments(segments.segments, value_of(segments.loader), image)
    return replace(segments, segments=named)


def memory_premises(case: Case) -> tuple[str, ...]:
    """Return what has to be said of a memory map that was made of something else."""
    memory = case.memory
    is_shown = memory is None or memory.kind is MapKind.IOMEM
    if case.log is None and case.firmware is None and is_shown:
        return ()
    from smecheck.machine.map_premises import premises

    return premises(memory, case.log, case.firmware)
