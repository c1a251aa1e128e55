"""What a worker does: it understands machines, and answers questions. It knows of no other worker.

The two are apart so that a question is answered once, whoever understood the machines that ask it.
Everything here is called by its name in another process.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from smecheck.analysis import analyze
from smecheck.checks.tolerance import Tolerance
from smecheck.errors import InternalError, SmecheckError, WrongKind
from smecheck.fleets.answered import answer_of, quotes_a_finding
from smecheck.fleets.canonical import canonical, canonical_map, what_counts
from smecheck.fleets.digest import digest_of_map, digest_of_question
from smecheck.fleets.row import Answer, failed
from smecheck.read.case import Inputs, case, of_other_kernel
from smecheck.read.fleet.described import Described, Said, case_of_described, iomem_of
from smecheck.read.fleet.machine import Broken, Machine
from smecheck.record import record, replace

if TYPE_CHECKING:
    from smecheck.answer import Report
    from smecheck.case import Case
    from smecheck.kernel.image import KernelImage
    from smecheck.machine.memory import MemoryMap
    from smecheck.read.fleet.machine import Collected
    from smecheck.support_case.triage_report import Evidence

_REMEMBERED = 24
"""Machines and maps that a worker has at hand: a large one takes 1 MiB."""

_MOST_REMARKS = 8


@record
class Asked:
    """What is asked of every machine."""

    kernels: tuple[KernelImage, ...]
    said: Said
    tolerance: Tolerance


@record
class Answered:
    """The answers to one question."""

    answers: tuple[Answer, ...]
    """For each kernel."""
    is_shared: bool
    """Whether they are those of every machine with that question."""


@record
class Understood:
    """A machine that was read."""

    key: bytes | None
    """The name of its question, which it may share with others; ``None`` where it has none."""
    answered: Answered | None = None
    """The answers, where they are known already."""


def understand(
    asked: Asked, machines: tuple[Machine, ...], *, at_once: bool = False
) -> tuple[Understood, ...]:
    """Read machines, and say which of them ask the same.

    What was collected of a machine takes so long to read that it is answered at once.

    Args:
        asked: what is asked.
        machines: the machines.
        at_once: whether to answer all of them at once.
    """
    return tuple(_understood(asked, machine, at_once=at_once) for machine in machines)


def answer(
    asked: Asked, machines: tuple[Described, ...], *, in_detail: bool = False
) -> tuple[Answered, ...]:
    """Answer the questions of machines for each kernel.

    Args:
        asked: what is asked.
        machines: described machines, one for each question.
        in_detail: whether to answer for just this machine.
    """
    return tuple(_answered(asked, machine, in_detail=in_detail) for machine in machines)


def _understood(asked: Asked, machine: Machine, *, at_once: bool) -> Understood:
    if isinstance(machine, Broken):
        return _failed(asked, machine.error)
    try:
        if isinstance(machine, Described):
            key = _canonical(_question(asked, machine), machine)[1]
            answered = _answered(asked, machine, in_detail=False) if at_once else None
            return Understood(key, answered)
        return _collected(asked, machine)
    except SmecheckError as error:
        return _failed(asked, error)
    except Exception as error:
        return _failed(asked, InternalError.of(error))


def _failed(asked: Asked, error: SmecheckError) -> Understood:
    answers = (failed(error),) * len(asked.kernels)
    return Understood(None, Answered(answers, is_shared=False))


# Described machines ------------------------------------------------------------------------------


def _question(asked: Asked, machine: Described) -> Case:
    return case_of_described(machine, asked.kernels[0], asked.said)


def _canonical(question: Case, machine: Described) -> tuple[Case, bytes]:
    """Return a question in its canonical form, and the name of it."""
    text = machine.fields.get("iomem")
    if isinstance(text, str) and "\n" in text:
        shared, of_map = _known_map(text, *what_counts(question))
        question = replace(question, memory=shared)
    else:
        question = canonical(question)
        of_map = digest_of_map(question.memory)
    return question, digest_of_question(question, of_map)


@lru_cache(maxsize=_REMEMBERED)
def _known_map(text: str, devices: bool, place_of_kernel: bool) -> tuple[MemoryMap, bytes]:
    shared = canonical_map(iomem_of(text), devices, place_of_kernel)
    return shared, digest_of_map(shared)


def _answered(asked: Asked, machine: Described, *, in_detail: bool) -> Answered:
    try:
        question = _question(asked, machine)
        shared = question if in_detail else _canonical(question, machine)[0]
    except SmecheckError as error:
        return Answered((failed(error),) * len(asked.kernels), is_shared=False)
    except Exception as error:
        bug = InternalError.of(error)
        return Answered((failed(bug),) * len(asked.kernels), is_shared=False)
    found = [_of_kernel(asked, shared, image) for image in asked.kernels]
    if in_detail or all(is_shared for _, is_shared in found):
        return Answered(tuple(one for one, _ in found), is_shared=not in_detail)
    found = [_of_kernel(asked, question, image) for image in asked.kernels]
    return Answered(tuple(one for one, _ in found), is_shared=False)


def _of_kernel(asked: Asked, question: Case, image: KernelImage) -> tuple[Answer, bool]:
    """Return the answer for one kernel, and whether it is that of all who ask the same."""
    try:
        report = analyze(of_other_kernel(question, image))
        return answer_of(report, asked.tolerance), not quotes_a_finding(report)
    except SmecheckError as error:
        return failed(error), True
    except Exception as error:
        return failed(InternalError.of(error)), False


def report_on(asked: Asked, machine: Machine, image: KernelImage) -> Report | None:
    """Return the whole report on a machine and a kernel; ``None`` where it cannot be asked."""
    try:
        if isinstance(machine, Described):
            return analyze(of_other_kernel(_question(asked, machine), image))
        if isinstance(machine, Broken):
            return None
        return analyze(_placement(asked, _evidence(machine), image))
    except SmecheckError:
        return None


# Collected machines ------------------------------------------------------------------------------


def _collected(asked: Asked, machine: Collected) -> Understood:
    """Read what was collected of a machine, as triage does, and answer."""
    evidence = _evidence(machine)
    unusable = (f"{member.member} {member.reason}" for member in evidence.unusable)
    remarks = (*evidence.remarks, *unusable)[:_MOST_REMARKS]

    def of_kernel(image: KernelImage) -> Answer:
        try:
            found = answer_of(analyze(_placement(asked, evidence, image)), asked.tolerance)
            return replace(found, remarks=remarks)
        except SmecheckError as error:
            return failed(error)
        except Exception as error:
            return failed(InternalError.of(error))

    answers = tuple(of_kernel(image) for image in asked.kernels)
    return Understood(None, Answered(answers, is_shared=False))


def _evidence(machine: Collected) -> Evidence:
    from smecheck.read.archive.evidence_reader import read_evidence
    from smecheck.support_case.stated_facts import with_stated_facts

    evidence = with_stated_facts(read_evidence((machine.path,)))
    if not (evidence.iomems or evidence.logs or evidence.loads or evidence.facts):
        reasons = [one.reason for one in evidence.unusable]
        raise WrongKind(
            reasons[0] if reasons else "holds nothing about a machine",
            where=machine.path,
            help_text="give its iomem, read as root, its kernel log, or an archive of them",
        )
    return evidence


def _placement(asked: Asked, evidence: Evidence, image: KernelImage) -> Case:
    from smecheck.support_case.triage import placement_question

    said = asked.said
    own = Inputs(host=said.host, crash_cma=said.crash_cma)
    return placement_question(
        evidence, image, lambda known: case(known, own, said.boot, said.loading)
    )
