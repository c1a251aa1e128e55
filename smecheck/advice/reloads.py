"""Loading the same kernel by other means: the other system call, another kexec-tools, a window."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from smecheck.advice.present import WhatIf
from smecheck.advice.trial import Trial, try_out
from smecheck.evidence import Known
from smecheck.model.advice import Cost
from smecheck.model.memory import MemoryMap
from smecheck.model.segments import Loader, Mode
from smecheck.placement.kexec.kexec_tools import NEWEST, ToolsChange
from smecheck.placement.kexec.predicted_load import Machine
from smecheck.placement.kexec.versions import version_text
from smecheck.placement.question import Question
from smecheck.quantity import address_text
from smecheck.record import replace
from smecheck.span import Span

_OTHER_CALL = {
    Loader.KEXEC_LOAD: (Loader.KEXEC_FILE_LOAD, "kexec -s"),
    Loader.KEXEC_FILE_LOAD: (Loader.KEXEC_LOAD, "kexec -c"),
}

_WINDOW_STEP = 64 << 10
"""Fine enough to find a gap of a few pages behind a kernel that is aligned to 2 MiB."""

_WINDOW_STEPS = 128
"""8 MiB: more than the workarea and the alignment take together."""

_RAM_RANGES = 3
"""How many of the highest ranges of RAM are tried."""


def other_call(predicted: Question) -> WhatIf | None:
    """Return the load by the other system call."""
    loader = predicted.boot.loader
    if loader is None:
        return None
    other, option = _OTHER_CALL[loader]
    return WhatIf(
        f"load it with {other.value} ({option})",
        Cost.RELOAD,
        replace(predicted, boot=replace(predicted.boot, loader=other)),
    )


def other_tools(predicted: Question) -> Iterator[WhatIf]:
    """Yield the load by other generations of kexec-tools, where these decide the placement."""
    if predicted.boot.loader is not Loader.KEXEC_LOAD:
        return
    machine = predicted.machine or Machine()
    versions = {change.since for change in ToolsChange} | {NEWEST}
    for version in sorted(versions, reverse=True):
        text = version_text(version)
        host = replace(machine.host, kexec_tools=Known(text, "what if"))
        yield WhatIf(
            f"load it with kexec-tools {text}",
            Cost.RELOAD,
            replace(predicted, machine=replace(machine, host=host)),
        )


def window(predicted: Question) -> Trial | None:
    """Return the highest ``--mem-max`` with which the load is safe, if there is one.

    kexec_file_load has no such window.
    """
    if predicted.boot.loader is not Loader.KEXEC_LOAD:
        return None
    for last in _last_addresses(predicted):
        machine = predicted.machine or Machine()
        if last <= machine.window.start:
            continue
        narrowed = replace(machine, window=Span(machine.window.start, last + 1))
        trial = try_out(
            WhatIf(
                f"load it with --mem-max={address_text(last)}",
                Cost.RELOAD,
                replace(predicted, machine=narrowed),
            )
        )
        if trial.helps:
            return trial
    return None


def _last_addresses(predicted: Question) -> Iterator[int]:
    if predicted.memory is None:
        return
    for top in _tops(predicted.memory, predicted.boot.mode):
        yield from (top - 1 - step * _WINDOW_STEP for step in range(1, _WINDOW_STEPS))


def _tops(memory: MemoryMap, mode: Mode | None) -> Iterable[int]:
    """Return the ends of what may be loaded into, the highest first."""
    if mode is Mode.CRASH:
        return [region.span.end for region in memory.crash_kernel[-1:]]
    return sorted((span.end for span in memory.system_ram), reverse=True)[:_RAM_RANGES]
