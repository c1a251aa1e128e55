"""All rules, by id, and where each is documented."""

from __future__ import annotations

from smecheck.checks import (
    agreement,
    build,
    crash_reservation,
    early_code,
    firmware_memory,
    in_place,
    load,
    machine_code,
    mapped,
    ownership,
    ram,
    section,
    unpacking,
    written,
)
from smecheck.checks.rule import Rule

RULES: dict[str, Rule] = {
    rule.id: rule
    for rule in sorted(
        (
            *build.RULES,
            *written.RULES,
            *mapped.RULES,
            *ram.RULES,
            *in_place.RULES,
            *crash_reservation.RULES,
            *ownership.RULES,
            *section.RULES,
            *early_code.RULES,
            *machine_code.RULES,
            *load.RULES,
            *unpacking.RULES,
            *agreement.RULES,
            *firmware_memory.RULES,
        ),
        key=lambda rule: rule.id,
    )
}
"""The catalogue, in the order of the ids."""
