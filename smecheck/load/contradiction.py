"""What is said of one load in several places, held against each other.

The user's options, the options that kexec was given and the record of a load each say how it was
made. They are about one and the same load: where two of them differ, nothing can be answered.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import TYPE_CHECKING

from smecheck.asked import BootRequest
from smecheck.evidence import Known
from smecheck.load.segments import Loader, Mode
from smecheck.record import record
from smecheck.span import SpanSet

if TYPE_CHECKING:
    from smecheck.load.kexec_options import KexecOptions
    from smecheck.load.request import Machine
    from smecheck.load.segments import SegmentList
    from smecheck.machine.kernel_log import KernelLog
    from smecheck.machine.memory import MemoryMap

_LEADS_TO = "kexec -l (--mode load) leads to --path kexec, kexec -p (--mode crash) to kdump"
_ONE_LOAD = "these describe one load: leave out the one that does not"


@record
class Contradiction:
    """Two statements that cannot both be true."""

    message: str
    help_text: str


@record
class _Said:
    """A statement."""

    text: str
    """Who says what: ``--mode crash``."""
    value: Enum | None
    """``None`` for a boot without a load."""


def contradiction(
    asked: BootRequest, machine: Machine | None, load: SegmentList | None
) -> Contradiction | None:
    """Return the first contradiction among what is said of the load, if there is one."""
    options = _options(machine)
    modes = [*_modes(asked, options), *_recorded_mode(asked, load)]
    return (
        _differing(modes, _LEADS_TO)
        or _differing([*_loaders(asked, options), *_recorded_loader(load)], _ONE_LOAD)
        or (_window(machine, options) if machine and options else None)
        or (_initrd(asked, options) if options else None)
    )


def other_reservation(machine: Machine | None, memory: MemoryMap | None) -> Contradiction | None:
    """Return what a host says of the crash reservation, where /proc/iomem shows another one."""
    stated = machine.host.crash_kernel if machine is not None else None
    shown = [region.span for region in memory.crash_kernel] if memory is not None else []
    if machine is None or memory is None or stated is None or not shown or stated in shown:
        return None
    region = memory.crash_kernel[-1]
    return Contradiction(
        f"crash_kernel {stated!r} of {machine.host.source} contradicts "
        f"{memory.where(region)}, which shows Crash kernel at {region.span!r}",
        "leave crash_kernel out: it is for a machine whose /proc/iomem is not known",
    )


def other_crash_areas(machine: Machine | None, log: KernelLog | None) -> Contradiction | None:
    """Return what a host says of the areas of crashkernel=…,cma, where its log shows others."""
    stated = machine.host.crash_cma_ranges if machine is not None else None
    logged = log.boot.crash_cma if log is not None else None
    if not isinstance(stated, Known) or logged is None or logged.spans is None:
        return None
    if SpanSet(stated.value) == SpanSet(logged.spans):
        return None
    said, shown = (
        ", ".join(repr(span) for span in SpanSet(spans)) or "none"
        for spans in (stated.value, logged.spans)
    )
    return Contradiction(
        f"the areas of crashkernel=…,cma, {said} ({stated.origin}), contradict those that the log "
        f"shows, {shown} ({logged.where})",
        "give the log, and /sys/kernel/kexec/crash_cma_ranges, of one boot",
    )


def mode_asked(asked: BootRequest, machine: Machine | None) -> Mode | None:
    """Return the mode of the load that is asked about, as far as anybody says."""
    said = next(iter(_modes(asked, _options(machine))), None)
    return said.value if said is not None and isinstance(said.value, Mode) else None


def loader_asked(asked: BootRequest, machine: Machine | None) -> Loader | None:
    """Return the system call that is asked about, as far as anybody says."""
    said = next(iter(_loaders(asked, _options(machine))), None)
    return said.value if said is not None and isinstance(said.value, Loader) else None


def _options(machine: Machine | None) -> tuple[str, KexecOptions] | None:
    """Return the options that kexec is given, and where they stand."""
    if machine is None or not machine.host.kexec_options:
        return None
    from smecheck.load.kexec_options import options_of_host

    return f"kexec_options of {machine.host.source}", options_of_host(machine.host)


def _modes(asked: BootRequest, options: tuple[str, KexecOptions] | None) -> Iterator[_Said]:
    if asked.path is not None:
        yield _Said(f"--path {asked.path.value}", asked.path.mode)
    if asked.mode is not None:
        yield _Said(f"{asked.mode.origin} {asked.mode.value.value}", asked.mode.value)
    if options is not None and options[1].mode is not None and not asked.is_first_boot:
        mode = options[1].mode
        yield _Said(f"kexec {mode.option} ({options[0]})", mode)


def _recorded_mode(asked: BootRequest, load: SegmentList | None) -> Iterator[_Said]:
    if load is None:
        return
    if isinstance(load.mode, Known):
        mode = load.mode.value
        yield _Said(f"the load, which is of mode {mode.value} ({load.mode.origin})", mode)
    elif asked.is_first_boot:
        yield from _recorded_loader(load)


def _loaders(asked: BootRequest, options: tuple[str, KexecOptions] | None) -> Iterator[_Said]:
    if asked.loader is not None:
        yield _Said(f"{asked.loader.origin} {asked.loader.value.value}", asked.loader.value)
    if options is not None and options[1].loader is not None:
        loader = options[1].loader
        yield _Said(f"kexec {loader.rules.option} ({options[0]})", loader)


def _recorded_loader(load: SegmentList | None) -> Iterator[_Said]:
    if load is not None and isinstance(load.loader, Known):
        loader = load.loader.value
        yield _Said(f"the load, which is a {loader.value} ({load.loader.origin})", loader)


def _differing(said: list[_Said], help_text: str) -> Contradiction | None:
    for other in said[1:]:
        if other.value is not said[0].value:
            return Contradiction(f"{said[0].text} contradicts {other.text}", help_text)
    return None


def _window(machine: Machine, options: tuple[str, KexecOptions]) -> Contradiction | None:
    from smecheck.load.request import ADDRESSES

    where, given = options
    low, last = machine.window.start, machine.window.end - 1
    for name, option, value, unset in (
        ("--mem-min", given.mem_min, low, ADDRESSES.start),
        ("--mem-max", given.mem_max, last, ADDRESSES.end - 1),
    ):
        if option is not None and value not in (option, unset):
            text = f"{name} {value:#x} contradicts {name}={option:#x} in {where}"
            return Contradiction(text, _ONE_LOAD)
    return None


def _initrd(asked: BootRequest, options: tuple[str, KexecOptions]) -> Contradiction | None:
    where, given = options
    if given.initrd is None or asked.initrd is None:
        return None
    if asked.initrd.value.loaded_size is not None:
        return None
    text = f"--initrd 0 contradicts --initrd={given.initrd} in {where}"
    return Contradiction(text, "give the file, or its size in bytes")
