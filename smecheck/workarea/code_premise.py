"""What every placement rests on: that the code which was compiled does what its source says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smecheck.evidence import value_of
from smecheck.kernel.verification import AS_UPSTREAM

if TYPE_CHECKING:
    from smecheck.kernel.facts import KernelFacts
    from smecheck.kernel.verification import Verification

COMPUTES_AS_UPSTREAM = (
    f"{AS_UPSTREAM}: it was not run, and a compiler or a patch may have made something else of it"
)


def code_premise(facts: KernelFacts, verification: Verification | None = None) -> tuple[str, ...]:
    """Return what has to be said of the code of that kernel; nothing where it has none."""
    if value_of(facts.sme_code) is False:
        return ()
    return (COMPUTES_AS_UPSTREAM if verification is None else verification.premise,)
