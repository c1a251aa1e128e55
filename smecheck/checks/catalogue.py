"""All rules, by id, and where each is documented."""

from __future__ import annotations

from smecheck.checks import (
    crash_reservation,
    in_place,
    load,
    mapped,
    ownership,
    ram,
    section,
    written,
)
from smecheck.checks.rule import Rule

RULES: dict[str, Rule] = {
    rule.id: rule
    for rule in sorted(
        (
            *written.RULES,
            *mapped.RULES,
            *ram.RULES,
            *in_place.RULES,
            *crash_reservation.RULES,
            *ownership.RULES,
            *section.RULES,
            *load.RULES,
        ),
        key=lambda rule: rule.id,
    )
}
"""The catalogue, in the order of the ids."""

STATIC_RULES = frozenset(rule.id for rule in (*ownership.RULES, *section.RULES))
"""Those that need neither a load nor a machine."""
