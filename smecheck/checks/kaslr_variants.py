"""The slots of every variant that a kernel's KASLR may be of, each held against the rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smecheck.boot.kaslr.ask import KaslrAnswer, ask
from smecheck.boot.kaslr.search import SlotSearch
from smecheck.boot.kaslr.slots import Collisions, KaslrSweep
from smecheck.checks.kaslr_sweep import sweep
from smecheck.evidence import Fact, Known, Unknown
from smecheck.quantity import count_text

if TYPE_CHECKING:
    from smecheck.case import Located


def swept(located: Located, *, first_only: bool) -> Fact[KaslrSweep]:
    """Find all places that KASLR may choose, and hold them against the rules."""
    answer = ask(located)
    if isinstance(answer, Unknown):
        return answer
    return Known(_sweep_places(answer.value, located, first_only=first_only), answer.origin)


def _sweep_places(answer: KaslrAnswer, located: Located, *, first_only: bool) -> KaslrSweep:
    """Hold every variant's slots against the rules; the one with the most collisions counts."""
    places = answer.places
    searches = [("", places.search), *places.alternatives]
    found_by: list[tuple[str, SlotSearch, Collisions | None]] = []
    for name, search in searches:
        found = sweep(search.slots, located, first_only=first_only)
        found_by.append((name, search, found))
        if first_only and found is not None and found.count:
            break
    worst = max(found_by, key=lambda one: one[2].count if one[2] is not None else 0)
    differences = [
        f"KASLR: {_counted(search, found)}, {f'if {name}' if name else 'in the most likely case'}"
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
