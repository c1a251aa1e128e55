"""The question that the evidence asks: kdump where memory is reserved for it, or a recorded load.

What the user says comes first; the members fill in what is left open.
"""

from __future__ import annotations

from smecheck.asked import BootRequest, GivenInitrd
from smecheck.case import Case
from smecheck.evidence import Fact, Known, Unknown, first_known, value_of
from smecheck.load.crash_areas import area_of
from smecheck.load.request import Machine
from smecheck.load.segments import Loader, Mode, SegmentList
from smecheck.machine.kernel_log import KernelLog
from smecheck.machine.memory import MemoryMap
from smecheck.record import record, replace
from smecheck.span import Span
from smecheck.support_case.contradictions import number_of
from smecheck.support_case.crash_files import crash_initrd
from smecheck.support_case.triage_report import Evidence, FactName

_LOADER_OF = {
    word: loader
    for loader in Loader
    for word in (loader.rules.option, f"--{loader.rules.long_option}")
}
"""The system call that an option of kexec asks for."""


@record
class TriageQuestion:
    """A question, and what has to be said of how it was put together."""

    question: Case
    remarks: tuple[str, ...]


def with_evidence(question: Case, evidence: Evidence) -> TriageQuestion:
    """Fill in what a question leaves open."""
    remarks: list[str] = []
    if question.memory is None:
        question = replace(question, memory=_memory(evidence, remarks))
    if question.log is None:
        question = replace(question, log=_log(evidence, remarks))
    asks_no_load = not question.asked.is_first_boot and question.asked.load_address is None
    if question.segments is None and asks_no_load:
        load = _load(evidence, question.asked, remarks)
        if load is not None and _is_of(load, question.asked):
            question = replace(question, segments=load)
    request = _request(question, evidence)
    question = replace(question, asked=request)
    if request.is_crash or question.machine is not None:
        question = replace(question, machine=_machine(question, evidence))
    return TriageQuestion(question, tuple(remarks))


def reservation_sizes(evidence: Evidence) -> tuple[int, ...]:
    """Return the sizes of what is reserved for a crash kernel; what iomem shows comes first."""
    for memory in evidence.iomems:
        shown = tuple(region.span.size for region in memory.crash_kernel)
        if shown:
            return shown
    for log in evidence.logs:
        if log.is_running and not log.is_crash and log.log.boot.crash_reservations:
            return tuple(reserved.span.size for reserved in log.log.boot.crash_reservations)
    size = number_of(evidence.one(FactName.CRASH_SIZE))
    return (size,) if size else ()


def _memory(evidence: Evidence, remarks: list[str]) -> MemoryMap | None:
    if not evidence.iomems:
        return None
    chosen = next((memory for memory in evidence.iomems if memory.complete), evidence.iomems[0])
    remarks += (
        f"{other.source} differs from {chosen.source}, which is used"
        for other in evidence.iomems
        if _shape(other) != _shape(chosen)
    )
    return chosen


def _shape(memory: MemoryMap) -> tuple[object, ...]:
    return tuple((region.name, region.span) for region in memory.regions)


def _log(evidence: Evidence, remarks: list[str]) -> KernelLog | None:
    logs = [log.log for log in evidence.logs if log.is_running and not log.is_crash]
    if not logs:
        return None
    whole = (log for log in logs if log.boot.begins and log.boot.firmware_map is not None)
    chosen = next(whole, logs[0])
    for other in logs:
        theirs, ours = value_of(other.boot.release), value_of(chosen.boot.release)
        if theirs is not None and ours is not None and theirs != ours:
            remarks.append(
                f"{other.source} is of {theirs}, {chosen.source} of {ours}: the latter is used"
            )
    return chosen


def _load(evidence: Evidence, asked: BootRequest, remarks: list[str]) -> SegmentList | None:
    """Return the load that counts: of the mode that is asked about, or that is in place."""
    loads = [*evidence.loads, *(load for log in evidence.logs if log.is_running
                                for load in log.loads)]  # fmt: skip
    wanted = asked.mode.value if asked.mode is not None else _mode_in_place(evidence)
    if wanted is None and any(load.is_crash for load in loads):
        wanted = Mode.CRASH if reservation_sizes(evidence) else None
    fitting = [load for load in loads if wanted in (None, value_of(load.mode))]
    if not fitting:
        return None
    chosen = next((load for load in fitting if load.refusal is None), fitting[0])
    remarks += (
        f"{other.source} shows another load than {chosen.source}, which is used"
        for other in fitting
        if _places(other) != _places(chosen)
    )
    return chosen


