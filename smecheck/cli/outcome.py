"""The exit status of a report, the same whatever format it is printed in."""

from __future__ import annotations

from smecheck.errors import ExitCode
from smecheck.model.report import Report, Verdict
from smecheck.model.tolerance import Tolerance


def exit_status(report: Report, tolerance: Tolerance) -> ExitCode:
    """Return the exit status; findings come before an open question."""
    if any(map(tolerance.counts, report.findings)):
        return ExitCode.FINDINGS
    if report.verdict is Verdict.UNDECIDED and tolerance.open_question_counts:
        return ExitCode.UNDECIDED
    return ExitCode.OK
