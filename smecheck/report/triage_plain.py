"""A triage as lines of ``key: value``, for pipes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from smecheck.report.safe_text import plain_text
from smecheck.report.triage_words import asked_text, budget_text

if TYPE_CHECKING:
    from smecheck.report.options import RenderOptions
    from smecheck.support_case.triage_report import TriageReport


def render_triage_plain(triage: TriageReport, options: RenderOptions) -> str:
    """Return the answer as ``key: value`` lines; verdict and class come first."""
    text = plain_text(_lines(triage, options))
    if options.explain and triage.report is not None:
        from smecheck.report.plain_report import render_plain

        text += render_plain(triage.report, options)
    return text


def _lines(triage: TriageReport, options: RenderOptions) -> Iterator[str]:
    diagnosis = triage.diagnosis
    yield f"triage: {triage.verdict.value}"
    yield f"class: {diagnosis.failure.value if diagnosis.failure is not None else '-'}"
    yield f"exit-code: {options.exit_code}"
    yield f"summary: {diagnosis.summary}"
    yield f"headline: {triage.headline}"
    yield f"asked: {asked_text(triage)}"
    yield from (f"source: {source}" for source in triage.sources)
    yield from (f"why: {text}" for text in diagnosis.evidence)
    yield from (f"do-now: {text}" for text in diagnosis.do_now)
    if diagnosis.experiment:
        yield f"try-next: {diagnosis.experiment}"
    if triage.budget is not None:
        yield f"memory: {budget_text(triage.budget)}"
    for one in triage.contradictions:
        said = "; ".join(f"{fact.value} ({fact.place})" for fact in one.facts)
        yield f"contradiction: {one.name}: {said}; {one.used}"
    yield from (f"fact: {one.name.value} {one.value} ({one.place})" for one in triage.facts)
    yield from (f"missing: {one.what}; {one.why}; {one.command}" for one in triage.missing)
    yield from (f"excluded: {one.failure.value}: {one.why}" for one in diagnosis.excluded)
    yield from (f"look-next: {text}" for text in diagnosis.suspects)
    for alike in diagnosis.lookalikes:
        yield f"looks-the-same: {alike.name}; {alike.kernels}; {alike.why}"
    yield from (f"caution: {text}" for text in diagnosis.cautions)
    yield from (f"remark: {text}" for text in triage.remarks)
