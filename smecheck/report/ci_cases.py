"""A report as test cases, for the formats that know only those: JUnit, KTAP, KCIDB.

The first case is the verdict, then there is one for every rule, each under a name that does not
change from one build to the next. A case has failed exactly where it makes the exit status so.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from smecheck.answer import Report, Verdict
from smecheck.checks.catalogue import RULES
from smecheck.checks.finding import Finding
from smecheck.record import record
from smecheck.report.finding_words import finding_lines
from smecheck.report.safe_text import printable

if TYPE_CHECKING:
    from smecheck.checks.rule import Rule
    from smecheck.checks.tolerance import Tolerance


class Outcome(Enum):
    """What became of a case."""

    PASSED = "passed"
    FAILED = "failed"
    UNDECIDED = "undecided"
    """Open, and that counts as a failure."""
    EXCUSED = "excused"
    """Failed or open, but an option says that this does not count."""
    UNREADABLE = "unreadable"
    """What it was to look at could not be read."""
    SKIPPED = "skipped"
    """There was nothing to look at."""

    @property
    def is_bad(self) -> bool:
        """Whether it makes the exit status one of failure."""
        return self in (Outcome.FAILED, Outcome.UNDECIDED, Outcome.UNREADABLE)


@record
class CiCase:
    """One test case. Its texts are printable, each in one line."""

    id: str
    """``verdict``, or the id of a rule."""
    title: str
    """What is tested, in words that hold whatever comes of it."""
    outcome: Outcome
    summary: str
    """Why, in a line; empty where a rule found nothing."""
    details: tuple[str, ...] = ()
    """All there is to say of it."""


@record
class Suite:
    """The cases about one thing."""

    name: str
    cases: tuple[CiCase, ...]

    @property
    def is_bad(self) -> bool:
        """Whether any case is."""
        return any(case.outcome.is_bad for case in self.cases)


def suite_of(report: Report, tolerance: Tolerance) -> Suite:
    """Return the case of the verdict and those of all rules, in the order of the catalogue."""
    rules = (_rule(rule, report, tolerance) for rule in RULES.values())
    return Suite(printable(report.image.source), (_verdict(report, tolerance), *rules))


def _verdict(report: Report, tolerance: Tolerance) -> CiCase:
    match report.verdict:
        case Verdict.CLEAR:
            outcome = Outcome.PASSED
        case Verdict.NOT_APPLICABLE:
            outcome = Outcome.SKIPPED
        case Verdict.COLLISION:
            failed = any(map(tolerance.counts, report.findings))
            outcome = Outcome.FAILED if failed else Outcome.EXCUSED
        case Verdict.UNDECIDED:
            counts = tolerance.open_question_counts
            outcome = Outcome.UNDECIDED if counts else Outcome.EXCUSED
    summary = f"{report.verdict.value} ({report.basis.value}): {report.headline}"
    details = (summary, f"next: {report.next_step}")
    title = "the workarea is reserved for the kernel, or clear of everything"
    return CiCase("verdict", title, outcome, printable(summary), tuple(map(printable, details)))


def _rule(rule: Rule, report: Report, tolerance: Tolerance) -> CiCase:
    findings = [finding for finding in report.findings if finding.rule == rule.id]
    title = rule.passed
    if not findings:
        reason = _not_looked_at(rule, report)
        outcome = Outcome.PASSED if reason is None else Outcome.SKIPPED
        return CiCase(rule.id, title, outcome, printable(reason or ""))
    counted = list(filter(tolerance.counts, findings))
    excuse = tolerance.excuse(findings[0])
    first = (counted or findings)[0]
    summary = f"{first.severity.value}: {first.message}"
    if counted:
        outcome = Outcome.FAILED
    elif excuse is not None:
        outcome, summary = Outcome.EXCUSED, f"{excuse}: {summary}"
    else:
        outcome = Outcome.PASSED
    details = (printable(line) for finding in findings for line in _lines(finding))
    return CiCase(rule.id, title, outcome, printable(summary), tuple(details))


def _lines(finding: Finding) -> tuple[str, ...]:
    message, *further = finding_lines(finding)
    return (f"{finding.severity.value}: {message}", *further)


def _not_looked_at(rule: Rule, report: Report) -> str | None:
    """Return why a rule without findings has not passed: it was not asked, or could not be."""
    asked = next((result for result in report.checks if result.rule == rule.id), None)
    if asked is None:
        return "neither a machine nor a load was given"
    return asked.reason or None
