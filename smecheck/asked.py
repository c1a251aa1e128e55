"""What the user says of the boot that is asked about: every word of it may be left open."""

from __future__ import annotations

from enum import Enum
from functools import cached_property
from typing import assert_never

from smecheck.evidence import Known
from smecheck.load.segments import Loader, Mode
from smecheck.record import record, replace


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
class GivenInitrd:
    """The initrd as it is named: so many bytes, or a file."""

    size: int
    """Bytes; 0 of no file states that there is none."""
    is_file: bool = False

    @property
    def loaded_size(self) -> int | None:
        """Bytes of what kexec is given, which refuses a file of 0; ``None`` where there is none."""
        return self.size if self.size or self.is_file else None


@record
class BootRequest:
    """What is said of the boot; every field may be left open.

    What others than the user may say, too, has with it who says so.
    """

    path: Path | None = None
    loader: Known[Loader] | None = None
    mode: Known[Mode] | None = None
    load_address: int | None = None
    """Physical ``_text``: where the kernel really runs."""
    initrd: Known[GivenInitrd] | None = None
    cmdline: Known[str] | None = None
    kaslr: Switch = Switch.AUTO
    sme: Switch = Switch.AUTO
    paging: Paging = Paging.AUTO
    path_premise: str | None = None
    """Why ``path`` is taken to be that, where the user does not say so."""

    def completed(self, *, by: BootRequest) -> BootRequest:
        """Return the request with what it leaves open as another one says it."""
        left_open = (None, Switch.AUTO, Paging.AUTO)
        return replace(
            self,
            **{name: getattr(by, name) for name in OPTIONS if getattr(self, name) in left_open},
        )

    @property
    def is_first_boot(self) -> bool:
        """Whether it is said that the kernel is not loaded by kexec."""
        return self.path is not None and not self.path.by_kexec

    @property
    def is_crash(self) -> bool:
        """Whether it is said that the boot is that of a crash kernel."""
        by_path = self.path is not None and self.path.is_crash
        return by_path or (self.mode is not None and self.mode.value.is_crash)


OPTIONS: tuple[str, ...] = tuple(
    name for name in BootRequest.__match_args__ if name != "path_premise"
)
"""The names of what the user may say of the boot, in order."""


def asked_by_options(
    *,
    path: Path | None = None,
    loader: Loader | None = None,
    mode: Mode | None = None,
    load_address: int | None = None,
    initrd: GivenInitrd | None = None,
    cmdline: str | None = None,
    kaslr: Switch = Switch.AUTO,
    sme: Switch = Switch.AUTO,
    paging: Paging = Paging.AUTO,
) -> BootRequest:
    """Return what the user says with the options of these names."""
    return BootRequest(
        path=path,
        loader=None if loader is None else Known(loader, "--loader"),
        mode=None if mode is None else Known(mode, "--mode"),
        load_address=load_address,
        initrd=None if initrd is None else Known(initrd, "--initrd"),
        cmdline=None if cmdline is None else Known(cmdline, "--cmdline"),
        kaslr=kaslr,
        sme=sme,
        paging=paging,
    )
