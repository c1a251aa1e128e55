"""The boot that is asked about, as the user's words and the evidence show it together."""

from __future__ import annotations

from enum import Enum

from smecheck.asked import Path
from smecheck.evidence import Fact, Known, Unknown
from smecheck.load.segments import Loader, Mode
from smecheck.record import record
from smecheck.span import Span


class SmeState(Enum):
    """Whether the kernel that is booted will use SME."""

    ACTIVE = "active"
    INACTIVE = "inactive"
    UNKNOWN = "unknown"


@record
class SmeAnswer:
    """The state of SME, and what it follows from."""

    state: SmeState
    evidence: tuple[str, ...]
    """The first text decides."""
    settled_by: str = ""
    """What would settle it, as a next step; empty where it is known."""
    presumed_off: str | None = None
    """Why it is taken to be off although no word of a kernel says so; only where unknown."""


SME_UNKNOWN_WITHOUT_CMDLINE = SmeAnswer(
    SmeState.UNKNOWN,
    ("the command line of the kernel is not known",),
    "give the command line of the kernel being booted (--cmdline) and its configuration (--config)",
)


@record
class Initrd:
    """The initrd of the boot: its place, or only its size, or that there is none."""

    span: Span | None
    """Physical, up to its last byte (not rounded to a page)."""
    size: int
    """Bytes; 0 where there is none."""
    origin: str


NO_INITRD_ASSUMED = Initrd(None, 0, "assumed")
"""Nothing is known of an initrd."""

ANY_INITRD = Initrd(None, 1 << 30, "any initrd of up to 1 GiB")
"""What a proof allows for where nothing is known of an initrd."""


SME_IS_ON = "SME is on"
"""What everything about the workarea is conditional on while it is not known."""


@record
class Boot:
    """The boot as it was understood; the evidence for each point beside it."""

    path: Path
    loader: Fact[Loader]
    mode: Fact[Mode]
    load_address: Fact[int]
    """Where the loader put the kernel (start of the kernel segment)."""
    kernel_base: Fact[int]
    """Physical address of ``_text`` when the workarea is used."""
    base_is_certain: bool
    """False where KASLR may put the kernel elsewhere than ``kernel_base``."""
    kaslr: Fact[bool]
    sme_answer: SmeAnswer
    paging: Fact[int]
    """4 or 5."""
    initrd: Initrd
    cmdline: Fact[str] = Unknown("no command line was given")
    base_condition: str = "KASLR leaves the kernel where it was loaded"
    """What must hold for the kernel to run at ``kernel_base``, where that is not certain."""
    base_is_stated: bool = False
    """``kernel_base`` is what the user says (--load-address), not what follows from the load."""
    assumptions: tuple[str, ...] = ()

    @property
    def sme(self) -> SmeState:
        """Whether the kernel will use SME."""
        return self.sme_answer.state

    @property
    def sme_evidence(self) -> tuple[str, ...]:
        """What that follows from; the first text decides."""
        return self.sme_answer.evidence

    @property
    def sme_condition(self) -> str | None:
        """What the use of the workarea is conditional on; ``None`` where SME is known."""
        return SME_IS_ON if self.sme is SmeState.UNKNOWN else None


@record
class UnpackRules:
    """The facts that decide where the decompressor unpacks a kernel to."""

    alignment: Known[int]
    """kernel_alignment, CONFIG_PHYSICAL_ALIGN."""
    load_physical_address: Fact[int]
    """pref_address, LOAD_PHYSICAL_ADDR: the lowest place a kernel runs at."""
    relocatable: Known[bool]
    assumptions: tuple[str, ...]
