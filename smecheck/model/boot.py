"""The boot that is asked about: what the user says of it, and what follows from the evidence."""

from __future__ import annotations

from enum import Enum

from smecheck.evidence import Fact, Unknown
from smecheck.model.segments import Loader, Mode
from smecheck.record import record
from smecheck.span import Span


class Path(Enum):
    """How the kernel is started."""

    FIRST_BOOT = "first-boot"
    KEXEC = "kexec"
    KDUMP = "kdump"


class Switch(Enum):
    """A feature of the kernel that is booted, as the user states it."""

    ON = "on"
    OFF = "off"
    AUTO = "auto"


class Paging(Enum):
    """Levels of page tables at entry, as the user states it."""

    FOUR = "4"
    FIVE = "5"
    AUTO = "auto"


class SmeState(Enum):
    """Whether the kernel that is booted will use SME."""

    ACTIVE = "active"
    INACTIVE = "inactive"
    UNKNOWN = "unknown"


@record
class BootRequest:
    """What the user says of the boot; every field may be left open."""

    path: Path | None = None
    loader: Loader | None = None
    mode: Mode | None = None
    load_address: int | None = None
    """Physical ``_text``: where the kernel really runs."""
    initrd_size: int | None = None
    """Bytes; 0 states that there is none."""
    cmdline: str | None = None
    kaslr: Switch = Switch.AUTO
    sme: Switch = Switch.AUTO
    paging: Paging = Paging.AUTO
    loader_origin: str = "--loader"
    mode_origin: str = "--mode"
    """Who says these two, for whoever wants to know."""


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
    sme: SmeState
    sme_evidence: tuple[str, ...]
    paging: Fact[int]
    """4 or 5."""
    initrd: Initrd
    cmdline: Fact[str] = Unknown("no command line was given")
    base_condition: str = "KASLR leaves the kernel where it was loaded"
    """What must hold for the kernel to run at ``kernel_base``, where that is not certain."""
    assumptions: tuple[str, ...] = ()
