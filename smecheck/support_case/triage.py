"""From evidence to an answer: what is asked, the placement of it, the stage that failed."""

from __future__ import annotations

from collections.abc import Callable

from smecheck.analysis import analyze
from smecheck.answer import Report
from smecheck.case import Case
from smecheck.kernel.image import KernelImage
from smecheck.record import replace
from smecheck.support_case.advice_now import cautions, do_now, suspects
from smecheck.support_case.contradictions import contradictions
from smecheck.support_case.exclusions import excluded, experiment
from smecheck.support_case.kernel_in_question import kernel_of
from smecheck.support_case.lookalikes import lookalikes
from smecheck.support_case.memory_budget import budget_of
from smecheck.support_case.missing import missing
from smecheck.support_case.question import with_evidence
from smecheck.support_case.situation import Situation
from smecheck.support_case.stages import failed_stage
from smecheck.support_case.stated_facts import with_stated_facts
from smecheck.support_case.triage_report import Diagnosis, Evidence, TriageReport

NO_KERNEL = "no kernel to analyze: neither an image nor its symbols are known"


def triage(
    evidence: Evidence,
    given: KernelImage | None,
    ask: Callable[[KernelImage], Case],
) -> TriageReport:
    """Answer.

    Args:
        evidence: what was read of the sources.
        given: the kernel that the user named, if one.
        ask: makes the question about a kernel that the user's options ask.
    """
    evidence = with_stated_facts(evidence)
    kernel = kernel_of(evidence, given)
    remarks = [*evidence.remarks, *kernel.remarks]
    report: Report | None = None
    if kernel.image is not None:
        asked = with_evidence(ask(kernel.image), evidence)
        remarks += asked.remarks
        report = analyze(asked.question)
        report = replace(report, assumptions=(*report.assumptions, *asked.remarks))
    return _answer(Situation(evidence, report), tuple(dict.fromkeys(remarks)))


def placement_question(
    evidence: Evidence, given: KernelImage, ask: Callable[[KernelImage], Case]
) -> Case:
    """Return the question about a kernel that evidence, with its stated facts, asks.

    For whoever wants the placement alone, of one kernel after the other; arguments as above.
    """
    image = kernel_of(evidence, given).image or given
    return with_evidence(ask(image), evidence).question


def _answer(situation: Situation, remarks: tuple[str, ...]) -> TriageReport:
    evidence, report = situation.evidence, situation.report
    stage = failed_stage(situation)
    failed = stage.failure
    budget = budget_of(situation)
    return TriageReport(
        sources=evidence.sources,
        verdict=situation.verdict,
        headline=NO_KERNEL if report is None else report.headline,
        report=report,
        diagnosis=Diagnosis(
            failure=failed,
            summary=stage.summary,
            evidence=stage.evidence,
            excluded=tuple(excluded(situation, failed)),
            do_now=tuple(do_now(situation, failed)),
            experiment=experiment(situation, failed),
            suspects=tuple(suspects(situation, failed, budget)),
            cautions=tuple(cautions(situation, failed)),
            lookalikes=tuple(lookalikes(situation, failed, budget)),
        ),
        facts=evidence.facts,
        contradictions=contradictions(evidence),
        missing=tuple(missing(situation, failed)),
        budget=budget,
        remarks=remarks,
    )
