"""What a rule is."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from smecheck.checks.finding import (
    Bearing,
    Effect,
    Finding,
    Outcome,
    Party,
    RuleResult,
    Severity,
)
from smecheck.evidence import Unknown, value_of
from smecheck.load.segments import SegmentRole
from smecheck.record import record, replace

if TYPE_CHECKING:
    from smecheck.case import Resolved
    from smecheck.checks.forbidden import Forbids
    from smecheck.load.segments import Segment
    from smecheck.span import Span


Check = Callable[["Resolved"], Iterable["Observation"]]
Need = Callable[["Resolved"], "Lack | None"]
"""What a rule needs of a case; ``None`` where it is there."""

SME_OFF_NOW = "at once: boot it with mem_encrypt=off; for good: "
"""The way out tonight, before the lasting one."""

FROM_ONE_BOOT = "give maps and logs of the same boot of the same machine"
"""What to do about sources that contradict each other."""

OWN_SECTION = "use a kernel with the section .init.scratch (v5.3 and later)"
"""The lasting remedy for most of what can happen to a workarea in nobody's memory."""


@record
class Observation:
    """What a check saw; its rule makes a finding of it."""

    message: str
    span: Span | None = None
    other: Party | None = None
    condition: str | None = None
    severity: Severity | None = None
    """Where it is milder than the rule's."""
    remedy: str = ""
    """Where there is a better next step than the rule's."""
    harmless: bool = False
    """Whether it has no effect on the verdict, where the rule's errors have one."""
    brief: str = ""
    """In a few words, where there is more to say in them than the rule's."""


@record
class Lack:
    """Why a rule cannot be asked, or has nothing to look at."""

    outcome: Outcome
    """``SKIPPED`` or ``NOT_APPLICABLE``."""
    reason: str
    """As a clause: ``no memory map is known``."""


@record
class Rule:
    """One rule."""

    id: str
    title: str
    """The defect that it looks for."""
    passed: str
    """What it checks, as it reads where that is so."""
    brief: str
    """What a finding says, in a few words; of the other party where there is one."""
    severity: Severity
    """Of its worst findings."""
    effect: Effect
    """Of its errors, on the verdict."""
    bearing: Bearing
    """Of its findings, whatever their severity."""
    phrase: str
    """What its errors say of the workarea in the headline."""
    about_load: bool
    """Whether it looks at the load rather than at the workarea, so that it applies without one."""
    about_build: bool
    """Whether it looks at the files of the build rather than at the workarea; likewise."""
    static: bool
    """Whether it is decided by the kernel alone, without a machine."""
    needs: tuple[Need, ...]
    """What must be known, or there, for the rule to say anything; the first that is missing is
    the reason where it does not."""
    after: tuple[str, ...]
    """Ids of the rules that it builds on: an error of one of them leaves it nothing to say."""
    remedy: str
    """The next step, for findings that do not name a better one."""
    check: Check
    forbids: Forbids | None
    """What must not lie where the kernel and its workarea are, where the rule is about that; then
    it is asked of all places that KASLR may choose as well."""
    faults_at_entry: bool
    """Whether it is about the page tables at entry, of which the sweep over those places asks."""

    @property
    def documentation(self) -> str:
        """Its page: what it looks at, why that matters, where it is known from."""
        return "\n".join(line.strip() for line in (self.check.__doc__ or "").strip().splitlines())

    @property
    def needs_workarea(self) -> bool:
        """Whether it is about the workarea, so that there must be one that is used."""
        return not (self.about_load or self.about_build)

    @property
    def can_decide(self) -> bool:
        """Whether what it finds can make a verdict, rather than forbid a good one."""
        return self.effect is not Effect.NONE or self.bearing is Bearing.PREDICTION

    @property
    def is_of_places(self) -> bool:
        """Whether all places that KASLR may choose are asked, not only where the kernel is."""
        return self.forbids is not None or self.faults_at_entry

    def lack(self, resolved: Resolved) -> Lack | None:
        """Return the first need that is not met."""
        for need in self.needs:
            lack = need(resolved)
            if lack is not None:
                return lack
        return None

    def result(self, outcome: Outcome, reason: str = "") -> RuleResult:
        """Return the outcome of a rule that found nothing, or was not asked."""
        return RuleResult(
            rule=self.id,
            name=self.passed,
            title=self.title,
            static=self.static,
            outcome=outcome,
            reason=reason,
            of_workarea=self.needs_workarea,
        )

    def found(self, findings: list[Finding]) -> RuleResult:
        """Return the outcome of a rule that was asked."""
        if not findings:
            return self.result(Outcome.PASSED)
        return replace(self.result(Outcome.FAILED), findings=tuple(findings))

    def findings(self, resolved: Resolved) -> list[Finding]:
        """Return the findings; each carries the case's premise and a next step."""
        return [
            Finding(
                rule=self.id,
                severity=seen.severity or self.severity,
                message=seen.message,
                span=seen.span,
                other=seen.other,
                condition=joined(*self._premises(resolved, seen), seen.condition),
                remedy=seen.remedy or self.remedy,
                effect=self._effect(seen),
                bearing=self.bearing,
                phrase=self.phrase,
                needs_sme=self.needs_workarea,
                brief=seen.brief or self.brief,
            )
            for seen in self.check(resolved)
        ]

    def _premises(self, resolved: Resolved, seen: Observation) -> tuple[str | None, ...]:
        """Return what the case leaves open and a finding depends on."""
        if not self.needs_workarea:
            return ()
        if self.static:
            return (_code_premise(resolved),)
        sme = joined(_code_premise(resolved), resolved.boot.sme_condition)
        return (sme, _base_premise(resolved) if seen.span else None)

    def _effect(self, seen: Observation) -> Effect:
        if seen.harmless or (seen.severity or self.severity) is not Severity.ERROR:
            return Effect.NONE
        if self.effect is Effect.CONTRADICTION and seen.condition is not None:
            return Effect.NONE
        return self.effect


