"""The verdict where KASLR may put the kernel at any of many places."""

from __future__ import annotations

from smecheck.answer import Basis, Verdict
from smecheck.asked import Path
from smecheck.boot.kaslr.slots import Collisions
from smecheck.checks.finding import Effect
from smecheck.checks.judgement import IF_IT_STILL_DIES, Judged, Judgement
from smecheck.evidence import Known
from smecheck.quantity import count_text

_WITHOUT_KASLR = "boot it with mem_encrypt=off, or with nokaslr where that is clear"


def by_kaslr(judged: Judged, missing: tuple[str, str] | None) -> Judgement | None:
    """Judge by all places that KASLR may choose; ``None`` where they are not all there is.

    Args:
        judged: what there is to judge.
        missing: the first fact that is missing of what lies around the kernel, and how to get it.
    """
    sweep = judged.kaslr
    if sweep is None or sweep.collisions is None or not sweep.slots.count:
        return None
    if judged.boot.base_is_certain and judged.boot.path is not Path.FIRST_BOOT:
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
    if missing is not None:
        return Judgement(Verdict.UNDECIDED, Basis.PARTIAL, *missing)
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
