"""The rows of a gate: of a rule, of a kernel without a machine, of a machine."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from smecheck.answer import Basis, Report, Verdict
from smecheck.builds.gate_report import KERNEL_TARGET, GateRow, RowOutcome, Unreadable
from smecheck.builds.policy import Policy
from smecheck.checks.finding import REFUTING, Effect, Finding, Outcome, RuleResult, Severity
from smecheck.kernel.verification import Result, Verification
from smecheck.record import replace

_OUTCOMES = {
    Outcome.PASSED: RowOutcome.PASSED,
    Outcome.FAILED: RowOutcome.FAILED,
    Outcome.SKIPPED: RowOutcome.SKIPPED,
    Outcome.NOT_APPLICABLE: RowOutcome.NOT_APPLICABLE,
}

DECIDING = ("SME007", *REFUTING)
"""Bytes that nobody owns, code that computes otherwise or faults: where they are known, whether the
proof holds is no open question."""


def rule_row(target: str, result: RuleResult, policy: Policy | None) -> GateRow:
    """Return the row of a rule."""
    setting = policy.rules.get(result.rule) if policy else None
    row = GateRow(target, result.rule, result.name, _OUTCOMES[result.outcome], result.reason)
    if setting is not None:
        row = replace(row, where=setting.where)
        if setting.severity is None:
            off = f"switched off at {setting.where}"
            return replace(row, outcome=RowOutcome.SKIPPED, message=off)
    if result.outcome is not Outcome.FAILED:
        return row
    findings = result.findings
    if setting is not None and setting.severity is not None:
        findings = tuple(replace(found, severity=setting.severity) for found in findings)
    findings = tuple(sorted(findings, key=lambda found: found.severity.rank))
    return replace(
        row,
        message=_message(findings),
        severity=findings[0].severity,
        remedy=findings[0].remedy,
        findings=findings,
    )


def deciding_failure(
    report: Report, policy: Policy | None, ignored: Collection[str] = ()
) -> str | None:
    """Return the rule whose failure says what a verdict would say again.

    A rule that the policy makes milder than an error does not: what it found is then no failure,
    and the verdict has to say that nothing is clear. No more does one that is ignored, where the
    verdict is open.
    """
    contradiction = contradicting_rule(report)
    if contradiction is not None:
        return contradiction
    is_open = report.verdict is Verdict.UNDECIDED
    for finding in report.findings:
        if is_open and finding.rule in ignored:
            continue
        collides = finding.effect in (Effect.COLLISION, Effect.LOSS)
        decides = collides or finding.rule in DECIDING
        if decides and _severity_in(policy, finding) is Severity.ERROR:
            return finding.rule
    return None


def _severity_in(policy: Policy | None, finding: Finding) -> Severity:
    """Return the milder of what a finding has and what the policy gives its rule."""
    setting = policy.rules.get(finding.rule) if policy else None
    given = setting.severity if setting is not None else None
    return max(finding.severity, given or finding.severity, key=lambda severity: severity.rank)


def contradicting_rule(report: Report) -> str | None:
    """Return the rule that shows that the inputs cannot be of one build, machine and load."""
    effects = ((finding.effect, finding.rule) for finding in report.findings)
    return next((rule for effect, rule in effects if effect is Effect.CONTRADICTION), None)


def _message(findings: Iterable[Finding]) -> str:
    """Say the worst, under its condition, and how much more there is."""
    first, *others = findings
    condition = f"; only if {first.condition}" if first.condition else ""
    more = f" (and {len(others)} more)" if others else ""
    return f"{first.message}{condition}{more}"


PROOF = "proof"
MACHINE_CODE = "verify"


def kernel_rows(
    report: Report, policy: Policy | None, ignored: Collection[str] = ()
) -> Iterator[GateRow]:
    """Yield a row for every rule that needs no machine, and one for the proof."""
    for result in report.checks:
        yield rule_row(KERNEL_TARGET, result, policy)
    if report.verification is not None:
        yield _machine_code_row(report, report.verification, policy, ignored)
    yield _proof_row(report, policy, ignored)


def _machine_code_row(
    report: Report, verification: Verification, policy: Policy | None, ignored: Collection[str]
) -> GateRow:
    outcome, message, remedy = RowOutcome.PASSED, verification.premise, ""
    if report.verdict is Verdict.NOT_APPLICABLE:
        outcome, message = RowOutcome.NOT_APPLICABLE, report.headline
    elif verification.result is Result.NOT_RECOGNIZED:
        outcome = RowOutcome.UNDECIDED
        remedy = "smecheck verify KERNEL shows all runs; give the vmlinux with its symbols"
    elif verification.is_refuted:
        failed = deciding_failure(report, policy, ignored)
        outcome = RowOutcome.SKIPPED if failed else RowOutcome.UNDECIDED
        message = f"skipped because {failed} failed" if failed else verification.premise
    title = "the machine code computes as predicted"
    return GateRow(KERNEL_TARGET, MACHINE_CODE, title, outcome, message, remedy=remedy)


def _proof_row(report: Report, policy: Policy | None, ignored: Collection[str]) -> GateRow:
    outcome, message, remedy = _proven(report, policy, ignored)
    title = "the workarea is reserved for the kernel on every machine"
    return GateRow(KERNEL_TARGET, PROOF, title, outcome, message, remedy=remedy)


def _proven(
    report: Report, policy: Policy | None, ignored: Collection[str]
) -> tuple[RowOutcome, str, str]:
    if report.verdict is Verdict.NOT_APPLICABLE:
        return RowOutcome.NOT_APPLICABLE, report.headline, ""
    if report.verdict is Verdict.CLEAR and report.basis is Basis.PROOF:
        return RowOutcome.PASSED, report.headline, ""
    failed = deciding_failure(report, policy, ignored)
    if failed is not None:
        return RowOutcome.SKIPPED, f"skipped because {failed} failed", ""
    return RowOutcome.UNDECIDED, report.headline, report.next_step


VERDICT, INPUTS = "verdict", "inputs"


def machine_rows(
    name: str, report: Report, policy: Policy | None, ignored: Collection[str] = ()
) -> Iterator[GateRow]:
    """Yield a row for every rule that may say something else here, and one for the verdict.

    What the static rules say is the same on every machine; the kernel's own rows tell it. Where
    the inputs contradict each other, nothing that is found of the workarea counts.
    """
    contradiction = contradicting_rule(report)
    for result in report.checks:
        if result.static:
            continue
        row = rule_row(name, result, policy)
        if contradiction is not None and result.of_workarea and row.outcome is RowOutcome.FAILED:
            reason = f"skipped because {contradiction} failed"
            row = GateRow(name, row.check, row.title, RowOutcome.SKIPPED, reason)
        yield row
    yield _verdict_row(name, report, policy, ignored)


def unreadable_row(name: str, problem: Unreadable) -> GateRow:
    """Return the one row of a machine that cannot be asked."""
    return GateRow(
        name,
        INPUTS,
        "the machine's files cannot be read",
        RowOutcome.ERROR,
        problem.message,
        remedy=problem.remedy,
        where=problem.where,
    )


def _verdict_row(
    name: str, report: Report, policy: Policy | None, ignored: Collection[str]
) -> GateRow:
    title = "the workarea is clear of everything on this machine"
    outcome, message, remedy = _judged(report, policy, ignored)
    return GateRow(name, VERDICT, title, outcome, message, remedy=remedy)


def _judged(
    report: Report, policy: Policy | None, ignored: Collection[str]
) -> tuple[RowOutcome, str, str]:
    match report.verdict:
        case Verdict.CLEAR:
            return RowOutcome.PASSED, report.headline, ""
        case Verdict.NOT_APPLICABLE:
            return RowOutcome.NOT_APPLICABLE, report.headline, ""
        case Verdict.COLLISION | Verdict.UNDECIDED:
            failed = deciding_failure(report, policy, ignored)
            if failed is not None:
                return RowOutcome.SKIPPED, f"skipped because {failed} failed", ""
            return RowOutcome.UNDECIDED, report.headline, report.next_step
