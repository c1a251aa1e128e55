"""What the user says of the boot that is asked about: every word of it may be left open."""

from __future__ import annotations

from enum import Enum
from functools import cached_property
from typing import assert_never

from smecheck.load.segments import Loader, Mode
from smecheck.record import record


class Path(Enum):
    """How the kernel is started."""

    FIRST_BOOT = "first-boot"
    KEXEC = "kexec"
    KDUMP = "kdump"

    # Cached, so that it is a plain attribute of the member from then on.
    @cached_property
    def mode(self) -> Mode | None:
        """What kexec loads for it; ``None`` where the kernel is not loaded by kexec."""
        match self:
            case Path.FIRST_BOOT:
                return None
            case Path.KEXEC:
                return Mode.LOAD
            case Path.KDUMP:
                return Mode.CRASH
            case _:
                assert_never(self)

    @cached_property
    def by_kexec(self) -> bool:
        """Whether a running kernel loads and starts it; else firmware and a boot loader do."""
        return self.mode is not None

    @cached_property
    def is_crash(self) -> bool:
        """Whether a crash kernel is started, in memory that is reserved for it."""
        mode = self.mode
        return mode is not None and mode.is_crash


def path_of(mode: Mode) -> Path:
    """Return how the kernel is started that kexec loads so."""
    return next(path for path in Path if path.mode is mode)


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

    @property
    def is_first_boot(self) -> bool:
        """Whether it is said that the kernel is not loaded by kexec."""
        return self.path is not None and not self.path.by_kexec

    @property
    def is_crash(self) -> bool:
        """Whether it is said that the boot is that of a crash kernel."""
        by_path = self.path is not None and self.path.is_crash
        return by_path or (self.mode is not None and self.mode.is_crash)
