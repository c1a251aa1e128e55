"""The rows of a gate: of a rule, of a kernel without a machine, of a machine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from smecheck.answer import Basis, Report, Verdict
from smecheck.builds.gate_report import KERNEL_TARGET, GateRow, RowOutcome, Unreadable
from smecheck.builds.policy import Policy
from smecheck.checks.finding import Effect, Finding, Outcome, RuleResult, Severity
from smecheck.kernel.verification import Result, Verification
from smecheck.record import record, replace

_OUTCOMES = {
    Outcome.PASSED: RowOutcome.PASSED,
    Outcome.FAILED: RowOutcome.FAILED,
    Outcome.SKIPPED: RowOutcome.SKIPPED,
    Outcome.NOT_APPLICABLE: RowOutcome.NOT_APPLICABLE,
}


@record
class Held:
    """A report, and what it is held against."""

    report: Report
    policy: Policy | None = None
    ignored: tuple[str, ...] = ()
    """Ids of rules whose failures do not count."""

    @property
    def contradicting_rule(self) -> str | None:
        """The rule that shows that the inputs cannot be of one build, machine and load."""
        effects = ((finding.effect, finding.rule) for finding in self.report.findings)
        return next((rule for effect, rule in effects if effect is Effect.CONTRADICTION), None)

    @property
    def deciding_failure(self) -> str | None:
        """The rule whose failure says what a verdict would say again.

        A rule that the policy makes milder than an error does not: what it found is then no
        failure, and the verdict has to say that nothing is clear. No more does one that is ignored,
        where the verdict is open.
        """
        if self.contradicting_rule is not None:
            return self.contradicting_rule
        is_open = self.report.verdict is Verdict.UNDECIDED
        for finding in self.report.findings:
            if is_open and finding.rule in self.ignored:
                continue
            collides = finding.effect in (Effect.COLLISION, Effect.LOSS)
            decides = collides or finding.bearing.answers_for_the_proof
            if decides and self._severity_of(finding) is Severity.ERROR:
                return finding.rule
        return None

    def _severity_of(self, finding: Finding) -> Severity:
        """Return the milder of what a finding has and what the policy gives its rule."""
        setting = self.policy.rules.get(finding.rule) if self.policy else None
        given = setting.severity if setting is not None else None
        return max(finding.severity, given or finding.severity, key=lambda severity: severity.rank)

    def row(self, target: str, result: RuleResult) -> GateRow:
        """Return the row of a rule."""
        setting = self.policy.rules.get(result.rule) if self.policy else None
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

    def unless_decided(self) -> tuple[RowOutcome, str, str]:
        """Say that the verdict is open, or which failure says why nothing more is to be said."""
        failed = self.deciding_failure
        if failed is not None:
            return RowOutcome.SKIPPED, f"skipped because {failed} failed", ""
        return RowOutcome.UNDECIDED, self.report.headline, self.report.next_step


def _message(findings: Iterable[Finding]) -> str:
    """Say the worst, under its condition, and how much more there is."""
    first, *others = findings
    condition = f"; only if {first.condition}" if first.condition else ""
    more = f" (and {len(others)} more)" if others else ""
    return f"{first.message}{condition}{more}"


PROOF, MACHINE_CODE, VERDICT, INPUTS = "proof", "verify", "verdict", "inputs"
"""What is checked beside the rules."""


def kernel_rows(held: Held) -> Iterator[GateRow]:
    """Yield a row for every rule that needs no machine, and one for the proof."""
    for result in held.report.checks:
        yield held.row(KERNEL_TARGET, result)
    if held.report.verification is not None:
        yield _machine_code_row(held, held.report.verification)
    title = "the workarea is reserved for the kernel on every machine"
    outcome, message, remedy = _proven(held)
    yield GateRow(KERNEL_TARGET, PROOF, title, outcome, message, remedy=remedy)


def _machine_code_row(held: Held, verification: Verification) -> GateRow:
    outcome, message, remedy = RowOutcome.PASSED, verification.premise, ""
    if held.report.verdict is Verdict.NOT_APPLICABLE:
        outcome, message = RowOutcome.NOT_APPLICABLE, held.report.headline
    elif verification.result is Result.NOT_RECOGNIZED:
        outcome = RowOutcome.UNDECIDED
        remedy = "smecheck verify KERNEL shows all runs; give the vmlinux with its symbols"
    elif verification.is_refuted:
        failed = held.deciding_failure
        outcome = RowOutcome.SKIPPED if failed else RowOutcome.UNDECIDED
        message = f"skipped because {failed} failed" if failed else verification.premise
    title = "the machine code computes as predicted"
    return GateRow(KERNEL_TARGET, MACHINE_CODE, title, outcome, message, remedy=remedy)


def _proven(held: Held) -> tuple[RowOutcome, str, str]:
    report = held.report
    if report.verdict is Verdict.NOT_APPLICABLE:
        return RowOutcome.NOT_APPLICABLE, report.headline, ""
    if report.verdict is Verdict.CLEAR and report.basis is Basis.PROOF:
        return RowOutcome.PASSED, report.headline, ""
    return held.unless_decided()


def machine_rows(name: str, held: Held) -> Iterator[GateRow]:
    """Yield a row for every rule that may say something else here, and one for the verdict.

    What the static rules say is the same on every machine; the kernel's own rows say it. Where
    the inputs contradict each other, nothing that is found of the workarea counts.
    """
    contradiction = held.contradicting_rule
    for result in held.report.checks:
        if result.static:
            continue
        row = held.row(name, result)
        if contradiction is not None and result.of_workarea and row.outcome is RowOutcome.FAILED:
            reason = f"skipped because {contradiction} failed"
            row = GateRow(name, row.check, row.title, RowOutcome.SKIPPED, reason)
        yield row
    title = "the workarea is clear of everything on this machine"
    outcome, message, remedy = _judged(held)
    yield GateRow(name, VERDICT, title, outcome, message, remedy=remedy)


def _judged(held: Held) -> tuple[RowOutcome, str, str]:
    match held.report.verdict:
        case Verdict.CLEAR:
            return RowOutcome.PASSED, held.report.headline, ""
        case Verdict.NOT_APPLICABLE:
            return RowOutcome.NOT_APPLICABLE, held.report.headline, ""
        case Verdict.COLLISION | Verdict.UNDECIDED:
            return held.unless_decided()


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
