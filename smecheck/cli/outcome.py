"""The exit status of a report, the same whatever format it is printed in."""

from __future__ import annotations

from smecheck.errors import ExitCode
from smecheck.model.finding import Severity
from smecheck.model.report import Report, Verdict
from smecheck.record import record


@record
class GatePolicy:
    """What counts as failure."""

    fail_on: Severity = Severity.ERROR
    allow_undecided: bool = False
    exit_zero: bool = False
    ignored: frozenset[str] = frozenset()
    """Ids of rules whose findings do not count."""


def exit_status(report: Report, policy: GatePolicy) -> ExitCode:
    """Return the exit status; findings come before an open question."""
    if policy.exit_zero:
        return ExitCode.OK
    counted = (finding for finding in report.findings if finding.rule not in policy.ignored)
    if any(finding.severity.rank <= policy.fail_on.rank for finding in counted):
        return ExitCode.FINDINGS
    if report.verdict is Verdict.UNDECIDED and not policy.allow_undecided:
        return ExitCode.UNDECIDED
    return ExitCode.OK
