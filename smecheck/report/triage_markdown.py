"""A triage as Markdown, ready for a ticket."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from smecheck.report.markdown_text import code, words
from smecheck.report.triage_words import (
    asked_text,
    budget_text,
    class_text,
    fact_rows,
    verdict_text,
)

if TYPE_CHECKING:
    from smecheck.report.options import RenderOptions
    from smecheck.support_case.triage_report import TriageReport


def render_triage_markdown(triage: TriageReport, options: RenderOptions) -> str:
    """Return what the first screen says, then facts, what is missing, and the rest."""
    text = "".join(f"{line}\n" for line in _lines(triage, options))
    if options.explain and triage.report is not None:
        from smecheck.report.markdown_report import render_markdown

        text += f"\n{render_markdown(triage.report, options)}"
    return text


def _lines(triage: TriageReport, options: RenderOptions) -> Iterator[str]:
    diagnosis = triage.diagnosis
    yield f"### smecheck triage: class {words(class_text(triage))}, {verdict_text(triage)}"
    yield ""
    yield f"**{words(diagnosis.summary)}**"
    yield ""
    yield f"{words(triage.headline)}; {words(asked_text(triage))}; exit {options.exit_code}"
    yield from _list("Why", diagnosis.evidence)
    yield from _list("What to do now", diagnosis.do_now)
    if diagnosis.experiment:
        yield from ("", f"**Try next:** {words(diagnosis.experiment)}")
    if triage.budget is not None:
        yield from ("", f"**Memory:** {words(budget_text(triage.budget))}")
    yield from _list(
        "Sources that contradict each other",
        (
            f"{one.name}: "
            + "; ".join(f"{fact.value} ({fact.place})" for fact in one.facts)
            + f"; {one.used}"
            for one in triage.contradictions
        ),
    )
    yield from ("", "#### Facts", "", "| what | says | where |", "|---|---|---|")
    for row in fact_rows(triage):
        yield f"| {' | '.join(map(words, row))} |"
    if triage.missing:
        yield from ("", "#### Please send", "")
        for one in triage.missing:
            yield f"- **{words(one.what)}** ({words(one.why)}): {code(one.command)}"
    excluded = (f"{one.failure.value}: {one.why}" for one in diagnosis.excluded)
    yield from _list("Excluded", excluded)
    yield from _list("Where to look next", diagnosis.suspects)
    alike = (f"{one.name}; {one.kernels}; here: {one.why}" for one in diagnosis.lookalikes)
    yield from _list("Known failures that look the same (not certain)", alike)
    yield from _list("Caution", diagnosis.cautions)
    yield from _list("Not read, or left out", triage.remarks)
    yield from _list("Sources", triage.sources)


def _list(title: str, texts: Iterable[str]) -> Iterator[str]:
    items = [f"- {words(text)}" for text in texts]
    if items:
        yield from ("", f"#### {title}", "", *items)
