"""What came of a kernel's machine code, for people at a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from smecheck.kernel.verification import Result
from smecheck.report.text_page import listed, page, section, titled
from smecheck.report.text_tables import Words, grid
from smecheck.report.verify_words import (
    RESULT_WORDS,
    context_text,
    counts_text,
    headline,
    next_step,
    notes_text,
    place_text,
    results_text,
    run_text,
    where_text,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import RenderableType
    from rich.table import Table

    from smecheck.kernel.verification import Verification, VerifyReport
    from smecheck.report.options import RenderOptions

_STYLES = {
    Result.AGREES: "bold green",
    Result.DIFFERS: "bold red",
    Result.FAULTS: "bold red",
    Result.NOT_RECOGNIZED: "bold yellow",
}


def render_verify_text(report: VerifyReport, options: RenderOptions) -> str:
    """Return the answer as text of ``options.width`` columns; the result is in its first line."""
    return page(lambda words, _width: _parts(report, options, words), options)


def _parts(report: VerifyReport, options: RenderOptions, words: Words) -> Iterator[RenderableType]:
    verification = report.verification
    result = Text(RESULT_WORDS[verification.result], _STYLES[verification.result])
    said = Text.assemble(result, "  ", (words(headline(report)), "bold"))
    head = titled(Text("VERIFY", "bold"), said)
    head.add_row("", Text(words(f"{context_text(report)}; exit {options.exit_code}"), "dim"))
    yield head
    if verification.differences:
        title = "where the code differs from the prediction, as the first such run shows it"
        yield from section("DIFFERENCES", title, _differences(verification, words))
    if verification.runs:
        yield from section("RUNS", counts_text(verification), _by_tables(verification, words))
    why = "WHY" if verification.result is Result.NOT_RECOGNIZED else "NOT TRIED"
    yield from listed(why, verification.reasons, words)
    if options.explain:
        yield from section("ALL RUNS", "in their order", _all(verification, words))
    yield Text()
    yield titled(Text("NEXT", "bold"), Text(words(next_step(verification))))


def _differences(verification: Verification, words: Words) -> Table:
    table = grid(2, gap=2)
    for known in verification.differences:
        lines = [Text(words(known.first.text))]
        if known.first.instruction is not None:
            lines.append(Text(words(f"at {place_text(known.first.instruction)}")))
        if notes_text(known):
            lines.append(Text(words(notes_text(known))))
        lines.append(Text(words(where_text(known, verification)), "dim"))
        table.add_row(known.first.aspect.value, Text("\n").join(lines))
    return table


def _by_tables(verification: Verification, words: Words) -> Table:
    """Return how the runs came out, by the page tables in force at entry."""
    table = grid(2, gap=2)
    for tables in dict.fromkeys(run.tables for run in verification.runs):
        runs = [run for run in verification.runs if run.tables == tables]
        table.add_row(f"tables of {words(tables)}", results_text(runs))
    return table


def _all(verification: Verification, words: Words) -> Table:
    table = grid(2, gap=2)
    for run in verification.runs:
        table.add_row(str(run.number), Text(words(run_text(run)), "dim"))
    return table
