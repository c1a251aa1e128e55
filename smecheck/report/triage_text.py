"""A triage for people at a terminal: the first screen is enough to act on."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from rich.text import Text

from smecheck.answer import Verdict
from smecheck.report.text_page import LEAST_WIDTH, listed, page, section, titled
from smecheck.report.text_tables import Words, grid
from smecheck.report.triage_words import (
    asked_text,
    budget_text,
    class_text,
    fact_rows,
    verdict_text,
)

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

    from smecheck.report.options import RenderOptions
    from smecheck.support_case.triage_report import TriageReport

_STYLES = {
    Verdict.CLEAR: "bold green",
    Verdict.COLLISION: "bold red",
    Verdict.UNDECIDED: "bold yellow",
    Verdict.NOT_APPLICABLE: "bold cyan",
}
_WHY_LINES = 3
_LABEL = 9
"""Columns of the labels of the first screen."""
_DO_NOW = 3


def render_triage_text(triage: TriageReport, options: RenderOptions) -> str:
    """Return the answer as text of ``options.width`` columns; class and verdict come first."""
    text = page(partial(_parts, triage, options), options)
    if options.explain and triage.report is not None:
        from smecheck.report.text_report import render_text

        text += f"\n{render_text(triage.report, options)}"
    return text


def _parts(
    triage: TriageReport, options: RenderOptions, words: Words, width: int
) -> Iterator[RenderableType]:
    yield _first_screen(triage, options, words, width)
    diagnosis = triage.diagnosis
    if triage.contradictions:
        yield from section(
            "CONTRADICTIONS", "sources that contradict each other", _conflicts(triage, words)
        )
    yield from section("FACTS", f"{len(triage.facts)}, each with its place", _facts(triage, words))
    if triage.missing:
        yield from section("MISSING", "what to ask for", _missing(triage, words))
    excluded = (f"{one.failure.value}: {one.why}" for one in diagnosis.excluded)
    yield from listed("EXCLUDED", excluded, words)
    yield from listed("LOOK NEXT", diagnosis.suspects, words)
    alike = (f"{one.name}; {one.kernels}; here: {one.why}" for one in diagnosis.lookalikes)
    yield from listed("LOOKS THE SAME (known failures, not certain)", alike, words)
    yield from listed("CAUTION", diagnosis.cautions, words)
    yield from listed("NOT READ, OR LEFT OUT", triage.remarks, words)
    if triage.report is not None and not options.explain:
        yield Text()
        yield Text("smecheck triage --explain adds the complete placement analysis", "dim")


def _first_screen(triage: TriageReport, options: RenderOptions, words: Words, width: int) -> Table:
    diagnosis = triage.diagnosis
    table = titled(Text("CLASS", "bold"), _headline(triage, words))
    verdict = Text.assemble((verdict_text(triage), _STYLES[triage.verdict]), "  ",
                            words(triage.headline))  # fmt: skip
    table.add_row(Text("VERDICT", "bold"), verdict)
    table.add_row("", Text(words(f"{asked_text(triage)}; exit {options.exit_code}"), "dim"))
    why = _shortened(diagnosis.evidence, words, max(width, LEAST_WIDTH) - _LABEL)
    if why:
        table.add_row(Text("WHY", "bold"), Text("\n".join(why)))
    if diagnosis.do_now:
        steps = diagnosis.do_now[:_DO_NOW]
        table.add_row(Text("DO NOW", "bold"), _numbered(steps, words))
    if diagnosis.experiment:
        table.add_row(Text("TRY NEXT", "bold"), Text(words(diagnosis.experiment)))
    if triage.budget is not None:
        table.add_row(Text("MEMORY", "bold"), Text(words(budget_text(triage.budget))))
    if triage.missing:
        first = triage.missing[0]
        more = len(triage.missing) - 1
        others = f" (and {more} more, below)" if more else ""
        table.add_row(
            Text("ASK FOR", "bold"), Text(words(f"{first.what}: {first.command}{others}"))
        )
    return table


def _headline(triage: TriageReport, words: Words) -> Text:
    return Text.assemble((class_text(triage), "bold"), "  ", words(triage.diagnosis.summary))


def _shortened(texts: Iterable[str], words: Words, width: int) -> list[str]:
    """Wrap texts, and keep no more lines than the first screen has for them."""
    lines = [
        line for text in texts for line in textwrap.wrap(words(text), width, subsequent_indent="  ")
    ]
    if len(lines) > _WHY_LINES:
        last = lines[_WHY_LINES - 1][: width - 4].rstrip()
        lines = [*lines[: _WHY_LINES - 1], f"{last} ..."]
    return lines


def _numbered(texts: Iterable[str], words: Words) -> Text:
    return Text("\n".join(f"{n} {words(text)}" for n, text in enumerate(texts, 1)))


def _facts(triage: TriageReport, words: Words) -> Table:
    table = grid(2, gap=2)
    for name, value, place in fact_rows(triage):
        shown = Text.assemble(words(value), ("  " + words(place), "dim"))
        table.add_row(Text(words(name)), shown)
    return table


def _missing(triage: TriageReport, words: Words) -> Table:
    table = grid(2, gap=2)
    for one in triage.missing:
        lines = Text.assemble(words(one.why), "\n", (words(one.command), "bold"))
        table.add_row(Text(words(one.what)), lines)
    return table


def _conflicts(triage: TriageReport, words: Words) -> Table:
    table = grid(2, gap=2)
    for one in triage.contradictions:
        said = [words(f"{fact.value}  {fact.place}") for fact in one.facts]
        table.add_row(Text(words(one.name)), Text("\n".join([*said, words(one.used)])))
    return table
