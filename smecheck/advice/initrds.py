"""Another size of the initrd: where kexec puts it depends on the gap that it fits into."""

from __future__ import annotations

from smecheck.advice.present import WhatIf
from smecheck.advice.trial import Trial, try_out
from smecheck.model.advice import Cost
from smecheck.placement.question import Question
from smecheck.quantity import size_text
from smecheck.record import replace
from smecheck.span import align_up

_STEP = 1 << 20
_SMALLER = (2, 4, 8)
_LARGER = (2, 4, 8, 16)


def other_initrd(predicted: Question) -> Trial | None:
    """Return the load with the size nearest to the present one with which it is safe."""
    size = predicted.boot.initrd_size
    if not size:
        return None
    smaller = [align_up(size // part, 4096) for part in _SMALLER]
    larger = [align_up(size * times, _STEP) for times in _LARGER]
    for other in sorted({*smaller, *larger} - {size}, key=lambda other: abs(other - size)):
        change = "make the initrd smaller" if other < size else "make the initrd larger (pad it)"
        trial = try_out(
            WhatIf(
                f"{change}: {size_text(other)} instead of {size_text(size)}",
                Cost.INITRD,
                replace(predicted, boot=replace(predicted.boot, initrd_size=other)),
            )
        )
        if trial.helps:
            return trial
    return None
