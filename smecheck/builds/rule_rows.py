"""Rows out of the outcomes of rules, with the severities that a policy gives them."""

from __future__ import annotations

from collections.abc import Iterable

from smecheck.model.finding import Effect, Finding, Severity
from smecheck.model.gate import GateRow, RowOutcome
from smecheck.model.policy import Policy
from smecheck.model.report import Report
from smecheck.model.rule_result import Outcome, RuleResult
from smecheck.record import replace

_OUTCOMES = {
    Outcome.PASSED: RowOutcome.PASSED,
    Outcome.FAILED: RowOutcome.FAILED,
    Outcome.SKIPPED: RowOutcome.SKIPPED,
    Outcome.NOT_APPLICABLE: RowOutcome.NOT_APPLICABLE,
}

OWNERSHIP = "SME007"
"""Bytes that nobody owns: where they are known, whether the proof holds is no open question."""


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


def deciding_failure(report: Report, policy: Policy | None) -> str | None:
    """Return the rule whose failure says what a verdict would say again.

    A rule that the policy makes milder than an error does not: what it found is then no failure,
    and the verdict has to say that nothing is clear.
    """
    contradiction = contradicting_rule(report)
    if contradiction is not None:
        return contradiction
    for finding in report.findings:
        collides = finding.effect in (Effect.COLLISION, Effect.LOSS)
        decides = collides or finding.rule == OWNERSHIP
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
