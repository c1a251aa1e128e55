"""The whole of smecheck in one place: from what was read to what is reported.

A kernel image is identified (where it begins and ends, which scheme it follows, whether it has SME
code). The boot that is asked about is worked out from the user's words, the segments of the load
and the machine. The workarea is placed under both schemes. What every loader must reserve for the
kernel is held against it: that is the proof. The rules look at the case, and the verdict sums them
up.

Nothing here reads a file or prints.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from smecheck.answer import Basis, Report, Verdict
from smecheck.boot.case_as_asked import as_asked
from smecheck.boot.decompressor import unpack_rules
from smecheck.boot.resolve import resolve_boot
from smecheck.case import Case, Identified, Located, Resolved
from smecheck.checks.apply import (
    contradicting,
    deciding_findings,
    errors_of,
    findings_of,
    findings_up_to_a_hit,
    rule_results,
)
from smecheck.checks.judgement import Judged, Judgement
from smecheck.checks.kaslr_question import bases_of_kaslr, may_stay, places_of_kaslr
from smecheck.checks.not_checked import not_checked
from smecheck.checks.verdict import is_open_wherever_moved, judge
from smecheck.evidence import Known, Unknown
from smecheck.inputs_used import inputs_used
from smecheck.kernel.facts import code_premise
from smecheck.kernel.identity import identify
from smecheck.load.load_of_case import (
    asks_for_load,
    cross_checked,
    host_of,
    memory_premises,
    named,
    obstacle_in_log,
    predicted_load,
)
from smecheck.record import extended, replace
from smecheck.when_asked import WhenAsked
from smecheck.workarea.ownership import moved_by_kaslr
from smecheck.workarea.place import place, place_both
from smecheck.workarea.proof import proof_of, reservations, voided

if TYPE_CHECKING:
    from collections.abc import Iterator

    from smecheck.boot.boot import Boot
    from smecheck.boot.kaslr.slots import KaslrSweep
    from smecheck.checks.finding import Finding, RuleResult
    from smecheck.evidence import Fact
    from smecheck.kernel.decompressor_sizes import DecompressorView
    from smecheck.load.request import PredictedLoad
    from smecheck.load.segments import SegmentList
    from smecheck.span import SpanSet
    from smecheck.workarea.proven import Proof


def analyze(case: Case) -> Report:
    """Answer the question; where no load was recorded and one is asked about, predict it."""
    case = as_asked(case)
    predicted = predicted_load(case)
    judged, checks = _judged(_resolved(case, predicted))
    report = _report(judged, checks)
    if case.cross_check and report.segments is not None and predicted is None:
        report = replace(report, cross_check=cross_checked(case, report.segments))
    if predicted is None or report.basis is Basis.PROOF:
        return report
    from smecheck.checks.what_if import changes, dependences

    found = changes(predicted, report.verdict, lambda other: verdict_on(case, other))
    report = replace(report, assumptions=(*report.assumptions, *dependences(found, report.verdict)))
    return _worded(report, judge(replace(judged, changes=found)))


def answer(case: Case, *, first_only: bool = False) -> Report:
    """Answer the question, without trying whether what was assumed of a load matters.

    For whoever asks many questions that differ a little.

    Args:
        case: what is asked.
        first_only: whether it is enough to know if there is a place of KASLR at which something is
            hit; the places are not counted then.
    """
    case = as_asked(case)
    resolved = _resolved(case, predicted_load(case), first_only=first_only)
    return _report(*_judged(resolved))


def verdict_on(case: Case, predicted: PredictedLoad) -> Verdict:
    """Return the verdict on a predicted load, and nothing else.

    It is that of :func:`report_on`, without what only a reader of a report needs.

    Args:
        case: as :func:`~smecheck.boot.case_as_asked.as_asked` returns it.
        predicted: for that case, or one that differs in what was assumed.
    """
    located = _located(case, predicted)
    if may_stay(located) and _is_hit_unmoved(located):
        return Verdict.UNDECIDED
    resolved = _settled(located, places_of_kaslr(located, first_only=True), derives=False)
    findings, errors = deciding_findings(resolved)
    return judge(_to_judge(resolved, findings, errors, with_examples=False)).verdict


def _is_hit_unmoved(located: Located) -> bool:
    """Return whether the kernel is hit where it may stay, and that decides."""
    nowhere = Unknown("where KASLR may put the kernel was not asked")
    unmoved = _settled(located, nowhere, derives=False)
    findings = findings_up_to_a_hit(unmoved)
    errors = WhenAsked(lambda: errors_of(findings))
    return is_open_wherever_moved(_to_judge(unmoved, findings, errors, with_examples=False))


def report_on(case: Case, predicted: PredictedLoad | None) -> Report:
    """Answer the question for one load, without trying others.

    Args:
        case: as :func:`~smecheck.boot.case_as_asked.as_asked` returns it.
        predicted: the load, where none was recorded and it can be predicted.
    """
    return _report(*_judged(_resolved(case, predicted)))


def _identified(case: Case, predicted: PredictedLoad | None) -> Identified:
    """Identify the kernel, and name the load: that of the case, or one that was predicted."""
    image, asked = case.image, case.asked
    load = named(case.segments, image)
    if load is not None and not all(segment.size_is_known for segment in load.segments):
        from smecheck.load.unsized import with_initrd_of

        if asked.initrd is not None:
            load = with_initrd_of(load, asked.initrd.value.size)
    if predicted is not None and predicted.segments is not None:
        load = predicted.segments
        asked = replace(asked, cmdline=None)  # what kexec passes on may differ
    segments = load
    if load is None or asked.is_first_boot:
        segments = _around_first_boot(case, load)
    facts = identify(image)
    return Identified(
        case=case,
        asked=asked,
        facts=facts,
        rules=unpack_rules(image, facts),
        reserved=reservations(image, facts),
        host=host_of(case),
        load=load,
        segments=segments,
        predicted=predicted,
        obstacle=obstacle_in_log(case) if asks_for_load(case) else None,
    )


def _resolved(case: Case, predicted: PredictedLoad | None, *, first_only: bool = False) -> Resolved:
    """Find out which boot it is and where its kernel runs, and place its workarea."""
    located = _located(case, predicted)
    return _settled(located, places_of_kaslr(located, first_only=first_only))


def _located(case: Case, predicted: PredictedLoad | None) -> Located:
    """Find out which boot it is, and where its kernel runs if KASLR does not move it."""
    identified = _identified(case, predicted)
    boot = resolve_boot(identified)
    return extended(Located, identified, boot=boot, crash_memory=_crash_memory(identified, boot))


def _settled(located: Located, places: Fact[KaslrSweep], *, derives: bool = True) -> Resolved:
    """Choose a place of KASLR, where it surely moves the kernel, and place the workarea."""
    bases = bases_of_kaslr(located)
    if isinstance(places, Known):
        from smecheck.boot.kaslr.places import at_a_slot

        located = replace(located, boot=at_a_slot(located.boot, places.value))
    return extended(
        Resolved,
        located,
        placed=WhenAsked(lambda: place(located, derives=derives)),
        kernel_moved=moved_by_kaslr(located.boot, located.rules),
        places=places,
        bases=bases,
    )


def _judged(resolved: Resolved) -> tuple[Judged, tuple[RuleResult, ...]]:
    """Hold the rules against the case, and work the proof out."""
    checks = rule_results(resolved)
    findings = findings_of(checks)
    errors = WhenAsked(lambda: errors_of(findings))
    return _to_judge(resolved, findings, errors, with_examples=True), checks


def _to_judge(
    resolved: Resolved,
    findings: tuple[Finding, ...],
    errors: WhenAsked[tuple[Finding, ...]],
    *,
    with_examples: bool,
) -> Judged:
    # What voids a proof can make a verdict, so it is among any findings.
    proven = WhenAsked(lambda: _proof(resolved, findings, with_examples=with_examples))
    return extended(Judged, resolved, proven=proven, findings=findings, erring=errors, changes=())


def _proof(
    resolved: Resolved, findings: tuple[Finding, ...], *, with_examples: bool
) -> Proof | None:
    """Work the proof out; it counts for nothing where what it rests on is not as it is said."""
    proof = proof_of(resolved, with_examples=with_examples)
    contradiction, verification = contradicting(findings), resolved.verification
    if contradiction is not None:
        return voided(proof, contradiction.message)
    if verification is not None and verification.is_refuted:
        return voided(proof, verification.premise)
    if resolved.host is not None and resolved.host.kexec_options and _is_not_recorded(resolved):
        from smecheck.workarea.load_addresses import short_of_init_size

        short = short_of_init_size(resolved.boot, resolved.host)
        return proof if short is None else voided(proof, short)
    return proof


def _is_not_recorded(resolved: Resolved) -> bool:
    return resolved.segments is None or resolved.segments.predicted


def _report(judged: Judged, checks: tuple[RuleResult, ...]) -> Report:
    """Put everything together that a reader of the answer is to see."""
    judgement = judge(judged)
    return Report(
        verdict=judgement.verdict,
        basis=judgement.basis,
        headline=judgement.headline,
        next_step=judgement.next_step,
        image=judged.image,
        facts=judged.facts,
        boot=judged.boot,
        placements=place_both(judged, judged.placement),
        segments=judged.segments,
        memory=judged.memory,
        proof=judged.proof,
        decompressor=_decompressor(judged),
        findings=judged.findings,
        assumptions=tuple(_assumptions(judged, judgement)),
        not_checked=not_checked(judged),
        kaslr=judged.kaslr,
        inputs=inputs_used(judged.case, judged.segments),
        checks=checks,
        verification=judged.verification,
    )


def _assumptions(judged: Judged, judgement: Judgement) -> Iterator[str]:
    """Yield what the answer takes for granted."""
    yield from judged.facts.assumptions
    yield from judged.rules.assumptions
    yield from judged.reserved.assumptions
    verification = judged.verification
    yield from code_premise(judged.facts, verification.premise if verification else None)
    yield from judged.boot.assumptions
    yield from judged.segments.remarks if judged.segments else ()
    yield from memory_premises(judged.case)
    yield from _irrelevant(judged)
    yield from _of_proof(judged, judgement)
    yield from judged.kaslr.premises if judged.kaslr is not None else ()


def _of_proof(judged: Judged, judgement: Judgement) -> tuple[str, ...]:
    """Return what a proof takes for granted of a load that is not known."""
    is_proven = judgement.verdict is Verdict.CLEAR and judgement.basis is Basis.PROOF
    if not is_proven or judged.segments is not None:
        return ()
    from smecheck.workarea.load_addresses import premise_of_the_proof

    premise = premise_of_the_proof(judged.boot, judged.host)
    return () if premise is None else (premise,)


def _irrelevant(judged: Judged) -> tuple[str, ...]:
    """Return what was said of the machine that loads, and does not count."""
    if judged.case.machine is None and judged.case.asked.loader is None:
        return ()
    from smecheck.boot.not_counted import irrelevant, irrelevant_to_load

    if judged.predicted is not None:
        return irrelevant_to_load(judged.case, judged.predicted.asked)
    return irrelevant(judged.case, judged.boot)


def _worded(report: Report, judgement: Judgement) -> Report:
    return replace(
        report,
        verdict=judgement.verdict,
        basis=judgement.basis,
        headline=judgement.headline,
        next_step=judgement.next_step,
    )


def _around_first_boot(case: Case, listed: SegmentList | None) -> SegmentList | None:
    """Return what lies around a kernel that a boot loader starts, by a list or boot_params."""
    if listed is None and case.early is None:
        return None
    from smecheck.boot.kaslr.around_first_boot import around_first_boot, of_first_boot

    if listed is not None:
        return of_first_boot(listed)
    return None if case.early is None else around_first_boot(case.early)


def _crash_memory(identified: Identified, boot: Boot) -> SpanSet | None:
    """Return what the crash kernel may write to; ``None`` where it is none, or not known."""
    if not boot.path.is_crash or identified.memory is None:
        return None
    from smecheck.boot.crash_memory import crash_memory

    return crash_memory(identified, boot)


def _decompressor(judged: Judged) -> DecompressorView | None:
    """Return what a bzImage's decompressor counts with; nothing is known of it without a header."""
    header = judged.image.header
    if isinstance(header.init_size, Unknown) and isinstance(header.output_len, Unknown):
        return None
    from smecheck.workarea.decompressor_view import decompressor_view

    return decompressor_view(judged.image, judged.facts, judged.reserved)
