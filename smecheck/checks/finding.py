"""What came of a rule: its outcome, and its findings."""

from __future__ import annotations

from enum import Enum

from smecheck.record import record
from smecheck.span import Span


class Severity(Enum):
    """How bad it is; ordered by :attr:`rank`."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"

    @property
    def rank(self) -> int:
        """0 for the worst."""
        return list(Severity).index(self)


class Confidence(Enum):
    """Whether it will happen, or only under the condition that the finding states."""

    CERTAIN = "certain"
    CONDITIONAL = "conditional"


class Effect(Enum):
    """What an error means for the verdict."""

    COLLISION = "collision"
    """The workarea, or the kernel itself, meets what it must not."""
    LOSS = "loss"
    """Something that was loaded is lost before the kernel runs, whether SME is used or not."""
    CONTRADICTION = "contradiction"
    """The inputs cannot be of the same load: nothing that follows from them counts."""
    NONE = "none"


class Bearing(Enum):
    """What a finding bears on beside the verdict: what else can no longer be said as it was."""

    PREDICTION = "prediction"
    """The kernel's own code computes otherwise, or cannot run: no arithmetic here holds for it."""
    OWNER = "owner"
    """The workarea is in nobody's memory."""
    BUILD = "build"
    """What is known of the kernel is not of one build."""
    MAPPED_PART = "mapped part"
    """Something lies where the workarea is mapped: what is clear is the part that is written."""
    NOTHING = "nothing"

    @property
    def answers_for_the_proof(self) -> bool:
        """Whether it leaves no question open whether the proof holds."""
        return self in (Bearing.PREDICTION, Bearing.OWNER)


@record
class Party:
    """What the workarea meets: a segment, a region, a reservation."""

    name: str
    span: Span


@record
class Finding:
    """One finding."""

    rule: str
    """The id of the rule: ``SME001``."""
    severity: Severity
    message: str
    span: Span | None = None
    """The physical range that is hit; ``None`` for findings without one."""
    other: Party | None = None
    condition: str | None = None
    """What must hold for it to happen; ``None`` when it is certain."""
    remedy: str = ""
    """The next step."""
    effect: Effect = Effect.NONE
    """On the verdict; none unless it is an error."""
    bearing: Bearing = Bearing.NOTHING
    phrase: str = ""
    """What it says of the workarea in the headline; empty: it collides with ``other``."""
    needs_sme: bool = False
    """Whether it is about the workarea, which is used only while SME is on."""
    brief: str = ""
    """The finding in a few words, for a cell of a table; where there is ``other``, said of it."""

    @property
    def confidence(self) -> Confidence:
        """Certain, unless a condition is stated."""
        return Confidence.CERTAIN if self.condition is None else Confidence.CONDITIONAL


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
    """The outcome of one rule in one case."""

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
