"""A comparison for people at a terminal: what got worse, then every fact of both builds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from smecheck.builds.compared import Comparison
from smecheck.report.comparison_words import change_words, got_worse, shown_changes
from smecheck.report.gate_text import rows_table
from smecheck.report.text_findings import SEVERITY_STYLES
from smecheck.report.text_page import page, section, titled
from smecheck.report.text_tables import Words, grid

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rich.console import RenderableType

    from smecheck.builds.build_facts import KeptFinding
    from smecheck.report.options import RenderOptions


def render_comparison_text(comparison: Comparison, options: RenderOptions) -> str:
    """Return the comparison as text of ``options.width`` columns."""
    return page(lambda words, _width: _parts(comparison, options, words), options)


def _parts(
    comparison: Comparison, options: RenderOptions, words: Words
) -> Iterator[RenderableType]:
    head = titled(Text("COMPARE", "bold"), Text(words(comparison.headline), "bold"))
    sources = f"{comparison.old.source} -> {comparison.new.source}; exit {options.exit_code}"
    head.add_row("", Text(words(sources), "dim"))
    yield head
    worse = got_worse(comparison)
    if worse:
        yield from section("WORSE", f"{len(worse)}", rows_table(worse, words))
    yield from section("BUILDS", "* differs", _table(comparison, words))
    if comparison.appeared:
        told = _findings(comparison.appeared, words)
        yield from section("APPEARED", "findings of the new build only", told)
    if comparison.vanished:
        told = _findings(comparison.vanished, words)
        yield from section("VANISHED", "findings of the old build only", told)


def _table(comparison: Comparison, words: Words) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    for _ in range(5):
        table.add_column(overflow="fold")
    table.add_column(overflow="fold", style="dim")
    table.add_row("", "", Text("old", "bold"), Text("new", "bold"), Text("moved", "bold"), "")
    for change in shown_changes(comparison):
        told = change_words(change)
        table.add_row(
            "*" if change.is_change else "",
            told.name,
            Text(words(told.old)),
            Text(words(told.new), "bold" if change.is_change else ""),
            told.delta,
            words(told.note),
        )
    return table


def _findings(kept: Iterable[KeptFinding], words: Words) -> Table:
    table = grid(3, gap=2)
    for finding in kept:
        label = Text(finding.severity.value.upper(), SEVERITY_STYLES[finding.severity])
        table.add_row(label, Text(words(finding.rule)), Text(words(finding.message)))
    return table
