"""Findings in the text report: what, where, under which condition, and what to do about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from smecheck.checks.finding import Finding, Severity
from smecheck.report.finding_words import brief_of, place_of
from smecheck.report.text_tables import Words, grid
from smecheck.span import Span

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.table import Table

    from smecheck.answer import Report

_SHORT = {Severity.ERROR: "ERR ", Severity.WARNING: "WARN", Severity.NOTE: "NOTE"}
_NARROW = 60
"""Columns below which severities are abbreviated."""

SEVERITY_STYLES = {
    Severity.ERROR: "bold red",
    Severity.WARNING: "bold yellow",
    Severity.NOTE: "bold cyan",
}


def findings_table(findings: Sequence[Finding], words: Words) -> Table:
    """Return the findings; a next step that several in a row share stands under the last."""
    table = grid(3, gap=2)
    followers: list[Finding | None] = [*findings[1:], None]
    for finding, follower in zip(findings, followers, strict=True):
        shared = follower is not None and follower.remedy == finding.remedy
        severity = finding.severity
        table.add_row(
            Text(severity.value.upper(), SEVERITY_STYLES[severity]),
            Text(words(finding.rule)),
            _body(finding, words, with_remedy=not shared),
        )
    return table


def brief_findings(report: Report, words: Words, width: int) -> Table:
    """Return each finding in a few words with its range, and a next step where it is another one.

    Args:
        report: whose findings. Its own next step, and a condition of all, are not repeated.
        words: makes text printable.
        width: columns; where a range does not fit beside the words, it goes under them.
    """
    found = of_first_screen(report.findings)
    groups = list(_touching(found))
    followers = [*(group[0] for group in groups[1:]), None]
    common = common_condition(found)
    table = grid(2, gap=2)
    for group, follower in zip(groups, followers, strict=True):
        finding = group[0]
        head = _head(finding, words, is_narrow=width < _NARROW)
        body, place = words(_brief(group)), _range(group)
        fits = len(head) + 2 + len(body) + 2 + len(place) <= width
        body += f"  {place}" if fits else f"\n{place}" if place else ""
        lines = [Text(body)]
        if finding.condition not in (None, common):
            lines.append(Text.assemble(("only if: ", "bold"), words(finding.condition or "")))
        shared = follower is not None and follower.remedy == finding.remedy
        is_error = finding.severity is Severity.ERROR
        if is_error and not shared and finding.remedy not in report.next_step:
            lines.append(Text.assemble(("next: ", "bold"), words(finding.remedy)))
        table.add_row(head, Text("\n").join(lines))
    return table


def of_first_screen(findings: Sequence[Finding]) -> Sequence[Finding]:
    """Return the findings without the notes, where there is anything worse."""
    worse = [finding for finding in findings if finding.severity is not Severity.NOTE]
    return worse or findings


def common_condition(findings: Sequence[Finding]) -> str | None:
    """Return what all findings about the workarea are conditional on, if it is the same for all."""
    conditions = {finding.condition for finding in findings if finding.needs_sme}
    return conditions.pop() if len(conditions) == 1 else None


def _head(finding: Finding, words: Words, *, is_narrow: bool) -> Text:
    severity = finding.severity
    shown = _SHORT[severity] if is_narrow else f"{severity.value.upper():<7}"
    return Text.assemble((shown, SEVERITY_STYLES[finding.severity]), f" {words(finding.rule)}")


def _touching(findings: Sequence[Finding]) -> Iterator[tuple[Finding, ...]]:
    """Yield the findings; those of one rule that say the same of ranges that touch, together."""
    group: list[Finding] = []
    for finding in findings:
        if group and not _goes_on(group[-1], finding):
            yield tuple(group)
            group = []
        group.append(finding)
    if group:
        yield tuple(group)


def _goes_on(one: Finding, other: Finding) -> bool:
    alike = (one.rule, one.severity, one.condition, one.remedy, one.brief)
    if alike != (other.rule, other.severity, other.condition, other.remedy, other.brief):
        return False
    if one.span is None or other.span is None or one.other is None or other.other is None:
        return False
    return bool(one.brief) and one.span.end == other.span.start


def _brief(group: tuple[Finding, ...]) -> str:
    if len(group) == 1:
        return brief_of(group[0])
    names = ", ".join(finding.other.name for finding in group if finding.other is not None)
    return f"{names}: {group[0].brief.removeprefix('is ')}"


def _range(group: tuple[Finding, ...]) -> str:
    first, last = group[0].span, group[-1].span
    return "" if first is None or last is None else repr(Span(first.start, last.end))


def _body(finding: Finding, words: Words, *, with_remedy: bool) -> Text:
    lines = [Text(words(finding.message))]
    place = place_of(finding)
    if place:
        lines.append(Text(words(place)))
    if finding.condition is not None:
        lines.append(Text.assemble(("only if: ", "bold"), words(finding.condition)))
    if with_remedy and finding.remedy:
        lines.append(Text.assemble(("next: ", "bold"), words(finding.remedy)))
    return Text("\n").join(lines)
