"""The slots of every variant that a kernel's KASLR may be of, each held against the rules."""

from __future__ import annotations

from smecheck.boot.kaslr.ask import KaslrAnswer, ask
from smecheck.boot.kaslr.question import KaslrQuestion
from smecheck.boot.kaslr.search import SlotSearch
from smecheck.boot.kaslr.slots import Collisions, KaslrSweep
from smecheck.checks.kaslr_sweep import sweep
from smecheck.checks.situation import situation_of
from smecheck.evidence import Fact, Known, Unknown
from smecheck.quantity import count_text
from smecheck.workarea.place import place_both


def swept(question: KaslrQuestion) -> Fact[KaslrSweep]:
    """Find all places that KASLR may choose, and hold them against the rules."""
    answer = ask(question)
    if isinstance(answer, Unknown):
        return answer
    return Known(_sweep_places(answer.value, question), answer.origin)


def _sweep_places(answer: KaslrAnswer, question: KaslrQuestion) -> KaslrSweep:
    """Hold every variant's slots against the rules; the one with the most collisions counts."""
    setting = question.setting
    placement = next((placement for placement in place_both(setting) if placement.actual), None)
    situation = (
        None
        if placement is None
        else situation_of(setting, placement, question.firmware, question.log)
    )
    places = answer.places
    searches = [("", places.search), *places.alternatives]
    found_by = [
        (
            name,
            search,
            None
            if situation is None
            else sweep(search.slots, setting, situation, first_only=question.first_only),
        )
        for name, search in searches
    ]
    worst = max(found_by, key=lambda one: one[2].count if one[2] is not None else 0)
    differences = [
        f"KASLR: {_counted(search, found)}, if {name or 'it is as is likeliest'}"
        for name, search, found in found_by
        if search is not worst[1]
    ]
    output: Fact[int] = places.boot.output
    if places.boot.output_is_assumed:
        output = Unknown("where the boot loader put it is not known")
    return KaslrSweep(
        slots=worst[1].slots,
        collisions=worst[2],
        unmoved=output,
        minimum=worst[1].minimum,
        limit=worst[1].limit,
        may_stay=answer.may_stay,
        bounds=places.bounds,
        differences=tuple(differences),
        premises=places.premises,
    )


def _counted(search: SlotSearch, found: Collisions | None) -> str:
    colliding = "" if found is None else f", {found.count} of them colliding"
    return f"{count_text(search.slots.count, 'slot')}{colliding}"