def _places(load: SegmentList) -> set[object]:
    return {segment.span for segment in load.segments}


def _mode_in_place(evidence: Evidence) -> Mode | None:
    """Return the mode of the load that sysfs says is in place, if it is one."""
    crash = number_of(evidence.one(FactName.CRASH_LOADED))
    plain = number_of(evidence.one(FactName.KEXEC_LOADED))
    if crash == 1 and plain != 1:
        return Mode.CRASH
    return Mode.LOAD if plain == 1 and crash != 1 else None


def _is_of(load: SegmentList, asked: BootRequest) -> bool:
    return asked.loader is None or value_of(load.loader) in (None, asked.loader.value)


def _request(question: Case, evidence: Evidence) -> BootRequest:
    request, load = question.asked, question.segments
    asks_otherwise = request.path is not None or request.load_address is not None
    if load is None and request.mode is None and not asks_otherwise and reservation_sizes(evidence):
        request = replace(request, mode=Known(Mode.CRASH, "memory is reserved for a crash kernel"))
    if not request.is_crash and (load is None or not load.is_crash):
        return request
    if request.cmdline is None and (load is None or isinstance(load.cmdline, Unknown)):
        cmdline = evidence.one(FactName.CRASH_CMDLINE)
        if cmdline is not None:
            request = replace(request, cmdline=Known(cmdline.value, cmdline.place))
    if load is not None:
        return request
    initrd = crash_initrd(evidence)
    if request.initrd is None and initrd is not None:
        said = Known(GivenInitrd(initrd.size), f"{initrd.member}:{initrd.line}")
        request = replace(request, initrd=said)
    if request.loader is None:
        request = replace(request, loader=_loader(evidence))
    return request


def _loader(evidence: Evidence) -> Known[Loader] | None:
    """Return the system call that the settings of kdump ask for."""
    said = evidence.one(FactName.LOADER)
    if said is not None:
        return Known(Loader(said.value), said.place)
    args = evidence.one(FactName.KEXEC_ARGS)
    if args is not None:
        asked_for = [_LOADER_OF[word] for word in args.value.split() if word in _LOADER_OF]
        if asked_for:
            # As kexec itself does, of several.
            return Known(asked_for[-1], args.place)
    return None


def _crash_areas(evidence: Evidence) -> Fact[tuple[Span, ...]]:
    """Return what ``crashkernel=…,cma`` keeps, as sysfs shows it."""
    fact = evidence.one(FactName.CRASH_CMA)
    if fact is None:
        return Unknown("no member says")
    areas = [area_of(text) for text in fact.value.split()]
    known = tuple(area for area in areas if area is not None)
    if len(known) < len(areas):
        return Unknown(f"{fact.place} is not a list of ranges")
    return Known(known, fact.place)


def _machine(question: Case, evidence: Evidence) -> Machine:
    machine = question.machine if question.machine is not None else Machine()
    host = machine.host
    tools, release = evidence.one(FactName.KEXEC_TOOLS), evidence.one(FactName.RELEASE)
    cmdline, cpus = evidence.one(FactName.CMDLINE), evidence.one(FactName.CPUS)
    count = number_of(cpus)
    nothing = Unknown("no member says")
    return replace(
        machine,
        host=replace(
            host,
            kexec_tools=first_known(
                host.kexec_tools, nothing if tools is None else Known(tools.value, tools.place)
            ),
            kernel_release=first_known(
                host.kernel_release,
                nothing if release is None else Known(release.value, release.place),
            ),
            cmdline=first_known(
                host.cmdline, nothing if cmdline is None else Known(cmdline.value, cmdline.place)
            ),
            cpus=first_known(
                host.cpus, nothing if count is None or cpus is None else Known(count, cpus.place)
            ),
            crash_cma_ranges=first_known(host.crash_cma_ranges, _crash_areas(evidence)),
        ),
    )
