"""What holds of every report: verdict, findings, proof and exit status never contradict each other.

The tests hold every report that they make against it: those made in their own process by way of
conftest.py, those of the programs that they start by way of hook/sitecustomize.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any

from smecheck.answer import Basis, Report, Verdict
from smecheck.asked import Path
from smecheck.boot.boot import SME_IS_ON, SmeState
from smecheck.checks.finding import Effect, Finding, Severity
from smecheck.checks.tolerance import Tolerance, exit_status
from smecheck.evidence import value_of
from smecheck.kernel.facts import COMPUTES_AS_UPSTREAM
from smecheck.load.segments import SegmentRole
from smecheck.workarea.placement import Owner

_STATUS = {Verdict.CLEAR: {0}, Verdict.COLLISION: {1}, Verdict.UNDECIDED: {1, 4}}


def broken(report: Report) -> Iterator[str]:
    """Yield what does not hold of a report."""
    errors = [finding for finding in report.findings if finding.severity is Severity.ERROR]
    yield from _of_verdict(report, errors)
    yield from _of_sme(report)
    yield from _of_proof(report)
    status = int(exit_status(report, Tolerance()))
    if status not in _STATUS.get(report.verdict, {0, 1}) or (status == 1) is not bool(errors):
        yield f"{report.verdict.value} with {len(errors)} errors exits with {status}"
    if not (report.headline and report.next_step):
        yield "no headline, or no next step"


def _of_verdict(report: Report, errors: list[Finding]) -> Iterator[str]:
    effects = {finding.effect for finding in errors}
    match report.verdict:
        case Verdict.CLEAR:
            if errors:
                yield f"clear beside {errors[0].rule}: {errors[0].message}"
            if report.basis is Basis.PARTIAL:
                yield "clear although facts are missing"
            yield from _of_clear_load(report)
        case Verdict.COLLISION:
            if not effects & {Effect.COLLISION, Effect.LOSS}:
                yield "a collision that no finding says"
        case Verdict.NOT_APPLICABLE:
            if report.boot.sme is not SmeState.INACTIVE:
                yield f"not applicable although SME is {report.boot.sme.value}"
            if any(finding.needs_sme for finding in report.findings):
                yield "not applicable beside a finding of the workarea"
        case Verdict.UNDECIDED:
            pass
    if Effect.CONTRADICTION in effects and report.verdict in (Verdict.CLEAR, Verdict.COLLISION):
        yield f"{report.verdict.value} although the inputs contradict each other"


def _of_clear_load(report: Report) -> Iterator[str]:
    """What is clear for a load, and not for every one, is a whole load in known memory."""
    segments = report.segments
    if report.basis is not Basis.MACHINE:
        return
    if segments is None or report.memory is None:
        yield "clear on a machine of which load or memory is not known"
    elif segments.unplaced:
        yield f"clear although nobody knows where {segments.unplaced} is"
    elif report.boot.path is not Path.FIRST_BOOT and not segments.of(SegmentRole.BOOT_PARAMS):
        yield "clear although the load has no boot_params"


def _of_sme(report: Report) -> Iterator[str]:
    sme = report.boot.sme
    static = {result.rule for result in report.checks if result.static}
    of_workarea = [one for one in report.findings if one.needs_sme and one.rule not in static]
    conditional = [SME_IS_ON in (finding.condition or "") for finding in of_workarea]
    if sme is SmeState.UNKNOWN and not all(conditional):
        yield "SME is not known to be on, and a finding of the workarea does not say so"
    if sme is not SmeState.UNKNOWN and any(conditional):
        yield f"SME is {sme.value}, and a finding is conditional on it"
    if any(SME_IS_ON in (one.condition or "") for one in report.findings if not one.needs_sme):
        yield "a finding that does not depend on SME is conditional on it"
    if (sme is SmeState.UNKNOWN) is not bool(report.boot.sme_answer.settled_by):
        yield f"SME is {sme.value}, settled by {report.boot.sme_answer.settled_by!r}"
    colliding = any(finding.effect is Effect.COLLISION for finding in of_workarea)
    contradictory = any(one.effect is Effect.CONTRADICTION for one in report.findings)
    if sme is SmeState.UNKNOWN and colliding and not contradictory:
        lost = any(finding.effect is Effect.LOSS for finding in report.findings)
        if "SME" not in report.headline:
            yield "the headline does not say that SME is not known to be on"
        if not lost and report.boot.sme_answer.settled_by not in report.next_step:
            yield "the next step does not say what would settle whether SME is on"


def _of_proof(report: Report) -> Iterator[str]:
    proof = report.proof
    if (
        report.verdict is Verdict.CLEAR
        and report.basis is Basis.PROOF
        and (proof is None or not proof.holds)
    ):
        yield "clear by a proof that does not hold"
    if proof is not None and proof.holds:
        if any(finding.effect is Effect.CONTRADICTION for finding in report.findings):
            yield "a proof holds although the inputs contradict each other"
        actual, boot = report.actual, report.boot
        recorded = report.segments is not None and boot.path is not Path.FIRST_BOOT
        if (
            recorded
            and boot.base_is_certain
            and actual is not None
            and actual.owner is Owner.NOBODY
        ):
            yield "a proof holds of a load that does not keep the workarea to the kernel"
    has_code = value_of(report.facts.sme_code) is not False
    is_confirmed = report.verification is not None  # what its own code says is said instead
    if has_code and not is_confirmed and COMPUTES_AS_UPSTREAM not in report.assumptions:
        yield "what the compiled code is taken to do is not said"


def held(make: Callable[..., Report]) -> Callable[..., Report]:
    """Return the function with its reports held against all of it."""

    @wraps(make)
    def checked(*arguments: Any, **named: Any) -> Report:
        report = make(*arguments, **named)
        faults = list(broken(report))
        assert not faults, f"{'; '.join(faults)}: {report.headline}"
        return report

    return checked


def hold(analysis: Any) -> None:
    """Hold whatever the module makes against all of it."""
    analysis.analyze, analysis.answer = held(analysis.analyze), held(analysis.answer)
