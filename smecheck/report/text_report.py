"""The report for people at a terminal.

It is read at night, by someone who was called. The first screen answers: the verdict and why, what
was found and where, the memory around the workarea, and what to do now. ``--details`` adds all that
the answer rests on. Every number can be copied whole.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from rich.padding import Padding
from rich.text import Text

from smecheck.answer import Report, Verdict
from smecheck.report.cross_check_words import outcome_text
from smecheck.report.fact_lines import boot_facts, kaslr_facts, kernel_facts
from smecheck.report.lanes import condensed, scene_of
from smecheck.report.ruler import draw, draw_brief
from smecheck.report.text_findings import (
    brief_findings,
    common_condition,
    findings_table,
    of_first_screen,
)
from smecheck.report.text_page import INDENT, listed, page, section, titled
from smecheck.report.text_tables import (
    Words,
    checks_table,
    cross_check_table,
    derivation_table,
    facts_table,
    grid,
    placements_table,
    proof_table,
    segments_table,
)
from smecheck.report.verdict_words import (
    VERDICT_WORDS,
    brief_context_of,
    context_of,
    findings_count,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import RenderableType
    from rich.table import Table

    from smecheck.answer import Advice
    from smecheck.checks.finding import Finding
    from smecheck.report.options import RenderOptions
    from smecheck.workarea.proven import Proof

_VERDICT_STYLES = {
    Verdict.CLEAR: "bold green",
    Verdict.COLLISION: "bold red",
    Verdict.UNDECIDED: "bold yellow",
    Verdict.NOT_APPLICABLE: "bold cyan",
}
_PROVEN = "holds for this boot: every way of loading reserves the whole workarea for the kernel"
_NOT_PROVEN = "fails for this boot: not every way of loading reserves the whole workarea"
_MORE = "details: smecheck … --details"
_ADVICE_TITLE = "each change was tried; cheapest first"
_NARROW = 60
"""Columns below which the verdict has a line of its own."""
_RULER_STYLES = {"workarea": "bold yellow", "hit": "bold red"}


def render_text(report: Report, options: RenderOptions) -> str:
    """Return the report as text of ``options.width`` columns; the verdict is in its first line.

    On a terminal it is in the last line as well, and what is a little longer than that is set
    closer.
    """
    text = page(partial(_parts, report, options), options)
    if options.rows is not None and text.count("\n") >= options.rows and not _is_full(options):
        return "".join(line for line in text.splitlines(keepends=True) if line != "\n")
    return text


def _is_full(options: RenderOptions) -> bool:
    return options.details or options.explain


def _parts(
    report: Report, options: RenderOptions, words: Words, width: int
) -> Iterator[RenderableType]:
    full = _is_full(options)
    yield from _verdict(report, options, words, width)
    if report.findings:
        table = (
            findings_table(report.findings, words)
            if full
            else brief_findings(report, words, width - INDENT)
        )
        found = report.findings if full else of_first_screen(report.findings)
        yield from section("FINDINGS", _count(found), table)
    scene = scene_of(report)
    if scene is not None:
        lines = (
            draw(scene, width - INDENT, unicode=options.unicode)
            if full
            else draw_brief(condensed(scene), width - INDENT, unicode=options.unicode)
        )
        yield from section("MEMORY", lines[0], *map(_ruler_line, lines[1:]))
    yield from _asked_for(report, words)
    yield Text()
    yield titled(Text("DO NOW", "bold"), Text("\n".join(_steps(report, words)), "bold"))
    if full:
        yield from _details(report, options, words, drawn=scene is not None and scene.physical)
        yield Text()
    else:
        yield Text(words(_more(report)), "dim")
    if full or options.rows is not None:
        yield _last_line(report, words)


def _verdict(
    report: Report, options: RenderOptions, words: Words, width: int
) -> Iterator[RenderableType]:
    word, headline = _verdict_words(report, words)
    if width < _NARROW:
        yield from (word, Padding(headline, (0, 0, 0, INDENT)))
    else:
        yield titled(word, headline)
    context = context_of(report) if _is_full(options) else brief_context_of(report)
    text = Text(words(f"{context}; exit {options.exit_code}"), "dim")
    yield Padding(text, (0, 0, 0, INDENT))


def _last_line(report: Report, words: Words) -> Padding:
    """Say the verdict again, where the eye is when all is printed; in one line."""
    line = Text("  ").join(_verdict_words(report, words))
    line.no_wrap, line.overflow = True, "ellipsis" if words("…") == "…" else "crop"
    return Padding(line, 0)


def _verdict_words(report: Report, words: Words) -> tuple[Text, Text]:
    verdict = Text(VERDICT_WORDS[report.verdict], _VERDICT_STYLES[report.verdict])
    return verdict, Text(words(report.headline), "bold")


def _steps(report: Report, words: Words) -> list[str]:
    """Return what to do now, a step a line."""
    return words(report.next_step).split("; ")


def _asked_for(report: Report, words: Words) -> Iterator[RenderableType]:
    """Yield what only an option of its own asks for: it was asked for, so it is shown."""
    if report.cross_check is not None:
        check = report.cross_check
        yield from section(
            "CROSS-CHECK", words(outcome_text(check)), cross_check_table(check, words)
        )
        if not check.agrees:
            yield from listed("THE PREDICTION ASSUMES", check.assumptions, words)
    if report.advice is not None:
        yield from section("ADVICE", _ADVICE_TITLE, _advice_table(report.advice, words))


def _details(
    report: Report, options: RenderOptions, words: Words, *, drawn: bool
) -> Iterator[RenderableType]:
    yield from section("PLACEMENT", "spans are [start, end)", placements_table(report, words))
    if report.proof is not None:
        title = _proof_title(report.proof, words)
        examples = report.segments is None or options.explain
        table = proof_table(report.proof, words, with_examples=examples)
        yield from section("PROOF", title, table)
    if report.kaslr is not None:
        table = facts_table(list(kaslr_facts(report.kaslr)), words)
        yield from section("KASLR", "the possible positions of the kernel", table)
    source = f"{report.image.source} ({report.image.kind.value})"
    yield from section("KERNEL", words(source), facts_table(kernel_facts(report), words))
    yield from section("BOOT", report.boot.path.value, facts_table(boot_facts(report.boot), words))
    segments = report.segments
    if segments is not None and (options.explain or not drawn):
        yield from section("SEGMENTS", words(segments.source), segments_table(segments, words))
    yield from listed("PREMISES", report.assumptions, words)
    yield from listed("NOT CHECKED", report.not_checked, words)
    if report.checks:
        yield from section("RULES", "result of each", checks_table(report.checks, words))
    if options.explain:
        yield from _derivations(report, words)
    inputs = [i for i in report.inputs if options.explain or not i.used]
    used = [f"{i.path} ({i.kind}): {', '.join(i.used) or 'nothing used'}" for i in inputs]
    yield from listed("INPUTS", used, words)


def _proof_title(proof: Proof, words: Words) -> str:
    if proof.void is not None:
        return f"does not apply here: {words(proof.void)}"
    return _PROVEN if proof.holds else _NOT_PROVEN


def _derivations(report: Report, words: Words) -> Iterator[RenderableType]:
    for placement in report.placements:
        if placement.derivation:
            which = "this kernel" if placement.actual else "hypothetical"
            title = f"{placement.scheme.value} ({which})"
            yield from section("DERIVATION", title, derivation_table(placement.derivation, words))
    for segment in report.segments.segments if report.segments is not None else ():
        if segment.derivation:
            title = f"predicted {segment.role.value}"
            yield from section("DERIVATION", title, derivation_table(segment.derivation, words))


def _count(found: Sequence[Finding]) -> str:
    """Return ``2 errors, 1 note, only if SME is on``."""
    number = findings_count(found)
    common = common_condition(found)
    whose = "" if all(finding.needs_sme for finding in found) else "the workarea's "
    condition = f", {whose}only if {common}" if common is not None else ""
    return f"{number}{condition}"


def _more(report: Report) -> str:
    """Say where the rest is, which findings are there only, and what a finding means."""
    left = report.findings[len(of_first_screen(report.findings)) :]
    and_more = f" ({findings_count(left)} more)" if left else ""
    explained = f"; smecheck explain {report.findings[0].rule}" if report.findings else ""
    return f"{_MORE}{and_more}{explained}"


def _ruler_line(line: str) -> Text:
    name = next((name for name in _RULER_STYLES if line.startswith(f"{name} ")), None)
    return Text(line, _RULER_STYLES.get(name or "", ""))


def _advice_table(advice: Sequence[Advice], words: Words) -> Table:
    """Return the changes that were tried: what comes of each, and what that rests on."""
    table = grid(3, gap=2)
    if not advice:
        table.add_row("nothing needs to be changed")
    for one in advice:
        table.add_row(
            Text("HELPS", "bold green") if one.helps else Text("no", "dim"),
            one.cost.value,
            Text("\n").join(
                (
                    Text(words(one.change), "bold"),
                    Text(f"{VERDICT_WORDS[one.verdict]}: ").append(words(one.note)),
                )
            ),
        )
    return table
