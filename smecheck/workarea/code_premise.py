"""What every placement rests on: that the code which was compiled does what its source says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smecheck.evidence import value_of

if TYPE_CHECKING:
    from smecheck.kernel.facts import KernelFacts

COMPUTES_AS_UPSTREAM = (
    "this build's compiled SME code computes as upstream's: it was not run, and a compiler or a "
    "patch may have made something else of it"
)


def code_premise(facts: KernelFacts) -> tuple[str, ...]:
    """Return what has to be said of the code of that kernel; nothing where it has none."""
    return () if value_of(facts.sme_code) is False else (COMPUTES_AS_UPSTREAM,)
