"""A comparison for people at a terminal: what got worse, then every fact of both builds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from smecheck.builds.comparison_report import Change, Comparison
from smecheck.report.comparison_words import (
    change_words,
    got_worse,
    origins,
    short,
    shown_changes,
)
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
    in_full = options.details or options.explain
    changes = [c for c in shown_changes(comparison) if in_full or c.is_change]
    if changes:
        title = "* differs" if in_full else "what differs"
        notes = [Text(words(f"{c.name}: {c.note}"), "dim") for c in changes if c.note]
        table = _table(changes, words, in_full=in_full)
        yield from section("BUILDS", title, table, *notes)
    same = [c for c in shown_changes(comparison) if not c.is_change]
    if same and not in_full:
        values = ", ".join(f"{c.name} {short(change_words(c)).new}" for c in same)
        yield from section("SAME", "in both builds (--details for all)", Text(words(values)))
    if comparison.appeared:
        shown = _findings(comparison.appeared, words)
        yield from section("APPEARED", "findings of the new build only", shown)
    if comparison.vanished:
        shown = _findings(comparison.vanished, words)
        yield from section("VANISHED", "findings of the old build only", shown)
    if options.explain:
        yield from _explained(comparison, words)


def _table(changes: list[Change], words: Words, *, in_full: bool) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    if in_full:
        table.add_column()
    for _ in range(4):
        table.add_column(overflow="fold")
    titles = ("", Text("old", "bold"), Text("new", "bold"), Text("moved", "bold"))
    table.add_row(*([""] if in_full else []), *titles)
    for change in changes:
        shown = change_words(change) if in_full else short(change_words(change))
        table.add_row(
            *(["*" if change.is_change else ""] if in_full else []),
            Text(words(shown.name), no_wrap=True),
            Text(words(shown.old)),
            Text(words(shown.new), "bold" if change.is_change else ""),
            Text(words(shown.delta)),
        )
    return table


def _explained(comparison: Comparison, words: Words) -> Iterator[RenderableType]:
    """Yield what the comparison rests on: each check, and where each fact is known from."""
    asked = grid(3, gap=2)
    for row in comparison.rows:
        shown = f"{row.title}: {row.message}" if row.message else row.title
        asked.add_row(row.outcome.value, Text(words(row.check)), Text(words(shown)))
    yield from section("CHECKS", "checks of the new build", asked)
    table = grid(2, gap=2)
    for fact in origins(comparison):
        lines = [fact.old] if fact.old == fact.new else [f"old: {fact.old}", f"new: {fact.new}"]
        table.add_row(Text(fact.name, no_wrap=True), Text("\n".join(map(words, lines))))
    yield from section("FACTS", "where each is known from", table)
    moves = grid(2, gap=2)
    for name, text in _COMPUTED.items():
        moves.add_row(Text(name, no_wrap=True), Text(text))
    yield from section("COMPUTED", "derived from the facts", moves)


_COMPUTED = {
    "workarea": "_end rounded up to 2 MiB (after-end), or where its section starts",
    "mapped end": "where the workarea ends at worst, rounded up to 2 MiB",
    "slack": "init_size - mapped end: what loaders reserve past the workarea",
    "moved": "new - old; the workarea moves by whole 2 MiB frames as _end crosses their boundaries",
}
"""How the places are computed; smecheck analyze KERNEL --explain shows each step."""


def _findings(kept: Iterable[KeptFinding], words: Words) -> Table:
    table = grid(3, gap=2)
    for finding in kept:
        label = Text(finding.severity.value.upper(), SEVERITY_STYLES[finding.severity])
        table.add_row(label, Text(words(finding.rule)), Text(words(finding.message)))
    return table
