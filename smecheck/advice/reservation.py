"""Another crashkernel size: the reservation that a crash kernel is loaded into."""

from __future__ import annotations

from smecheck.advice.present import WhatIf
from smecheck.advice.trial import Trial, try_out
from smecheck.model.advice import Advice, Cost
from smecheck.model.memory import MemoryMap, Region
from smecheck.model.segments import Mode
from smecheck.placement.question import Question
from smecheck.quantity import size_text
from smecheck.record import replace
from smecheck.span import Span, align_up

_ALIGNMENT = 16 << 20
"""arch/x86/include/asm/crash_reserve.h, CRASH_ALIGN: what the kernel aligns a reservation to."""

_LEAST = 64 << 20
_MOST = 1 << 30
_KEEPS_ITS_END = (
    "assumed: the reservation keeps its end and grows downwards; where the kernel reserves it is "
    "known after a reboot only"
)
_RELATIVE = (
    "kexec places from the end of the reservation downwards, and what the workarea meets moves "
    "along with the kernel: a larger crashkernel= does not help"
)


def other_reservation(predicted: Question) -> Advice | None:
    """Return the smallest crashkernel= with which the load is safe, or why no size helps."""
    memory = predicted.memory
    if predicted.boot.mode is not Mode.CRASH or memory is None or not memory.crash_kernel:
        return None
    present = memory.crash_kernel[-1]
    trials = [
        try_out(_with_size(predicted, memory, present, size)) for size in _sizes(memory, present)
    ]
    safe = [index for index, trial in enumerate(trials) if trial.helps]
    if safe:
        always = len(safe) == len(trials) - safe[0]
        return trials[safe[0]].advice(
            _KEEPS_ITS_END,
            "every larger size that was tried is safe too" if always else "not every larger one is",
        )
    larger = [trial for trial in trials if _size_of(trial) > present.span.size]
    if not larger:
        return None
    tried = f"no size up to {size_text(_size_of(larger[-1]))} that was tried is safe"
    return larger[0].advice(_RELATIVE, tried, _KEEPS_ITS_END)


def _size_of(trial: Trial) -> int:
    memory = trial.what_if.question.memory
    return memory.crash_kernel[-1].span.size if memory is not None else 0


def _sizes(memory: MemoryMap, present: Region) -> range:
    """Return the sizes that leave the reservation in free memory, its end where it is."""
    around = [r for r in memory.regions if r.depth < present.depth and r.span.covers(present.span)]
    below = [r for r in memory.regions if r not in around and r.span.end <= present.span.start]
    lowest = max([r.span.start for r in around] + [r.span.end for r in below], default=0)
    room = present.span.end - align_up(lowest, _ALIGNMENT)
    return range(_LEAST, min(room, _MOST) + 1, _ALIGNMENT)


def _with_size(predicted: Question, memory: MemoryMap, present: Region, size: int) -> WhatIf:
    span = Span(present.span.end - size, present.span.end)
    regions = [replace(one, span=span) if one is present else one for one in memory.regions]
    regions.sort(key=lambda one: (one.span.start, -one.span.end, one.depth))
    changed = replace(memory, regions=tuple(regions))
    return WhatIf(
        f"reserve crashkernel={size >> 20}M instead of {size_text(present.span.size)}",
        Cost.REBOOT,
        replace(predicted, memory=changed),
    )
