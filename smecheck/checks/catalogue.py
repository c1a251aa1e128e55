"""All rules, by id."""

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
from smecheck.checks.rule import Rule, Situation
from smecheck.model.finding import Finding

_DOCUMENTATION = "docs/rules.md"

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


def rule_url(rule_id: str) -> str:
    """Return where the rule is documented, relative to the project."""
    return f"{_DOCUMENTATION}#{rule_id.lower()}"


def run_rules(situation: Situation, *, workarea_in_use: bool) -> tuple[Finding, ...]:
    """Apply the rules; the worst findings first, then by address.

    Args:
        situation: what to look at.
        workarea_in_use: ``False`` leaves only the rules about the load.
    """
    rules = [rule for rule in RULES.values() if workarea_in_use or rule.about_load]
    findings = [finding for rule in rules for finding in rule.findings(situation)]
    return tuple(
        sorted(
            findings,
            key=lambda finding: (
                finding.severity.rank,
                finding.rule,
                finding.span.start if finding.span else 0,
            ),
        )
    )
