"""The report for people at a terminal.

It is read at night, by someone who was called: the verdict comes first and in words, what to do
next comes last, just above the prompt, and every number in between can be copied whole.
"""

from __future__ import annotations

from functools import partial
from io import StringIO
from typing import TYPE_CHECKING

from rich.text import Text

from smecheck.model.report import Report, Verdict
from smecheck.report.cross_check_words import outcome_text
from smecheck.report.facts import boot_facts, kernel_facts
from smecheck.report.lanes import scene_of
from smecheck.report.ruler import draw
from smecheck.report.text_advice import advice_table
from smecheck.report.text_findings import findings_table
from smecheck.report.text_page import INDENT, listed, page, printed, section, titled
from smecheck.report.text_tables import (
    Words,
    checks_table,
    cross_check_table,
    derivation_table,
    facts_table,
    placements_table,
    proof_table,
    segments_table,
)
from smecheck.report.verdict_words import VERDICT_WORDS, context_of, findings_count

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console, RenderableType
    from rich.table import Table

    from smecheck.report.render import RenderOptions

_VERDICT_STYLES = {
    Verdict.CLEAR: "bold green",
    Verdict.COLLISION: "bold red",
    Verdict.UNDECIDED: "bold yellow",
    Verdict.NOT_APPLICABLE: "bold cyan",
}
_PROVEN = "holds for this boot: the workarea lies inside what is kept to the kernel, on any machine"
_NOT_PROVEN = "fails for this boot: the workarea is not wholly inside what is kept to the kernel"
_ADVICE_TITLE = "each change was tried out; cheapest first"
_RULER_STYLES = {"workarea": "bold yellow", "hit": "bold red"}


def render_text(report: Report, options: RenderOptions) -> str:
    """Return the report as text of ``options.width`` columns; the verdict is in its first line."""
    return page(partial(_parts, report, options), options)


def recorded(report: Report, options: RenderOptions) -> Console:
    """Return a console on which the report was printed, to be exported as a picture."""
    return printed(partial(_parts, report, options), options, StringIO(), record=True)


def _parts(
    report: Report, options: RenderOptions, words: Words, width: int
) -> Iterator[RenderableType]:
    yield _verdict(report, options, words)
    yield from section("PLACEMENT", "spans are [start, end)", placements_table(report, words))
    scene = scene_of(report)
    if scene is not None:
        lines = draw(scene, width - INDENT, unicode=options.unicode)
        yield from section("MEMORY", lines[0], *map(_ruler_line, lines[1:]))
    if report.proof is not None:
        title = _PROVEN if report.proof.holds else _NOT_PROVEN
        examples = report.segments is None or options.explain
        table = proof_table(report.proof, words, with_examples=examples)
        yield from section("PROOF", title, table)
    if report.cross_check is not None:
        check = report.cross_check
        yield from section(
            "CROSS-CHECK", words(outcome_text(check)), cross_check_table(check, words)
        )
        if not check.agrees:
            yield from listed("THE PREDICTION ASSUMES", check.assumptions, words)
    if report.kaslr is not None:
        from smecheck.report.kaslr_facts import kaslr_facts

        table = facts_table(list(kaslr_facts(report.kaslr)), words)
        yield from section("KASLR", "the places that it may choose", table)
    if report.findings:
        yield from section("FINDINGS", _count(report), findings_table(report.findings, words))
    if report.advice is not None:
        yield from section("ADVICE", _ADVICE_TITLE, advice_table(report.advice, words))
    source = f"{report.image.source} ({report.image.kind.value})"
    yield from section("KERNEL", words(source), facts_table(kernel_facts(report), words))
    yield from section("BOOT", report.boot.path.value, facts_table(boot_facts(report.boot), words))
    yield from _evidence(report, options, words, drawn=scene is not None and scene.physical)
    yield from listed("PREMISES", report.assumptions, words)
    yield from listed("NOT CHECKED", report.not_checked, words)
    inputs = [i for i in report.inputs if options.explain or not i.used]
    used = [f"{i.path} ({i.kind}): {', '.join(i.used) or 'nothing used'}" for i in inputs]
    yield from listed("INPUTS", used, words)
    yield Text()
    yield titled(Text("NEXT", "bold"), Text(words(report.next_step), "bold"))


def _verdict(report: Report, options: RenderOptions, words: Words) -> Table:
    word, style = VERDICT_WORDS[report.verdict], _VERDICT_STYLES[report.verdict]
    verdict = Text.assemble(
        (word, style), f"  ({report.basis.value})  ", (words(report.headline), "bold")
    )
    table = titled(Text("VERDICT", "bold"), verdict)
    table.add_row("", Text(words(f"{context_of(report)}; exit {options.exit_code}"), "dim"))
    return table


def _evidence(
    report: Report, options: RenderOptions, words: Words, *, drawn: bool
) -> Iterator[RenderableType]:
    segments = report.segments
    if segments is not None and (options.explain or not drawn):
        yield from section("SEGMENTS", words(segments.source), segments_table(segments, words))
    if not options.explain:
        return
    if report.checks:
        title = "what came of each that was asked"
        yield from section("RULES", title, checks_table(report.checks, words))
    for placement in report.placements:
        if placement.derivation:
            which = "this kernel" if placement.actual else "what would be"
            title = f"{placement.scheme.value} ({which})"
            yield from section("DERIVATION", title, derivation_table(placement.derivation, words))
    for segment in segments.segments if segments is not None else ():
        if segment.derivation:
            title = f"predicted {segment.role.value}"
            yield from section("DERIVATION", title, derivation_table(segment.derivation, words))


def _count(report: Report) -> str:
    """Return ``2 errors, 1 note; smecheck explain RULE tells more``."""
    number = findings_count(report.findings)
    return f"{number} (smecheck explain {report.findings[0].rule} tells more)"


def _ruler_line(line: str) -> Text:
    name = next((name for name in _RULER_STYLES if line.startswith(f"{name} ")), None)
    return Text(line, _RULER_STYLES.get(name or "", ""))
