"""The rules applied: those that the situation has something for, in one sorted list of findings."""

from __future__ import annotations

from collections.abc import Iterator

from smecheck.checks.rule import Rule, Situation
from smecheck.model.finding import Finding


def run_rules(situation: Situation, *, workarea_in_use: bool) -> tuple[Finding, ...]:
    """Apply the rules; the worst findings first, then by rule and address.

    Args:
        situation: what to look at.
        workarea_in_use: ``False`` leaves only the rules about the load.
    """
    findings = [
        finding
        for rule in _applicable(situation)
        if workarea_in_use or rule.about_load
        for finding in rule.findings(situation)
    ]
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


def _applicable(situation: Situation) -> Iterator[Rule]:
    """Yield the rules that can have findings; a bare kernel does not pay for those of a machine."""
    from smecheck.checks import ownership, section

    yield from (*ownership.RULES, *section.RULES)
    if situation.segments is not None or situation.memory is not None:
        from smecheck.checks import crash_reservation, in_place, load, mapped, ram, written

        yield from (*load.RULES, *written.RULES, *mapped.RULES, *ram.RULES)
        yield from (*in_place.RULES, *crash_reservation.RULES)
