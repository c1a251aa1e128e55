"""What was said of the machine that loads and does not count, because no load is predicted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smecheck.asked import Path
from smecheck.evidence import Known
from smecheck.load.request import ADDRESSES
from smecheck.record import field_names

if TYPE_CHECKING:
    from collections.abc import Iterator

    from smecheck.boot.boot import Boot
    from smecheck.case import Case
    from smecheck.load.request import Machine

_ALWAYS_COUNTS = ("source", "gbpages", "firmware_map", "kexec_options")
"""Fields of a host that bear on more than where kexec puts things: on the page tables at entry, on
the machine's memory, and on how the kernel is entered."""

_COUNTS_FOR_KDUMP = ("crash_cma_ranges", "kernel_release", "cmdline")
"""What tells where else a crash kernel may run."""


def irrelevant(question: Case, boot: Boot) -> tuple[str, ...]:
    """Say what of the machine does not count for the answer.

    Args:
        question: for which no load is predicted.
        boot: as it was understood.
    """
    machine = question.machine
    if machine is None or question.cross_check:
        return ()
    names = [*_names(machine, boot.path)]
    if not names:
        return ()
    why = "no load is predicted"
    if question.segments is not None:
        why = "the load is recorded, not predicted (--cross-check does both)"
    elif boot.path is Path.FIRST_BOOT:
        why = "a first boot is asked about, not a load"
    does = "does" if len(names) == 1 else "do"
    return (f"{', '.join(names)} {does} not count: {why}",)


def _names(machine: Machine, path: Path) -> Iterator[str]:
    """Yield options and keys of a description that only say where a load is put."""
    host, window = machine.host, machine.window
    counting = (*_ALWAYS_COUNTS, *(_COUNTS_FOR_KDUMP if path is Path.KDUMP else ()))
    for name in field_names(host):
        value = getattr(host, name)
        if name in counting or not (isinstance(value, Known) or name == "crash_kernel"):
            continue
        origin = value.origin if isinstance(value, Known) else ""
        if value is not None:
            yield origin if origin.startswith("--") else f"{name} ({host.source})"
    if window.start != ADDRESSES.start:
        yield "--mem-min"
    if window.end != ADDRESSES.end:
        yield "--mem-max"
