"""All rules, by id."""

from __future__ import annotations

from smecheck.checks.families import rules_of_kernel, rules_of_machine, rules_of_machine_code
from smecheck.checks.rule import Rule

RULES: dict[str, Rule] = {
    rule.id: rule
    for rule in sorted(
        (*rules_of_kernel(), *rules_of_machine_code(), *rules_of_machine()),
        key=lambda rule: rule.id,
    )
}
"""The catalogue, in the order of the ids."""
