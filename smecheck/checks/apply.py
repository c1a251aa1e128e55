"""The rules applied: those that the case has something for, each with its outcome."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from typing import TYPE_CHECKING

from smecheck.boot.boot import SmeState
from smecheck.checks.families import rules_of_kernel, rules_of_machine, rules_of_machine_code
from smecheck.checks.finding import Effect, Finding, Outcome, RuleResult, Severity
from smecheck.checks.rule import Lack, Rule
from smecheck.evidence import Unknown, value_of
from smecheck.remembered import remembered
from smecheck.when_asked import WhenAsked

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
        for rule, came in _applied(resolved, applicable(resolved), set())
    }
    return tuple(results[rule_id] for rule_id in sorted(results))


def deciding_findings(
    resolved: Resolved,
) -> tuple[tuple[Finding, ...], WhenAsked[tuple[Finding, ...]]]:
    """Return what those rules find that can make a verdict; and all errors, for who asks for them.

    A rule of a milder kind has no errors, so that no other rule is skipped because of it either;
    nor is a rule that can make a verdict because of one that cannot. Where all places of KASLR were
    asked, one of them says nothing new.
    """
    can_decide, cannot = _deciding(applicable(resolved), _decide_by_places(resolved))
    failed: set[str] = set()
    found = _found(resolved, can_decide, failed)
    return _in_order(found), WhenAsked(
        lambda: errors_of(_in_order([*found, *_found(resolved, cannot, failed)]))
    )


def errors_of(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return the errors among findings."""
    return tuple(finding for finding in findings if finding.severity is Severity.ERROR)


def _found(resolved: Resolved, rules: Iterable[Rule], failed: set[str]) -> list[Finding]:
    return [
        finding
        for _, came in _applied(resolved, rules, failed)
        if not isinstance(came, Lack)
        for finding in came
    ]


def findings_up_to_a_hit(resolved: Resolved) -> tuple[Finding, ...]:
    """Return what those rules find that can make a verdict, up to the first hit at an address."""
    can_decide, _ = _deciding(applicable(resolved), False)
    found: list[Finding] = []
    for rule, came in _applied(resolved, can_decide, set()):
        found += () if isinstance(came, Lack) else came
        if rule.is_of_places and any(finding.effect is Effect.COLLISION for finding in found):
            break
    return _in_order(found)


@remembered
def _deciding(
    rules: tuple[Rule, ...], are_all_asked: bool
) -> tuple[tuple[Rule, ...], tuple[Rule, ...]]:
    """Return those that have errors: that can make a verdict, and that cannot.

    What all places of KASLR are asked comes last of the first ones: nothing builds on it.
    """
    severe = [
        rule
        for rule in rules
        if rule.severity is Severity.ERROR and not (are_all_asked and rule.is_of_places)
    ]
    return (
        tuple(
            rule
            for is_last in (False, True)
            for rule in severe
            if rule.can_decide and rule.is_of_places is is_last
        ),
        tuple(rule for rule in severe if not rule.can_decide),
    )


def _decide_by_places(resolved: Resolved) -> bool:
    """Return whether the kernel surely is at one of the places of KASLR, or may be hit at one."""
    kaslr, boot = resolved.kaslr, resolved.boot
    if kaslr is None or kaslr.collisions is None or not kaslr.slots.count or boot.base_is_certain:
        return False
    return kaslr.collisions.count > 0 or kaslr.may_stay is None


def _applied(
    resolved: Resolved, rules: Iterable[Rule], failed: set[str]
) -> Iterator[tuple[Rule, Lack | list[Finding]]]:
    """Yield of each rule what it finds, or why it cannot be asked; in the order of ``rules``.

    Args:
        resolved: what the rules look at.
        rules: those to ask.
        failed: the ids of those that found an error; others are added.
    """
    no_workarea = _no_workarea(resolved)
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


def applicable(resolved: Resolved) -> tuple[Rule, ...]:
    """Return the rules that can have findings; each comes after those that it builds on."""
    machine = (resolved.segments, resolved.memory, resolved.firmware, resolved.log)
    return _applicable(
        resolved.verification is not None,
        any(part is not None for part in machine) or resolved.boot.base_is_stated,
    )


@cache
def _applicable(has_run: bool, has_machine: bool) -> tuple[Rule, ...]:
    return (
        *rules_of_kernel(),
        *(rules_of_machine_code() if has_run else ()),
        *(rules_of_machine() if has_machine else ()),
    )


def _no_workarea(resolved: Resolved) -> Lack | None:
    """Say why no workarea is used, or that nothing shows where it would be."""
    facts, boot = resolved.facts, resolved.boot
    if value_of(facts.sme_code) is False:
        return Lack(Outcome.NOT_APPLICABLE, "the kernel has no SME code")
    if boot.sme is SmeState.INACTIVE:
        return Lack(Outcome.NOT_APPLICABLE, f"SME is off ({boot.sme_evidence[0]})")
    if resolved.scheme is not None:
        return None
    scheme = facts.scheme
    why = scheme.reason if isinstance(scheme, Unknown) else scheme.origin
    return Lack(Outcome.SKIPPED, f"the kernel's scheme is not known: {why}")
