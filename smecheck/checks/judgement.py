"""What there is to judge, and what a judgement is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smecheck.case import Resolved
from smecheck.record import record

if TYPE_CHECKING:
    from smecheck.answer import Basis, Verdict
    from smecheck.checks.finding import Effect, Finding
    from smecheck.when_asked import WhenAsked
    from smecheck.workarea.proven import Proof

IF_IT_STILL_DIES = (
    "if this kernel still dies, the workarea is not the cause: check the memory budget (SME forces "
    "64 MiB of SWIOTLB on a crash kernel), memory of the firmware, and early code; if it boots "
    "with mem_encrypt=off, SME is involved"
)
"""The next step where everything is clear."""


@record
class Judgement:
    """The verdict in words."""

    verdict: Verdict
    basis: Basis
    headline: str
    next_step: str


@record
class OtherValue:
    """Another value of what was assumed of a predicted load, and what it would lead to."""

    fact: str
    value: str
    verdict: Verdict | None
    """The verdict that it would give; ``None`` where the load would be refused."""
    outcome: str


@record
class Judged(Resolved):
    """What there is to judge: a resolved case, its proof, and what the rules found."""

    proven: WhenAsked[Proof | None]
    """Worked out when ``proof`` is asked for."""
    findings: tuple[Finding, ...]
    """At least those that can make a verdict."""
    erring: WhenAsked[tuple[Finding, ...]]
    """Worked out when ``errors`` are asked for."""
    changes: tuple[OtherValue, ...]
    """What would come of it if the load were another than it was assumed to be."""

    @property
    def proof(self) -> Proof | None:
        """What every loader must reserve for the kernel, held against the workarea."""
        return self.proven.value

    @property
    def errors(self) -> tuple[Finding, ...]:
        """All errors that there are, whether or not they can make a verdict."""
        return self.erring.value

    def with_effect(self, effect: Effect) -> list[Finding]:
        """Return the findings with that effect on the verdict."""
        return [finding for finding in self.findings if finding.effect is effect]
