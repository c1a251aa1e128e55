"""A comparison as Markdown, for the summary of a CI job, mails and tickets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smecheck.builds.comparison_report import Comparison
from smecheck.report.comparison_words import change_words, got_worse, shown_changes
from smecheck.report.markdown_text import words

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from smecheck.builds.build_facts import KeptFinding
    from smecheck.report.options import RenderOptions


def render_comparison_markdown(comparison: Comparison, options: RenderOptions) -> str:
    """Return the comparison as Markdown with one table."""
    return "\n".join(_lines(comparison, options)) + "\n"


def _lines(comparison: Comparison, options: RenderOptions) -> Iterator[str]:
    yield f"**{words(comparison.headline)}** (exit {options.exit_code})"
    yield ""
    yield "| | old | new | moved | |"
    yield "|---|---|---|---|---|"
    yield _row("source", comparison.old.source, comparison.new.source, "", "")
    for change in shown_changes(comparison):
        shown = change_words(change)
        yield _row(shown.name, shown.old, shown.new, shown.delta, shown.note)
    worse = got_worse(comparison)
    if worse:
        yield from ("", "**Worse**", "")
        for row in worse:
            severity = row.severity.value if row.severity else row.outcome.value
            yield f"- {severity} {words(row.check)}: {words(row.message)}"
    yield from _findings("Appeared", comparison.appeared)
    yield from _findings("Vanished", comparison.vanished)


def _findings(title: str, kept: Iterable[KeptFinding]) -> Iterator[str]:
    lines = [f"- {k.severity.value} {words(k.rule)}: {words(k.message)}" for k in kept]
    if lines:
        yield from ("", f"**{title}**", "", *lines)


def _row(*cells: str) -> str:
    return f"| {' | '.join(words(cell) for cell in cells)} |"
