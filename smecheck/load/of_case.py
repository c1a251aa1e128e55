"""The load of a question: as it was recorded, as it is predicted, or one held against the other.

What a question has nothing for is not imported: a kernel alone has no load.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from smecheck.asked import Path
from smecheck.evidence import Known, value_of
from smecheck.load.segments import SegmentOrigin
from smecheck.record import replace

if TYPE_CHECKING:
    from smecheck.case import Case
    from smecheck.kernel.image import KernelImage
    from smecheck.load.compared_segments import CrossCheck
    from smecheck.load.request import Machine, Obstacle, PredictedLoad
    from smecheck.load.segments import SegmentList
    from smecheck.machine.host import Host


def asks_for_load(question: Case) -> bool:
    """Tell whether a load is asked about that nobody recorded."""
    boot = question.boot
    says_load = boot.loader is not None or boot.mode is not None or boot.path is not None
    if question.segments is not None or boot.path is Path.FIRST_BOOT:
        return False
    return says_load or question.machine is not None


def predicted_load(question: Case) -> PredictedLoad | None:
    """Predict the load, where one is asked about and none was recorded."""
    if not asks_for_load(question) or obstacle_in_log(question) is not None:
        return None
    from smecheck.load.predicted_load import asked_load, predict_load

    asked = asked_load(question.image, question.boot, _machine(question))
    return None if asked is None else predict_load(asked)


def obstacle_in_log(question: Case) -> Obstacle | None:
    """Return what the log says that makes a prediction impossible, if anything."""
    if question.log is None:
        return None
    from smecheck.load.log_obstacle import obstacle_of

    return obstacle_of(question)


def why_nothing_is_reserved(question: Case) -> str | None:
    """Quote the line of the log that says why no memory is reserved for a crash kernel."""
    if question.log is None:
        return None
    from smecheck.load.log_obstacle import nothing_reserved, said

    line = nothing_reserved(question)
    return None if line is None else said(line)


def with_kexec_options(question: Case) -> Case:
    """Return the question with the mode and the system call that the options of kexec say.

    Whoever asks, and a load that was recorded, come first.
    """
    boot, machine, load = question.boot, question.machine, question.segments
    if machine is None or not machine.host.kexec_options or boot.path is Path.FIRST_BOOT:
        return question
    from smecheck.load.kexec_options import options_of_host

    options = options_of_host(machine.host)
    origin = f"{machine.host.source}: kexec_options"
    if boot.mode is None and boot.path is None and not (load and isinstance(load.mode, Known)):
        boot = replace(boot, mode=options.mode, mode_origin=origin)
    if boot.loader is None and not (load and isinstance(load.loader, Known)):
        boot = replace(boot, loader=options.loader, loader_origin=origin)
    return replace(question, boot=boot)


def cross_checked(question: Case, recorded: SegmentList) -> CrossCheck:
    """Hold a recorded load, its segments named, against the prediction of it."""
    from smecheck.load.cross_check import cross_check

    return cross_check(question.image, question.boot, _machine(question), recorded)


def host_of(question: Case) -> Host | None:
    """Return what is known of the system that loads, if anything."""
    if question.machine is None and question.log is None:
        return None
    return _machine(question).host


def _machine(question: Case) -> Machine:
    """Put together what is known of the machine that loads."""
    from smecheck.load.request import Machine

    machine = question.machine if question.machine is not None else Machine()
    known = replace(machine, memory=question.memory, firmware=question.firmware)
    if question.log is not None:
        from smecheck.load.predicted_load import machine_with_log

        known = machine_with_log(known, question.log)
    return known


def named(segments: SegmentList | None, image: KernelImage) -> SegmentList | None:
    """Name the segments that a log left unnamed, where the kernel's sizes tell.

    What a description calls "other" stays so: its author did not say more.
    """
    if segments is None or any(s.origin is SegmentOrigin.DESCRIPTION for s in segments.segments):
        return segments
    from smecheck.load.naming import name_segments

    named = name_segments(segments.segments, value_of(segments.loader), image)
    return replace(segments, segments=named)
