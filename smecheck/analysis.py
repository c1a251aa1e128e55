"""The whole of smecheck in one place: from what was read to what is reported.

A kernel image is identified (where it begins and ends, which scheme it follows, whether it has SME
code). The boot that is asked about is worked out from the user's words, the segments of the load
and the machine. The workarea is placed under both schemes. What every loader must keep to the
kernel is held against it: that is the proof. The rules look at the situation, and the verdict sums
them up.

Nothing here reads a file or prints.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from smecheck.answer import Basis, Report, Verdict
from smecheck.asked import Path
from smecheck.boot.decompressor import unpack_rules
from smecheck.boot.kaslr.question import KaslrQuestion
from smecheck.boot.path_asked_about import with_path
from smecheck.boot.resolve import BootEvidence, resolve_boot
from smecheck.case import Case
from smecheck.checks.apply import contradicting, findings_of, no_workarea, rule_results
from smecheck.checks.gaps import not_checked
from smecheck.checks.judgement import Judged, Judgement
from smecheck.checks.kaslr_places import bases_of_kaslr, places_of_kaslr
from smecheck.checks.situation import situation_of
from smecheck.checks.verdict import judge
from smecheck.evidence import Known, Unknown, value_of
from smecheck.inputs_used import inputs_used
from smecheck.kernel.identity import identify
from smecheck.load.memory_of_case import memory_premises, with_memory
from smecheck.load.of_case import (
    asks_for_load,
    cross_checked,
    host_of,
    named,
    obstacle_in_log,
    predicted_load,
    why_nothing_is_reserved,
    with_kexec_options,
)
from smecheck.record import replace
from smecheck.workarea.boot_proof import proof_of, voided
from smecheck.workarea.code_premise import code_premise
from smecheck.workarea.place import Setting, place_both
from smecheck.workarea.proof import Reservations, reservations

if TYPE_CHECKING:
    from smecheck.boot.boot import Boot
    from smecheck.kernel.decompressor_sizes import DecompressorView
    from smecheck.kernel.facts import KernelFacts
    from smecheck.kernel.image import KernelImage
    from smecheck.load.predicted_load import PredictedLoad
    from smecheck.load.segments import SegmentList


def analyze(question: Case) -> Report:
    """Answer the question; where no load was recorded and one is asked about, predict it."""
    question = _as_asked(question)
    predicted = predicted_load(question)
    case, report = _answer(question, predicted)
    if question.cross_check and report.segments is not None and predicted is None:
        report = replace(report, cross_check=cross_checked(question, report.segments))
    if predicted is None or report.basis is Basis.PROOF:
        return report
    from smecheck.checks.what_if import changes, told

    found = changes(predicted, report.verdict, lambda other: _answer(question, other)[1].verdict)
    report = replace(report, assumptions=(*report.assumptions, *told(found, report.verdict)))
    return _judged(report, judge(replace(case, changes=found)))


def answer(question: Case, *, first_only: bool = False) -> Report:
    """Answer the question, without trying whether what was assumed of a load matters.

    For whoever asks many questions that differ a little.

    Args:
        question: what is asked.
        first_only: whether it is enough to know if there is a place of KASLR at which something is
            hit; the places are not counted then.
    """
    question = _as_asked(question)
    return _answer(question, predicted_load(question), first_only=first_only)[1]


def _as_asked(question: Case) -> Case:
    """Return the question with all that follows from what was given."""
    return with_path(with_memory(with_kexec_options(question)))


def _answer(
    question: Case, predicted: PredictedLoad | None, *, first_only: bool = False
) -> tuple[Judged, Report]:
    """Answer the question for the load that it names, or for one that was predicted.

    Returns:
        What was judged, for whoever learns more and judges again, and the report.
    """
    image, memory = question.image, question.memory
    load = named(question.segments, image)
    about_load = asks_for_load(question)
    asked = question.boot
    if predicted is not None and predicted.segments is not None:
        load = predicted.segments
        asked = replace(asked, cmdline=None)  # what kexec passes on may differ
    segments = load
    if load is None or asked.path is Path.FIRST_BOOT:
        segments = _around_first_boot(question, load)
    not_predicted = predicted.prediction.unknown if predicted is not None else None
    placing = predicted.prediction.placing if predicted is not None else None
    obstacle = obstacle_in_log(question) if about_load else None
    if obstacle is not None:
        not_predicted = obstacle.reason
    facts = identify(image)
    rules = unpack_rules(image, facts)
    kept = reservations(image, facts)
    boot = resolve_boot(
        BootEvidence(asked, image, facts, rules, segments, memory, [], question.log)
    )
    host = host_of(question)
    setting = Setting(image, facts, rules, boot, kept, segments, memory, host)
    where = KaslrQuestion(
        setting, load, question.firmware, question.log, question.early, first_only
    )
    kaslr = places_of_kaslr(asked, where)
    if isinstance(kaslr, Known):
        from smecheck.boot.kaslr.example_slot import at_a_slot

        boot = at_a_slot(boot, kaslr.value)
    setting = replace(setting, boot=boot)
    placements = place_both(setting)
    actual = next((placement for placement in placements if placement.actual), None)
    situation = situation_of(setting, actual or placements[0], question.firmware, question.log)
    situation = replace(
        situation,
        is_unpredictable=not_predicted is not None,
        bases=bases_of_kaslr(question.boot, where),
        verification=question.verification,
    )
    checks = rule_results(situation, no_workarea=no_workarea(facts, boot, actual))
    findings = findings_of(checks)
    proof = proof_of(setting, question.boot, actual)
    contradiction = contradicting(findings)
    if contradiction is not None:
        proof = voided(proof, contradiction.message)
    elif question.verification is not None and question.verification.is_refuted:
        proof = voided(proof, question.verification.premise)
    case = Judged(
        facts,
        boot,
        actual,
        proof,
        findings,
        segments,
        memory,
        not_predicted,
        placing,
        value_of(kaslr),
        settled_by=obstacle.settle if obstacle is not None else None,
        nothing_reserved=why_nothing_is_reserved(question),
    )
    judgement = judge(case)
    return case, Report(
        verdict=judgement.verdict,
        basis=judgement.basis,
        headline=judgement.headline,
        next_step=judgement.next_step,
        image=image,
        facts=facts,
        boot=boot,
        placements=placements,
        segments=segments,
        memory=memory,
        proof=proof,
        decompressor=_decompressor(image, facts, kept),
        findings=findings,
        assumptions=(
            *facts.assumptions,
            *rules.assumptions,
            *kept.assumptions,
            *code_premise(facts, question.verification),
            *boot.assumptions,
            *(segments.remarks if segments else ()),
            *memory_premises(question),
            *_irrelevant(question, boot, predicted),
            *_of_proof(setting, judgement),
            *(kaslr.value.premises if isinstance(kaslr, Known) else ()),
        ),
        not_checked=not_checked(
            boot, actual, segments, memory, question.log, not_predicted, kaslr=kaslr
        ),
        kaslr=value_of(kaslr),
        inputs=inputs_used(question, segments),
        checks=checks,
        verification=question.verification,
    )


def _of_proof(setting: Setting, judgement: Judgement) -> tuple[str, ...]:
    """Return what a proof takes for granted of a load that is not known."""
    is_proven = judgement.verdict is Verdict.CLEAR and judgement.basis is Basis.PROOF
    if not is_proven or setting.segments is not None:
        return ()
    from smecheck.workarea.load_addresses import premise_of_the_proof

    premise = premise_of_the_proof(setting.boot, setting.host)
    return () if premise is None else (premise,)


def _irrelevant(question: Case, boot: Boot, predicted: PredictedLoad | None) -> tuple[str, ...]:
    """Return what was said of the machine that loads, and does not count."""
    if question.machine is None:
        return ()
    from smecheck.boot.irrelevant import irrelevant, irrelevant_to_load

    if predicted is not None:
        return irrelevant_to_load(question, predicted.asked)
    return irrelevant(question, boot)


def _judged(report: Report, judgement: Judgement) -> Report:
    return replace(
        report,
        verdict=judgement.verdict,
        basis=judgement.basis,
        headline=judgement.headline,
        next_step=judgement.next_step,
    )


def _around_first_boot(question: Case, listed: SegmentList | None) -> SegmentList | None:
    """Return what lies around a kernel that a boot loader starts, as a list or boot_params tell."""
    if listed is None and question.early is None:
        return None
    from smecheck.boot.kaslr.around_first_boot import around_first_boot, of_first_boot

    if listed is not None:
        return of_first_boot(listed)
    return None if question.early is None else around_first_boot(question.early)


def _decompressor(
    image: KernelImage, facts: KernelFacts, kept: Reservations
) -> DecompressorView | None:
    """Return what a bzImage's decompressor counts with; nothing is known of it without a header."""
    if isinstance(image.header.init_size, Unknown) and isinstance(image.header.output_len, Unknown):
        return None
    from smecheck.workarea.decompressor_view import decompressor_view

    return decompressor_view(image, facts, kept)
