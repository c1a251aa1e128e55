"""The answer: a report, with all that the output formats print, decided and worded."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from smecheck.record import record

if TYPE_CHECKING:
    from smecheck.boot.boot import Boot
    from smecheck.boot.kaslr.slots import KaslrSweep
    from smecheck.checks.finding import Finding, RuleResult
    from smecheck.kernel.decompressor_sizes import DecompressorView
    from smecheck.kernel.facts import KernelFacts
    from smecheck.kernel.image import KernelImage
    from smecheck.kernel.verification import Verification
    from smecheck.load.compared_segments import CrossCheck
    from smecheck.load.segments import SegmentList
    from smecheck.machine.memory import MemoryMap
    from smecheck.workarea.placement import Placement
    from smecheck.workarea.proven import Proof


class Cost(Enum):
    """What a change costs, the cheapest first; ordered by :attr:`rank`."""

    BOOT_OPTION = "boot-option"
    """Another word on the command line of the kernel that is loaded."""
    RELOAD = "reload"
    """The same kernel loaded with other options, or by other means."""
    INITRD = "initrd"
    """Another initrd."""
    REBOOT = "reboot"
    """The running kernel started with another option first."""
    KERNEL = "kernel"
    """Another kernel."""

    @property
    def rank(self) -> int:
        """0 for the cheapest."""
        return list(Cost).index(self)


@record
class Advice:
    """One change, and what the program itself says of it."""

    change: str
    """What to do, as an imperative: ``add nokaslr to the command line of the loaded kernel``."""
    verdict: Verdict
    cost: Cost
    helps: bool
    """Whether it is safe then: clear or not applicable, and nothing else is wrong."""
    note: str
    """What the verdict rests on."""


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
    verification: Verification | None = None
    """What running the kernel's own code came to; ``None`` where nobody asked."""

    @property
    def actual(self) -> Placement | None:
        """The placement of this kernel's own scheme."""
        return next((placement for placement in self.placements if placement.actual), None)
