"""The report: everything that the output formats print, decided and worded."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from smecheck.record import record

if TYPE_CHECKING:
    from smecheck.model.advice import Advice
    from smecheck.model.boot import Boot
    from smecheck.model.cross_check import CrossCheck
    from smecheck.model.decompressor_view import DecompressorView
    from smecheck.model.finding import Finding
    from smecheck.model.identity import KernelFacts
    from smecheck.model.kaslr import KaslrSweep
    from smecheck.model.kernel import KernelImage
    from smecheck.model.memory import MemoryMap
    from smecheck.model.placement import Placement
    from smecheck.model.proof import Proof
    from smecheck.model.rule_result import RuleResult
    from smecheck.model.segments import SegmentList


class Verdict(Enum):
    """The answer in one word."""

    CLEAR = "clear"
    COLLISION = "collision"
    UNDECIDED = "undecided"
    NOT_APPLICABLE = "not-applicable"


class Basis(Enum):
    """What kind of answer it is."""

    PROOF = "proof"
    """Holds on every machine."""
    MACHINE = "machine"
    """Holds for this machine and this load."""
    PARTIAL = "partial"
    """Facts are missing."""


@record
class InputUse:
    """An input and the facts that were taken from it."""

    path: str
    kind: str
    used: tuple[str, ...]


@record
class Report:
    """The whole answer."""

    verdict: Verdict
    basis: Basis
    headline: str
    """The verdict in a sentence."""
    next_step: str
    image: KernelImage
    facts: KernelFacts
    boot: Boot
    placements: tuple[Placement, Placement]
    """After-end scheme, section scheme."""
    segments: SegmentList | None
    memory: MemoryMap | None
    proof: Proof | None
    decompressor: DecompressorView | None
    """``None`` where nothing of a bzImage is known."""
    findings: tuple[Finding, ...]
    assumptions: tuple[str, ...]
    not_checked: tuple[str, ...]
    inputs: tuple[InputUse, ...]
    checks: tuple[RuleResult, ...] = ()
    """What came of every rule that was asked, by id."""
    cross_check: CrossCheck | None = None
    """The recorded load beside the predicted one, where that was asked for."""
    advice: tuple[Advice, ...] | None = None
    """What would help, cheapest first; ``None`` where nobody asked."""
    kaslr: KaslrSweep | None = None
    """``None`` where KASLR is off, or its places are not known."""

    @property
    def actual(self) -> Placement | None:
        """The placement of this kernel's own scheme."""
        return next((placement for placement in self.placements if placement.actual), None)
