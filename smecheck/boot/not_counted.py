"""What was said of the machine that loads and does not count for the answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smecheck.evidence import Known
from smecheck.load.request import ADDRESSES
from smecheck.load.segments import Loader
from smecheck.record import field_names

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from smecheck.boot.boot import Boot
    from smecheck.case import Case
    from smecheck.load.request import AskedLoad, Machine
    from smecheck.machine.host import Host

_ALWAYS_COUNTS = ("source", "firmware_map", "kexec_options")
"""Fields of a host that bear on more than where kexec puts things: on the machine's memory, and on
how the kernel is entered."""

_NEVER_COUNTS = ("gbpages",)
"""Fields on which nothing depends: a workarea can be mapped in the same 1 GiB frames either way."""

_COUNTS_FOR_KDUMP = ("crash_cma_ranges", "kernel_release", "cmdline")
"""What shows where else a crash kernel may run."""

_COUNTS_FOR_PROOF = ("kexec_tools", "kernel_release", "cmdline", "cma")
"""What shows whether a load that nobody knows keeps to what a proof takes for granted."""

_OF_CRASH_LOADS = ("cpus", "vmcoreinfo", "dm_crypt_keys", "crash_cma_ranges")
"""Fields of a host that only ``kexec -p`` depends on."""


_FIRST_BOOT = "the question is a first boot, not a load"


def irrelevant(case: Case, boot: Boot) -> tuple[str, ...]:
    """Say what of the machine does not count for the answer, where no load is predicted.

    Args:
        case: for which no load is predicted.
        boot: as it was understood.
    """
    machine, asked = case.machine, case.asked
    if not boot.path.by_kexec and asked.loader is not None:
        option = f"{asked.loader.origin} {asked.loader.value.value}"
        return (*_sentence([option], _FIRST_BOOT), *_of_machine(case, boot, machine))
    return _of_machine(case, boot, machine)


def _of_machine(case: Case, boot: Boot, machine: Machine | None) -> tuple[str, ...]:
    if machine is None or case.cross_check:
        return ()
    counting: tuple[str, ...] = _ALWAYS_COUNTS
    if boot.path.is_crash:
        counting += _COUNTS_FOR_KDUMP
    if case.segments is None and boot.path.by_kexec:
        counting += _COUNTS_FOR_PROOF
    given = (name for name in field_names(machine.host) if name not in counting)
    names = [*_said(machine.host, given), *_window(machine)]
    why = "no load is predicted"
    if case.segments is not None:
        why = "the load is recorded, not predicted (--cross-check does both)"
    elif not boot.path.by_kexec:
        why = _FIRST_BOOT
    return _sentence(names, why)


def irrelevant_to_load(case: Case, asked: AskedLoad) -> tuple[str, ...]:
    """Say what of the machine does not count for the load that is predicted."""
    machine = case.machine
    if machine is None:
        return ()
    loader, mode = asked.loader.value, asked.mode.value
    others = (name for other in Loader if other is not loader for name in other.rules.host_fields)
    kept_back = () if loader.rules.hands_over_crash_cma else ("crash_cma_ranges",)
    of_crash = () if mode.is_crash else _OF_CRASH_LOADS
    names = dict.fromkeys((*others, *of_crash, *kept_back, *_NEVER_COUNTS))
    why = f"a {loader.value} of mode {mode.value} does not depend on it"
    return _sentence([*_said(machine.host, names)], why)


def _sentence(names: list[str], why: str) -> tuple[str, ...]:
    if not names:
        return ()
    does = "does" if len(names) == 1 else "do"
    return (f"{', '.join(names)} {does} not count: {why}",)


def _said(host: Host, names: Iterable[str]) -> Iterator[str]:
    """Yield which of these fields somebody gave: as an option, or as a key of a description."""
    for name in names:
        value = getattr(host, name)
        origin = value.origin if isinstance(value, Known) else ""
        if origin.startswith("--"):
            yield origin
        elif host.source is not None and (
            origin.startswith(f"{host.source}:") or (name == "crash_kernel" and value is not None)
        ):
            yield f"{_KEYS.get(name, name)} ({host.source})"
        elif name == "crash_cma_ranges" and origin:
            yield "--crash-cma"


_KEYS = {"purgatory_size": "purgatory", "kernel_purgatory_size": "kernel_purgatory"}
"""Keys of a description that are not called what their fields are."""


def _window(machine: Machine) -> Iterator[str]:
    if machine.window.start != ADDRESSES.start:
        yield "--mem-min"
    if machine.window.end != ADDRESSES.end:
        yield "--mem-max"
