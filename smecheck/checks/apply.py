"""The rules applied: those that the case has something for, each with its outcome."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from smecheck.boot.boot import SmeState
from smecheck.checks.families import rules_of_kernel, rules_of_machine, rules_of_machine_code
from smecheck.checks.finding import Effect, Finding, Outcome, RuleResult, Severity
from smecheck.checks.rule import Lack, Rule
from smecheck.evidence import Unknown, value_of

if TYPE_CHECKING:
    from smecheck.case import Resolved


def rule_results(resolved: Resolved) -> tuple[RuleResult, ...]:
    """Apply the rules, and say of each what came of it, in the order of the ids.

    Where no workarea is used, or none is known, that is only of those about the build and the load.
    """
    results = {
        rule.id: rule.result(came.outcome, came.reason)
        if isinstance(came, Lack)
        else rule.found(came)
        for rule, came in _applied(resolved, applicable(resolved))
    }
    return tuple(results[rule_id] for rule_id in sorted(results))


def deciding_findings(resolved: Resolved) -> tuple[Finding, ...]:
    """Return what the rules find whose errors a verdict may depend on, and nothing of the others.

    A rule of a milder kind has no errors, so that no other rule is skipped because of it either.
    Where all places of KASLR were asked, one of them says nothing new.
    """
    are_all_asked = _decide_by_places(resolved)
    rules = (
        rule
        for rule in applicable(resolved)
        if rule.severity is Severity.ERROR and not (are_all_asked and rule.is_of_places)
    )
    applied = (came for _, came in _applied(resolved, rules) if not isinstance(came, Lack))
    return _in_order(finding for came in applied for finding in came)


def _decide_by_places(resolved: Resolved) -> bool:
    """Tell whether the kernel surely is at one of the places of KASLR, or may be hit at one."""
    kaslr, boot = resolved.kaslr, resolved.boot
    if kaslr is None or kaslr.collisions is None or not kaslr.slots.count or boot.base_is_certain:
        return False
    return kaslr.collisions.count > 0 or kaslr.may_stay is None


def _applied(
    resolved: Resolved, rules: Iterable[Rule]
) -> Iterator[tuple[Rule, Lack | list[Finding]]]:
    """Yield of each rule what it finds, or why it cannot be asked; in the order of ``rules``."""
    no_workarea = _no_workarea(resolved)
    failed: set[str] = set()
    for rule in rules:
        lack = no_workarea if rule.needs_workarea else None
        lack = lack or _broken_ground(rule, failed) or rule.lack(resolved)
        if lack is not None:
            yield rule, lack
            continue
        found = rule.findings(resolved)
        if any(finding.severity is Severity.ERROR for finding in found):
            failed.add(rule.id)
        yield rule, found


def findings_of(results: Iterable[RuleResult]) -> tuple[Finding, ...]:
    """Return all findings; the worst first, then by rule and address."""
    return _in_order(finding for result in results for finding in result.findings)


def _in_order(findings: Iterable[Finding]) -> tuple[Finding, ...]:
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


def contradicting(findings: Iterable[Finding]) -> Finding | None:
    """Return the first finding that the inputs cannot be of one build, machine and load."""
    return next((one for one in findings if one.effect is Effect.CONTRADICTION), None)


def _broken_ground(rule: Rule, failed: set[str]) -> Lack | None:
    """Return why ``rule`` has nothing to stand on, if one that it builds on has failed."""
    for rule_id in rule.after:
        if rule_id in failed:
            return Lack(Outcome.SKIPPED, f"skipped because {rule_id} failed")
    return None


def applicable(resolved: Resolved) -> Iterator[Rule]:
    """Yield the rules that can have findings; each comes after those that it builds on."""
    yield from rules_of_kernel()
    if resolved.verification is not None:
        yield from rules_of_machine_code()
    machine = (resolved.segments, resolved.memory, resolved.firmware, resolved.log)
    if any(part is not None for part in machine) or resolved.boot.base_is_stated:
        yield from rules_of_machine()


def _no_workarea(resolved: Resolved) -> Lack | None:
    """Say why no workarea is used, or that nothing tells where it would be."""
    facts, boot = resolved.facts, resolved.boot
    if value_of(facts.sme_code) is False:
        return Lack(Outcome.NOT_APPLICABLE, "the kernel has no SME code")
    if boot.sme is SmeState.INACTIVE:
        return Lack(Outcome.NOT_APPLICABLE, f"SME is off ({boot.sme_evidence[0]})")
    if resolved.actual is not None:
        return None
    scheme = facts.scheme
    why = scheme.reason if isinstance(scheme, Unknown) else scheme.origin
    return Lack(Outcome.SKIPPED, f"the kernel's scheme is not known: {why}")
