"""The case: all that was read for one question, and what is found out about it step by step.

A case is identified (what its kernel is), located (which boot it is, and where the kernel runs in
it) and resolved (where the workarea lies). Each step is a noun of its own that has all of the one
before it, so that whoever needs less can be given less.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from smecheck.evidence import value_of
from smecheck.kernel.image import Scheme
from smecheck.load.segments import SegmentRole, is_elf_load
from smecheck.record import record

if TYPE_CHECKING:
    from smecheck.asked import BootRequest
    from smecheck.boot.boot import Boot, UnpackRules
    from smecheck.boot.early_boot import EarlyBoot
    from smecheck.boot.kaslr.slots import KaslrSweep, PossibleBases
    from smecheck.evidence import Fact
    from smecheck.kernel.facts import KernelFacts
    from smecheck.kernel.image import KernelImage
    from smecheck.kernel.verification import Verification
    from smecheck.load.request import Machine, PredictedLoad
    from smecheck.load.segments import Obstacle, Placing, Segment, SegmentList
    from smecheck.machine.firmware import FirmwareMap
    from smecheck.machine.host import Host
    from smecheck.machine.kernel_log import KernelLog
    from smecheck.machine.memory import MemoryMap
    from smecheck.span import SpanSet
    from smecheck.when_asked import WhenAsked
    from smecheck.workarea.placement import Extents, Placement
    from smecheck.workarea.proven import Reservations


@record
class Case:
    """What is asked, and all that was read for it."""

    image: KernelImage
    asked: BootRequest
    segments: SegmentList | None = None
    memory: MemoryMap | None = None
    firmware: FirmwareMap | None = None
    """/sys/firmware/memmap, or what stands for it."""
    log: KernelLog | None = None
    machine: Machine | None = None
    """What more is known of the machine that loads, and of what kexec is asked for."""
    cross_check: bool = False
    """Whether a recorded load is to be predicted as well, and held against the prediction."""
    early: EarlyBoot | None = None
    """boot_params and what they point to: of the boot asked about; with a load, of the running."""
    verification: Verification | None = None
    """What running the kernel's own code came to, where that was asked for."""


@record
class Identified:
    """A case whose kernel is identified, and whose load is known as far as it can be."""

    case: Case
    asked: BootRequest
    """What is said of the boot, but for what the load says better."""
    facts: KernelFacts
    """What the image is."""
    rules: UnpackRules
    """Where a decompressor unpacks it to."""
    reserved: Reservations
    """What it makes loaders reserve."""
    host: Host | None
    """The system that loads the kernel."""
    load: SegmentList | None
    """The segments of a kexec load, recorded or predicted."""
    segments: SegmentList | None
    """What lies around the kernel when it starts: those of the load, or of a boot loader."""
    predicted: PredictedLoad | None
    """The load as it was predicted, where that was tried."""
    obstacle: Obstacle | None
    """Why it was not even tried, where a log says so."""

    @property
    def image(self) -> KernelImage:
        """The kernel."""
        return self.case.image

    @property
    def memory(self) -> MemoryMap | None:
        """The memory of the machine."""
        return self.case.memory

    @property
    def firmware(self) -> FirmwareMap | None:
        """The firmware's own map, where one was given."""
        return self.case.firmware

    @property
    def log(self) -> KernelLog | None:
        """The kernel log of the machine, where one was given."""
        return self.case.log

    @property
    def early(self) -> EarlyBoot | None:
        """boot_params and what they point to, where they were given."""
        return self.case.early

    @property
    def verification(self) -> Verification | None:
        """What running the kernel's own code came to, where that was asked for."""
        return self.case.verification

    @property
    def scheme(self) -> Scheme | None:
        """The scheme of the kernel; ``None`` where it is not known, or there is no workarea."""
        scheme = value_of(self.facts.scheme)
        return scheme if scheme is not None and scheme.rules.has_workarea else None

    @property
    def neighbours(self) -> tuple[Segment, ...]:
        """The segments other than the kernel's own."""
        if self.segments is None:
            return ()
        return tuple(s for s in self.segments.segments if s.role is not SegmentRole.KERNEL)

    @property
    def without_decompressor(self) -> bool:
        """Whether a vmlinux ELF is started as it stands."""
        return self.segments is not None and is_elf_load(self.image, self.segments)

    @property
    def not_predicted(self) -> str | None:
        """Why the load that is asked about cannot be predicted, where it cannot."""
        if self.obstacle is not None:
            return self.obstacle.reason
        return self.predicted.prediction.unknown if self.predicted is not None else None

    @property
    def placing(self) -> Placing | None:
        """How the load that is predicted is placed; ``None`` where none is."""
        return self.predicted.prediction.placing if self.predicted is not None else None


@record
class Located(Identified):
    """An identified case of which is known which boot it is, and where its kernel runs."""

    boot: Boot
    crash_memory: SpanSet | None
    """What a crash kernel may write to, where the boot is that of one and it is known."""


@record
class Resolved(Located):
    """A located case with its workarea placed: what rules and verdict look at."""

    placed: WhenAsked[Placement]
    """Worked out when ``placement`` is asked for: many verdicts are reached without it."""
    kernel_moved: bool
    """The kernel runs elsewhere than its segment puts it: KASLR moved it."""
    places: Fact[KaslrSweep]
    """The places that KASLR may choose, and what it meets there; or why that is not a question."""
    bases: Fact[PossibleBases] | None
    """Where KASLR may put the kernel, where the user says that it runs at one place."""

    @property
    def placement(self) -> Placement:
        """Of the kernel's own scheme; of the after-end scheme where it has none."""
        return self.placed.value

    @property
    def extents(self) -> Extents | None:
        """The physical extents, where the place of the kernel is known."""
        return self.placement.extents

    @property
    def actual(self) -> Placement | None:
        """The placement, where it is that of the kernel's own scheme."""
        return self.placement if self.scheme is not None else None

    @property
    def kaslr(self) -> KaslrSweep | None:
        """All places that KASLR may choose, where they are known."""
        return value_of(self.places)
