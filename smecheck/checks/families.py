"""The families of rules: the one list of the files that hold them, and when each is asked.

A file of rules is imported when it is asked: a bare kernel does not pay for those of a machine.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from smecheck.checks.rule import Rule


@cache
def rules_of_kernel() -> tuple[Rule, ...]:
    """Return the rules that every kernel is asked; each comes after those that it builds on."""
    from smecheck.checks import build, early_code, ownership, section

    return (*build.RULES, *section.RULES, *ownership.RULES, *early_code.RULES)


@cache
def rules_of_machine_code() -> tuple[Rule, ...]:
    """Return the rules that are asked where the kernel's own machine code was run."""
    from smecheck.checks import machine_code

    return tuple(machine_code.RULES)


@cache
def rules_of_machine() -> tuple[Rule, ...]:
    """Return the rules that are asked where a machine, a load or an address is given."""
    from smecheck.checks import (
        crash_reservation,
        firmware_memory,
        in_place,
        load,
        map_agreement,
        mapped,
        ram,
        reservation_agreement,
        sme_agreement,
        unpacking,
        written,
    )

    return (
        *load.RULES,
        *unpacking.RULES,
        *written.RULES,
        *mapped.RULES,
        *ram.RULES,
        *in_place.RULES,
        *crash_reservation.RULES,
        *map_agreement.RULES,
        *reservation_agreement.RULES,
        *sme_agreement.RULES,
        *firmware_memory.RULES,
    )


@cache
def rules_of_places() -> tuple[Rule, ...]:
    """Return the rules that all places of KASLR are asked: those that say what they forbid."""
    rules = (*rules_of_kernel(), *rules_of_machine())
    return tuple(rule for rule in rules if rule.forbids is not None)
