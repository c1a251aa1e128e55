"""What the user says of the boot that is asked about: every word of it may be left open."""

from __future__ import annotations

from enum import Enum

from smecheck.load.segments import Loader, Mode
from smecheck.record import record


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
    cmdline_origin: str = "--cmdline"
    initrd_origin: str = "--initrd"
    """Who says these, for whoever wants to know."""
    empty_initrd: bool = False
    """kexec is given a file without content for an initrd, which it refuses."""
    path_premise: str | None = None
    """Why ``path`` is taken to be that, where the user does not say so."""
