"""A comparison as a page: what moved, drawn for both builds on one scale, and what got worse."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from smecheck.builds.build_facts import BuildFacts, KeptFinding
from smecheck.builds.comparison_report import Comparison
from smecheck.builds.gate_report import RowOutcome
from smecheck.evidence import Fact, Known
from smecheck.report.comparison_words import change_words, got_worse, shown_changes
from smecheck.report.memory_picture import Ink, Mark, MemoryPicture, Row, lens_around, whole_of
from smecheck.report.page import figures, heading, page, places_table
from smecheck.report.picture import safe
from smecheck.report.row_cases import row_lines
from smecheck.span import Span

if TYPE_CHECKING:
    from smecheck.report.options import RenderOptions


def comparison_page(comparison: Comparison, options: RenderOptions) -> str:
    """Return the comparison as a page."""
    picture = both_builds(comparison)
    worse = got_worse(comparison)
    is_open = all(row.outcome is RowOutcome.UNDECIDED for row in worse)
    word, kind = ("UNDECIDED", "is-open") if is_open else ("WORSE", "is-bad")
    if not worse:
        word, kind = "NO WORSE", "is-good"
    sources = f"{comparison.old.source} → {comparison.new.source}"
    header = (
        heading(word, kind, comparison.headline),
        f'<p class="dim">{safe(sources)}; exit {options.exit_code}</p>',
    )
    main = [
        *_worse(comparison),
        *_drawn(picture),
        *_table(comparison),
        *_findings("Appeared", comparison.appeared),
        *_findings("Vanished", comparison.vanished),
        *(places_table(picture) if picture is not None else ()),
    ]
    return page(f"smecheck compare: {word.lower()}", header, main, picture)


def both_builds(comparison: Comparison) -> MemoryPicture | None:
    """Return both builds on one scale of offsets from ``_text``, as far as they are known."""
    rows = tuple(
        row
        for name, build in (("old", comparison.old), ("new", comparison.new))
        for row in _rows(name, build)
        if row.marks
    )
    marks = [mark for row in rows for mark in row.marks]
    workareas = [mark.span for mark in marks if mark.ink is Ink.WORKAREA]
    if not workareas:
        return None
    whole = whole_of(marks)
    middle = Span(min(s.start for s in workareas), max(s.end for s in workareas))
    return MemoryPicture(rows, whole, lens_around(middle, marks, whole), is_physical=False)


def _rows(name: str, build: BuildFacts) -> Iterator[Row]:
    end, start, mapped, size = build.end, build.workarea, build.mapped_end, build.init_size
    yield Row.of(f"{name} kernel", _mark("kernel, _text to _end", Known(0, ""), end, Ink.KERNEL))
    yield Row.of(f"{name} workarea", _mark("workarea, as mapped", start, mapped, Ink.WORKAREA))
    reserved = _mark("init_size, reserved", Known(0, ""), size, Ink.RESERVED_FOR_KERNEL)
    yield Row.of(f"{name} init_size", reserved)


def _mark(name: str, start: Fact[int], end: Fact[int], ink: Ink) -> Iterator[Mark]:
    if isinstance(start, Known) and isinstance(end, Known) and end.value > start.value >= 0:
        yield Mark(name, Span(start.value, end.value), ink, origin=end.origin)


def _drawn(picture: MemoryPicture | None) -> Iterator[str]:
    yield "<h2>What moved</h2>"
    if picture is None:
        yield "<p>Where the workarea lies is not known of either build: nothing to draw.</p>"
    else:
        yield from figures(picture)


def _worse(comparison: Comparison) -> Iterator[str]:
    worse = got_worse(comparison)
    if not worse:
        return
    yield f"<h2>Worse: {len(worse)}</h2>"
    yield '<ol class="findings">'
    for row in worse:
        severity = row.severity.value if row.severity else row.outcome.value
        lines = "<br>".join(safe(line) for line in row_lines(row))
        yield f"<li><strong>{severity} {safe(row.check)}</strong><br>{lines}</li>"
    yield "</ol>"


def _table(comparison: Comparison) -> Iterator[str]:
    yield "<h2>Both builds</h2>"
    titles = "".join(f"<th>{title}</th>" for title in ("fact", "old", "new", "moved", "note"))
    yield f'<div class="wide"><table><thead><tr>{titles}</tr></thead><tbody>'
    for change in shown_changes(comparison):
        shown = change_words(change)
        new = f"<strong>{safe(shown.new)}</strong>" if change.is_change else safe(shown.new)
        yield (
            f'<tr><th scope="row">{safe(shown.name)}</th><td>{safe(shown.old)}</td><td>{new}</td>'
            f"<td>{safe(shown.delta)}</td><td>{safe(shown.note)}</td></tr>"
        )
    yield "</tbody></table></div>"


def _findings(title: str, kept: tuple[KeptFinding, ...]) -> Iterator[str]:
    if kept:
        lines = (f"<li>{k.severity.value} {safe(k.rule)}: {safe(k.message)}</li>" for k in kept)
        yield f"<h2>{title}</h2><ul>{''.join(lines)}</ul>"
