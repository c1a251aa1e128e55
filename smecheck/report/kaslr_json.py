"""The places that KASLR may choose, as they stand in the JSON report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smecheck.evidence import value_of
from smecheck.quantity import address_text

if TYPE_CHECKING:
    from smecheck.model.kaslr import KaslrSweep


def kaslr_json(sweep: KaslrSweep) -> dict[str, object]:
    """Return the value of ``kaslr``."""
    slots, collisions = sweep.slots, sweep.collisions
    return {
        "slots": slots.count,
        "colliding": None if collisions is None else collisions.count,
        "lowest_colliding": None if collisions is None else _maybe(collisions.lowest),
        "highest_colliding": None if collisions is None else _maybe(collisions.highest),
        "clear_fraction": sweep.clear_fraction,
        "reason": slots.reason,
        "lowest": _maybe(slots.lowest),
        "highest": _maybe(slots.highest),
        "alignment": slots.alignment,
        "image_size": slots.image_size,
        "minimum": address_text(sweep.minimum),
        "limit": address_text(sweep.limit),
        "unmoved": _maybe(value_of(sweep.unmoved)),
        "may_stay": sweep.may_stay,
        "areas": [{"start": address_text(area.start), "count": area.count} for area in slots.areas],
        "collisions": [
            {
                "rule": collision.rule,
                "other": collision.other,
                "slots": collision.count,
                "lowest": address_text(collision.lowest),
                "highest": address_text(collision.highest),
            }
            for collision in (collisions.by_rule if collisions is not None else ())
        ],
        "bounds": list(sweep.bounds),
        "differences": list(sweep.differences),
    }


def _maybe(address: int | None) -> str | None:
    return None if address is None else address_text(address)
