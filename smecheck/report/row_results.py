"""The rows of a gate or a comparison that are not fine, as annotations and for code scanning."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from smecheck.builds.gate_report import GateRow, RowOutcome
from smecheck.checks.catalogue import RULES
from smecheck.checks.finding import Severity
from smecheck.report.ci_cases import Outcome
from smecheck.report.github_report import annotation, annotation_of, log_line
from smecheck.report.row_cases import RowReport, row_lines
from smecheck.report.sarif_log import Result, notification, sarif_log
from smecheck.report.sarif_report import about_of, result_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from smecheck.report.json_values import Json


_NEXT = "next: "
"""How a line begins that all rows of a check have alike."""


def rows_as_annotations(reports: Sequence[RowReport]) -> str:
    """Return annotations for the rows that are not fine, and each verdict as a line of the log.

    One check that fails on many machines is one annotation: GitHub shows ten of each kind.
    """
    lines = [_annotation(rows, report) for report in reports for rows in _together(report)]
    for report in reports:
        of = f"{report.build.source}: " if len(reports) > 1 else ""
        lines.append(log_line(f"smecheck: {of}{report.verdict}: {report.headline}"))
    return "".join(f"{line}\n" for line in lines)


def _together(report: RowReport) -> list[list[GateRow]]:
    """Return the rows that are not fine, those of one check that count alike together."""
    groups: dict[tuple[str, str], list[GateRow]] = {}
    for row in report.noted:
        groups.setdefault((row.check, _command(row, report)), []).append(row)
    return list(groups.values())


def _annotation(rows: list[GateRow], report: RowReport) -> str:
    first, *others = rows
    where, command = first.where or report.build.source, _command(first, report)
    if not others:
        return annotation(command, where, f"{first.check} on {first.target}", row_lines(first))
    own, alike = [], []
    for row in rows:
        lines = row_lines(row)
        own.append(f"{row.target}: " + "; ".join(x for x in lines if not x.startswith(_NEXT)))
        alike += [line for line in lines if line.startswith(_NEXT)]
    title = f"{first.check} on {len(rows)} targets"
    return annotation(command, where, title, (*own, *dict.fromkeys(alike)))


def _command(row: GateRow, report: RowReport) -> str:
    if report.outcome(row) is Outcome.EXCUSED:
        return "notice"
    if row.outcome is RowOutcome.FAILED:
        return annotation_of(row.severity or Severity.ERROR)
    return "error"


def rows_as_sarif(reports: Sequence[RowReport], exit_code: int) -> str:
    """Return the log of a run whose results are the rows that are not fine.

    What could not be read is not a result but a notification, and the run no success then.
    """
    noted = [(row, report) for report in reports for row in report.noted]
    unread = [(row, report) for row, report in noted if row.outcome is RowOutcome.ERROR]
    invocation: Json = {"executionSuccessful": not unread, "exitCode": exit_code}
    if unread:
        notices = [
            notification(row_lines(row), row.where or report.build.source) for row, report in unread
        ]
        invocation["toolExecutionNotifications"] = notices
    others = {row.check: row.title for row, _ in noted if row.check not in RULES}
    properties: Json = {
        "verdict": ", ".join(report.verdict for report in reports),
        "headline": "; ".join(report.headline for report in reports),
    }
    several = len(reports) > 1
    results = [
        result
        for report in reports
        for result in _results(report, f"{report.build.source}\n" if several else "")
    ]
    return sarif_log(results, invocation, properties, others)


def _results(report: RowReport, build: str) -> Iterator[Result]:
    """Yield the results of one build; ``build`` distinguishes them from those of others."""
    seen: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for row in report.noted:
        if row.outcome is RowOutcome.ERROR:
            continue
        excuse = report.excuse(row)
        for finding in row.findings:
            about = f"{build}{row.target}\n{about_of(finding, seen[row.target])}"
            yield result_of(finding, report.build.source, about, excuse)
        if not row.findings:
            level = "none" if row.severity is None else row.severity.value
            where = row.where or report.build.source
            about = f"{build}{row.target}"
            yield Result(row.check, level, row_lines(row), where, about, excuse=excuse)
