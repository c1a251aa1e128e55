"""What there is to judge, and what a judgement is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smecheck.record import record

if TYPE_CHECKING:
    from smecheck.answer import Basis, Verdict
    from smecheck.boot.boot import Boot
    from smecheck.boot.kaslr.slots import KaslrSweep
    from smecheck.checks.finding import Effect, Finding
    from smecheck.kernel.facts import KernelFacts
    from smecheck.load.segments import Placing, SegmentList
    from smecheck.machine.memory import MemoryMap
    from smecheck.workarea.placement import Placement
    from smecheck.workarea.proven import Proof

IF_IT_STILL_DIES = (
    "if the kernel still dies, the workarea's place is not the reason: next suspects are the "
    "memory budget (SME forces 64 MiB of SWIOTLB on a crash kernel), memory of the firmware, and "
    "early code; a boot with mem_encrypt=off tells SME from the rest"
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
class Change:
    """Another value of what was assumed of a predicted load, and what it would lead to."""

    fact: str
    value: str
    verdict: Verdict | None
    """The verdict that it would give; ``None`` where the load would be refused."""
    outcome: str


@record
class Judged:
    """What there is to judge."""

    facts: KernelFacts
    boot: Boot
    placement: Placement | None
    """Of the kernel's own scheme; ``None`` where it has none or it is not known."""
    proof: Proof | None
    findings: tuple[Finding, ...]
    segments: SegmentList | None
    memory: MemoryMap | None
    not_predicted: str | None = None
    """Why the load that is asked about cannot be predicted, where that was tried."""
    placing: Placing | None = None
    """How that load is placed; ``None`` where none is predicted."""
    kaslr: KaslrSweep | None = None
    """All places that KASLR may choose, where they are known."""
    changes: tuple[Change, ...] = ()
    """What would come of it if the load were another than it was assumed to be."""
    settled_by: str | None = None
    """What would make it possible to predict the load, where a log says what stands in the way."""
    nothing_reserved: str | None = None
    """The words of a log that say why no memory is reserved for a crash kernel."""


def with_effect(case: Judged, effect: Effect) -> list[Finding]:
    """Return the findings with that effect on the verdict."""
    return [finding for finding in case.findings if finding.effect is effect]