def rule(
    rule_id: str,
    title: str,
    severity: Severity,
    *,
    passed: str,
    brief: str,
    effect: Effect = Effect.NONE,
    bearing: Bearing = Bearing.NOTHING,
    phrase: str = "",
    about_load: bool = False,
    about_build: bool = False,
    static: bool = False,
    needs: tuple[Need, ...] = (),
    after: tuple[str, ...] = (),
    forbids: Forbids | None = None,
    faults_at_entry: bool = False,
    remedy: str,
) -> Callable[[Check], Rule]:
    """Make a rule of a check function; its docstring is the rule's documentation."""

    def make(check: Check) -> Rule:
        return Rule(
            id=rule_id,
            title=title,
            passed=passed,
            brief=brief,
            severity=severity,
            effect=effect,
            bearing=bearing,
            phrase=phrase,
            about_load=about_load,
            about_build=about_build,
            static=static,
            needs=needs,
            after=after,
            remedy=remedy,
            check=check,
            forbids=forbids,
            faults_at_entry=faults_at_entry,
        )

    return make


def segment_party(segment: Segment) -> Party:
    """Return a segment as the other party of a finding."""
    return Party(segment.role.value, segment.span)


def _code_premise(resolved: Resolved) -> str | None:
    """Return that of findings about the build, whether or not it turns SME on."""
    return "the kernel has SME code" if isinstance(resolved.facts.sme_code, Unknown) else None


def _base_premise(resolved: Resolved) -> str | None:
    """Return that of findings that lie at the address where the kernel is taken to run."""
    if resolved.extents is None or resolved.boot.base_is_certain:
        return None
    return None if value_of(resolved.boot.kaslr) is False else resolved.boot.base_condition


def joined(*conditions: str | None) -> str | None:
    """Return what must hold for all of ``conditions`` to hold, ``None`` where there is none."""
    return " and ".join(condition for condition in conditions if condition) or None


_CONSEQUENCE = {
    SegmentRole.BOOT_PARAMS: "the kernel loses boot_params and its command line and dies silently",
    SegmentRole.CMDLINE: "the kernel loses its command line",
    SegmentRole.INITRD: "the initrd is destroyed: no root file system",
    SegmentRole.ELFCOREHDR: "the crash kernel cannot describe the memory it should save",
    SegmentRole.BACKUP: "the saved low memory is lost to the vmcore",
}


def consequence_of(role: SegmentRole) -> str:
    """Say what becomes of a kernel that finds a segment of that role overwritten."""
    return _CONSEQUENCE.get(role, "its content is lost")
