"""What came of a rule: that it was asked is part of the answer, whatever it said."""

from __future__ import annotations

from enum import Enum

from smecheck.model.finding import Finding, Severity
from smecheck.record import record


class Outcome(Enum):
    """How a rule ended."""

    PASSED = "passed"
    FAILED = "failed"
    """It has findings; their severity says how bad that is."""
    SKIPPED = "skipped"
    """It could not be asked: a fact is missing, or a rule that it builds on has failed."""
    NOT_APPLICABLE = "not-applicable"
    """There is nothing of the kind that it looks at."""


@record
class RuleResult:
    """The outcome of one rule in one situation."""

    rule: str
    """The id: ``SME001``."""
    name: str
    """What it checks, as it reads where it passed: ``workarea section present``."""
    title: str
    """The defect that it looks for: ``the workarea's section is missing``."""
    static: bool
    """Whether it looks at the kernel alone, so that its outcome is the same on every machine."""
    outcome: Outcome
    reason: str = ""
    """Why it was skipped, or does not apply; empty otherwise."""
    findings: tuple[Finding, ...] = ()
    """What it found; none unless it failed."""
    of_workarea: bool = True
    """Whether it is about the workarea, rather than about the build's files or the load."""

    @property
    def label(self) -> str:
        """The defect where it failed, else what is checked."""
        return self.title if self.outcome is Outcome.FAILED else self.name

    @property
    def severity(self) -> Severity | None:
        """That of the worst finding."""
        found = [finding.severity for finding in self.findings]
        return min(found, key=lambda severity: severity.rank, default=None)
