"""The verdict: what the findings, the proof and the gaps in the evidence amount to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smecheck.answer import Basis, Verdict
from smecheck.boot.boot import SME_IS_ON, SmeState
from smecheck.checks.decisive_fact import missing, missing_around, not_placed
from smecheck.checks.finding import Bearing, Effect, Finding
from smecheck.checks.judgement import IF_IT_STILL_DIES, Judged, Judgement
from smecheck.evidence import Known, Unknown
from smecheck.load.segments import Placing
from smecheck.quantity import count_text, size_text
from smecheck.record import replace
from smecheck.workarea.placement import Owner
from smecheck.workarea.proven import Way

if TYPE_CHECKING:
    from smecheck.boot.kaslr.slots import Collisions

_SETTLED_BY = {
    "cpus": "--cpus",
    "initrd": "--initrd",
    "kernel_release": "--running-kernel",
    "kexec_tools": "--kexec-tools",
    "loader": "--loader",
}
"""Options that say a fact; the other ones are said by a description of the host."""

SAFE = (Verdict.CLEAR, Verdict.NOT_APPLICABLE)
"""What no error may stand beside."""

_WAYS = {
    Way.KEXEC: "kexec",
    Way.BOOT_LOADER: "other boot loaders",
    Way.KASLR: "KASLR",
    Way.EFI_STUB: "the EFI stub",
    Way.ELF: "kexec of the vmlinux",
}

_WITHOUT_KASLR = "boot it with mem_encrypt=off, or with nokaslr where that is clear"


def judge(judged: Judged) -> Judgement:
    """Decide: the one place where a verdict is made.

    What is lost without SME comes first. Inputs that contradict each other decide nothing, but for
    a kernel whose own files agree that it has no SME code. Then comes a kernel that does not turn
    SME on; then the workarea.
    """
    return _consistent(
        judged,
        _lost(judged)
        or _perhaps_lost(judged)
        or _no_code(judged)
        or _contradiction(judged)
        or _inactive(judged)
        or _of_workarea(judged),
    )


def is_open_wherever_moved(unmoved: Judged) -> bool:
    """Return whether the verdict is undecided, whatever there is at the places of KASLR.

    So it is by :func:`_by_kaslr` where the kernel is hit if it stays, unless an error that does not
    depend on the place decides otherwise.

    Args:
        unmoved: a kernel that KASLR may move or leave where it is, its places not asked.
    """
    colliding = unmoved.with_effect(Effect.COLLISION)
    if not colliding or any(finding.span is None for finding in colliding):
        return False
    return judge(unmoved).verdict is Verdict.UNDECIDED


def _of_workarea(judged: Judged) -> Judgement:
    """Judge a workarea that is used, or is taken to be."""
    judgement = (
        _collision(judged)
        or _refuted(judged)
        or _proven(judged)
        or _by_kaslr(judged)
        or _by_machine(judged)
    )
    if judged.boot.sme is not SmeState.UNKNOWN or judgement.verdict is Verdict.CLEAR:
        # Where SME is off the workarea is not used: what is clear is clear all the same.
        return _doubted(judged, judgement)
    settle, presumed_off = judged.boot.sme_answer.settled_by, judged.boot.sme_answer.presumed_off
    if presumed_off is not None:
        return Judgement(
            Verdict.UNDECIDED,
            Basis.PARTIAL,
            f"SME is assumed off, so no workarea is used ({presumed_off}); if it is on, "
            f"{judgement.headline}",
            f"to find out whether SME is on, {settle}",
        )
    if not any(finding.needs_sme for finding in judged.with_effect(Effect.COLLISION)):
        return judgement
    if judgement.verdict is Verdict.COLLISION:
        return replace(
            judgement,
            headline=f"if SME is on, {judgement.headline}",
            next_step=f"{judgement.next_step}; is SME on? {settle}",
        )
    return replace(
        judgement,
        headline=f"{judgement.headline}; whether SME is on is not known either",
        next_step=f"{judgement.next_step}; is SME on? {settle}",
    )


def _doubted(judged: Judged, judgement: Judgement) -> Judgement:
    """Return what is left of it where the load that was predicted may be another.

    A "clear" that another value of something assumed would take back is undecided: that value is a
    fact that the verdict needs. A "collision" stays; so does a "clear" where the load would
    otherwise be refused, as no kernel would start.
    """
    against = [change for change in judged.changes if change.verdict not in (None, *SAFE)]
    if judgement.verdict is not Verdict.CLEAR or judgement.basis is Basis.PROOF or not against:
        return judgement
    facts = dict.fromkeys(change.fact for change in against)
    settle = [_SETTLED_BY.get(fact, f"{fact} of the host (--host)") for fact in facts]
    first = against[0]
    return Judgement(
        Verdict.UNDECIDED,
        Basis.PARTIAL,
        f"the predicted load is clear only as assumed: {first.outcome} with {first.fact} "
        f"{first.value}",
        f"give {', '.join(settle)}, or the load itself (--segments)",
    )


def _consistent(judged: Judged, judgement: Judgement) -> Judgement:
    """Return a judgement that no finding contradicts: nothing is clear beside an error."""
    if judgement.verdict not in SAFE or not judged.errors:
        return judgement
    error = judged.errors[0]
    if judgement.verdict is Verdict.NOT_APPLICABLE:
        headline = f"{judgement.headline}; but {error.message}"
        return replace(judgement, headline=headline, next_step=error.remedy)
    return Judgement(
        Verdict.UNDECIDED,
        Basis.PARTIAL,
        f"{error.message}; apart from that: {judgement.headline}",
        error.remedy,
    )


def _no_code(judged: Judged) -> Judgement | None:
    sme_code = judged.facts.sme_code
    if isinstance(sme_code, Unknown) or sme_code.value:
        return None
    if any(one.bearing is Bearing.BUILD for one in judged.with_effect(Effect.CONTRADICTION)):
        return None  # what shows that there is none may be of the other build
    if judged.boot.sme is SmeState.UNKNOWN:
        why, settle = judged.boot.sme_evidence[0], judged.boot.sme_answer.settled_by
        return Judgement(Verdict.UNDECIDED, Basis.PARTIAL, why, settle)
    return Judgement(
        Verdict.NOT_APPLICABLE,
        Basis.PROOF,
        f"the kernel has no SME code ({sme_code.origin}): it uses no workarea",
        "nothing to do; if this kernel dies, look for another cause",
    )


def _inactive(judged: Judged) -> Judgement | None:
    if judged.boot.sme is not SmeState.INACTIVE:
        return None
    return Judgement(
        Verdict.NOT_APPLICABLE,
        Basis.PARTIAL,
        f"SME is off in the kernel being booted ({judged.boot.sme_evidence[0]}): no workarea "
        "is used",
        "nothing to do as long as SME stays off in that kernel",
    )


def _perhaps_lost(judged: Judged) -> Judgement | None:
    """Judge a load that may be lost so, and of which nothing shows where it is."""
    if judged.placing is not Placing.UNALIGNED or judged.with_effect(Effect.CONTRADICTION):
        return None
    return Judgement(Verdict.UNDECIDED, Basis.PARTIAL, *not_placed(judged))


def _lost(judged: Judged) -> Judgement | None:
    """Judge by what is lost before SME and KASLR are looked for, if the inputs agree."""
    lost = judged.with_effect(Effect.LOSS)
    if not lost or judged.with_effect(Effect.CONTRADICTION):
        return None
    names = list(dict.fromkeys(finding.other.name for finding in lost if finding.other))
    certain = any(finding.condition is None for finding in lost)
    lies, is_lost = ("lies", "it is") if len(names) == 1 else ("lie", "they are")
    perhaps = "" if certain else "perhaps "
    return Judgement(
        Verdict.COLLISION,
        Basis.MACHINE,
        f"{', '.join(names)} {perhaps}{lies} where the kernel is unpacked: {is_lost} lost before "
        "KASLR chooses, with SME or without",
        lost[0].remedy,
    )


def _contradiction(judged: Judged) -> Judgement | None:
    contradicting = judged.with_effect(Effect.CONTRADICTION)
    if not contradicting:
        return None
    return Judgement(
        Verdict.UNDECIDED,
        Basis.PARTIAL,
        f"the inputs contradict each other: {contradicting[0].message}",
        contradicting[0].remedy,
    )


def _collision(judged: Judged) -> Judgement | None:
    colliding = judged.with_effect(Effect.COLLISION)
    located = judged.boot.base_is_certain and judged.scheme is not None and judged.extents
    relevant = colliding if located else [f for f in colliding if f.span is None]
    if not relevant:
        return None
    return Judgement(
        Verdict.COLLISION,
        Basis.MACHINE if located else Basis.PROOF,
        "the workarea " + " and ".join(_phrases(relevant)),
        relevant[0].remedy,
    )


def _phrases(colliding: list[Finding]) -> list[str]:
    """Say what the findings say of the workarea, each thing once.

    That SME is on is said of all of them at once, by whoever asks.
    """
    met = [finding for finding in colliding if not finding.phrase and finding.other]
    names = list(dict.fromkeys(finding.other.name for finding in met if finding.other))
    phrases = []
    if names:
        certain = any(_is_certain(finding) for finding in met)
        verb = "collides" if certain else "may collide"
        phrases.append(f"{verb} with {', '.join(names)}")
    certain_ones = {finding.phrase for finding in colliding if _is_certain(finding)}
    said = dict.fromkeys(finding.phrase for finding in colliding if finding.phrase)
    return phrases + [p if p in certain_ones else f"perhaps {p}" for p in said]


def _is_certain(finding: Finding) -> bool:
    """Return whether it depends on nothing but SME."""
    return finding.condition in (None, SME_IS_ON)


def _refuted(judged: Judged) -> Judgement | None:
    """Judge a kernel whose own code was seen to do something else than all arithmetic here."""
    found = [finding for finding in judged.findings if finding.bearing is Bearing.PREDICTION]
    if not found:
        return None
    return Judgement(
        Verdict.UNDECIDED,
        Basis.PARTIAL,
        f"the prediction for this kernel does not hold ({found[0].message})",
        found[0].remedy,
    )


def _proven(judged: Judged) -> Judgement | None:
    proof = judged.proof
    if proof is None or not proof.holds:
        return None
    if judged.placing is Placing.IN_OWN_AREAS:
        return None
    if judged.segments is not None and judged.placement.owner is Owner.NOBODY:
        # This very load did not keep what the header asks for; only the machine can show that then.
        return None
    taken = [path for path in proof.paths if path.taken]
    ways = _said(tuple(path.path for path in taken), everything=len(taken) == len(proof.paths))
    margin = size_text(min(path.margin for path in taken))
    at_least = "at least " if any(path.is_bound for path in taken) else ""
    return Judgement(
        Verdict.CLEAR,
        Basis.PROOF,
        f"{ways} the whole workarea for the kernel, with {at_least}{margin} to spare",
        IF_IT_STILL_DIES,
    )


def _said(ways: tuple[Way, ...], *, everything: bool) -> str:
    """Return who reserves memory for the kernel, with the verb."""
    *others, last = (_WAYS[way] for way in ways)
    if not others:
        return f"{last} reserves"
    if everything:
        return "every way of loading reserves"
    return f"{', '.join(others)} and {last} reserve"


def _by_kaslr(judged: Judged) -> Judgement | None:
    """Judge by all places that KASLR may choose; ``None`` where they are not all there is."""
    sweep = judged.kaslr
    if sweep is None or sweep.collisions is None or not sweep.slots.count:
        return None
    if judged.boot.base_is_certain and judged.boot.path.by_kexec:
        return None
    places = count_text(sweep.slots.count, "possible KASLR position")
    if sweep.collisions.count:
        met = " and ".join(_swept_phrases(sweep.collisions))
        if sweep.may_stay is not None:
            return Judgement(
                Verdict.UNDECIDED,
                Basis.PARTIAL,
                f"at {sweep.collisions.count} of {places} the workarea {met}; or KASLR may leave "
                f"the kernel where it is: {sweep.may_stay}",
                "give --cmdline or --kaslr, --boot-params of the running kernel, or --load-address "
                "if it is known where it ran",
            )
        hits = [finding for finding in judged.with_effect(Effect.COLLISION) if finding.span]
        return Judgement(
            Verdict.COLLISION,
            Basis.MACHINE,
            f"at {sweep.collisions.count} of {places} the workarea {met}",
            hits[0].remedy if hits else _WITHOUT_KASLR,
        )
    lack = missing_around(judged)
    if lack is not None:
        return Judgement(Verdict.UNDECIDED, Basis.PARTIAL, *lack)
    is_hit = bool(judged.with_effect(Effect.COLLISION))
    unmoved_is_clear = isinstance(judged.boot.kernel_base, Known) and not is_hit
    if sweep.may_stay is not None and not unmoved_is_clear:
        return None
    return Judgement(
        Verdict.CLEAR,
        Basis.MACHINE,
        _nowhere(sweep.slots.count),
        IF_IT_STILL_DIES,
    )


def _by_machine(judged: Judged) -> Judgement:
    lack = missing(judged)
    if lack is None:
        return Judgement(
            Verdict.CLEAR,
            Basis.MACHINE,
            f"on this machine no segment of {_load_name(judged)} overlaps {_used(judged)}",
            IF_IT_STILL_DIES,
        )
    why, settle = lack
    return Judgement(Verdict.UNDECIDED, Basis.PARTIAL, why, settle)


def _used(judged: Judged) -> str:
    """Return what nothing overlaps: segments may well lie where the workarea is mapped alone."""
    in_mapped_part = any(finding.bearing is Bearing.MAPPED_PART for finding in judged.findings)
    return "the written part of the workarea" if in_mapped_part else "the workarea"


def _load_name(judged: Judged) -> str:
    predicted = judged.segments is not None and judged.segments.predicted
    return "the predicted load" if predicted else "this load"


def _nowhere(count: int) -> str:
    if count == 1:
        return "the only possible KASLR position does not put the workarea over anything"
    return f"none of the {count} possible KASLR positions puts the workarea over anything"


def _swept_phrases(collisions: Collisions) -> list[str]:
    """Say what the slots collide with, each thing once."""
    names = dict.fromkeys(one.other for one in collisions.by_rule if not one.phrase)
    phrases = [f"collides with {', '.join(names)}"] if names else []
    said = (one.phrase for one in collisions.by_rule)
    return phrases + list(dict.fromkeys(phrase for phrase in said if phrase))
