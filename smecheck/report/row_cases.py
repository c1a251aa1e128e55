"""What a gate and a comparison have in common, their rows, as test cases: a suite per target."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import assert_never

from smecheck.builds.build_facts import BuildFacts
from smecheck.builds.gate_report import GateRow, RowOutcome
from smecheck.record import record
from smecheck.report.ci_cases import CiCase, Outcome, Suite
from smecheck.report.finding_words import finding_lines
from smecheck.report.gate_words import waiver_text
from smecheck.report.safe_text import printable


@record
class RowReport:
    """An answer that consists of rows."""

    build: BuildFacts
    """What was held against something."""
    against: tuple[str, ...]
    """The files that it was held against."""
    verdict: str
    """In a word."""
    headline: str
    rows: tuple[GateRow, ...]
    """By target."""
    fails: Callable[[GateRow], bool]
    """Whether a row makes the exit status one of failure, if nothing is excused."""
    exit_zero: bool
    """Only what cannot be read does."""
    ignored: tuple[str, ...] = ()
    """Rules whose failures do not count."""

    def outcome(self, row: GateRow) -> Outcome:
        """Return the outcome of a row as that of a test case."""
        match row.outcome:
            case RowOutcome.PASSED:
                return Outcome.PASSED
            case RowOutcome.FAILED if row.check in self.ignored:
                return Outcome.EXCUSED
            case RowOutcome.FAILED if not self.fails(row):
                return Outcome.PASSED
            case RowOutcome.FAILED:
                return Outcome.EXCUSED if self.exit_zero else Outcome.FAILED
            case RowOutcome.UNDECIDED:
                excused = self.exit_zero or not self.fails(row)
                return Outcome.EXCUSED if excused else Outcome.UNDECIDED
            case RowOutcome.ERROR:
                return Outcome.UNREADABLE
            case RowOutcome.WAIVED:
                return Outcome.EXCUSED
            case RowOutcome.SKIPPED | RowOutcome.NOT_APPLICABLE:
                return Outcome.SKIPPED
        assert_never(row.outcome)

    def excuse(self, row: GateRow) -> str | None:
        """Return why a row does not count that would."""
        waiver = waiver_text(row)
        if waiver:
            return waiver
        if row.check in self.ignored:
            return f"--ignore {row.check}"
        return "--exit-zero" if self.exit_zero else None

    @property
    def noted(self) -> tuple[GateRow, ...]:
        """The rows that there is something to say about."""
        return tuple(row for row in self.rows if row.outcome not in _FINE)


_FINE = (RowOutcome.PASSED, RowOutcome.SKIPPED, RowOutcome.NOT_APPLICABLE)


def suites_of(reports: Sequence[RowReport]) -> tuple[Suite, ...]:
    """Return a suite for every target, in their order; of several builds each with its build."""
    several = len(reports) > 1
    return tuple(
        Suite(
            printable(f"{report.build.source}: {target}" if several else target),
            tuple(_case(row, report) for row in rows),
        )
        for report in reports
        for target, rows in groupby(report.rows, key=lambda row: row.target)
    )


def row_lines(row: GateRow) -> tuple[str, ...]:
    """Return what there is to say of a row that is not fine; it may hold anything."""
    lines = [line for finding in row.findings for line in finding_lines(finding)]
    if not lines:
        lines = [row.message or row.title, *([f"next: {row.remedy}"] if row.remedy else [])]
    if row.where:
        lines.append(f"in the policy: {row.where}")
    waiver = waiver_text(row)
    return (*lines, waiver) if waiver else tuple(lines)


def _case(row: GateRow, report: RowReport) -> CiCase:
    excuse = report.excuse(row) if report.outcome(row) is Outcome.EXCUSED else waiver_text(row)
    summary = ": ".join(text for text in (excuse, row.message) if text)
    details = () if row.outcome in _FINE else row_lines(row)
    return CiCase(
        printable(row.check),
        printable(row.title),
        report.outcome(row),
        printable(summary),
        tuple(map(printable, details)),
    )
