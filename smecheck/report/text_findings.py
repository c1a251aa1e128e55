"""Findings in the text report: what, where, under which condition, and what to do about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from smecheck.model.finding import Finding, Severity
from smecheck.report.finding_words import place_of
from smecheck.report.text_tables import Words, grid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

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
