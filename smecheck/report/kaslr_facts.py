"""The places that KASLR may choose, as lines of facts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from smecheck.quantity import address_text, count_text, size_text
from smecheck.report.facts import FactLine

if TYPE_CHECKING:
    from smecheck.boot.kaslr.slots import KaslrSweep, SlotCollision


def kaslr_facts(sweep: KaslrSweep) -> Iterator[FactLine]:
    """Yield how many places there are, where, and what is met at how many of them."""
    slots, collisions = sweep.slots, sweep.collisions
    yield FactLine("slots", str(slots.count), slots.reason)
    if slots.lowest is not None and slots.highest is not None:
        yield FactLine(
            "between",
            f"{address_text(slots.lowest)} and {address_text(slots.highest)}",
            f"every {size_text(slots.alignment)}, {size_text(slots.image_size)} each, in "
            f"{count_text(len(slots.areas), 'area')}",
        )
    if collisions is None:
        yield FactLine("colliding", None, "where the workarea lies in the kernel is not known")
    elif slots.count:
        yield FactLine("colliding", str(collisions.count), f"of {count_text(slots.count, 'slot')}")
    for collision in collisions.by_rule if collisions is not None else ():
        yield FactLine(
            f"{collision.rule}",
            f"{count_text(collision.count, 'slot')}: {collision.other}",
            _from_to(collision),
        )
    if sweep.may_stay is not None:
        yield FactLine("or it stays", "yes", sweep.may_stay)


def _from_to(collision: SlotCollision) -> str:
    lowest, highest = address_text(collision.lowest), address_text(collision.highest)
    return lowest if collision.count == 1 else f"{lowest} to {highest}"
