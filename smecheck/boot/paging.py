"""How many levels of page tables the kernel being booted is entered with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smecheck.asked import Paging
from smecheck.evidence import Fact, Known, Unknown
from smecheck.kernel.cmdline import has_word
from smecheck.kernel.five_levels import has_five_levels
from smecheck.kernel.generations import GENERATION_RULES

if TYPE_CHECKING:
    from smecheck.kernel.facts import KernelFacts
    from smecheck.kernel.image import KernelImage


_FOUR_LEVELS_ONLY = {
    generation for generation, rules in GENERATION_RULES.items() if not rules.builds_five_levels
}


def paging_contradicted(asked: Paging, image: KernelImage) -> str | None:
    """Say why the levels that are asked for cannot be, or return ``None``."""
    built = has_five_levels(image)
    if asked is not Paging.FIVE or not isinstance(built, Known) or built.value:
        return None
    return f"the kernel was built for 4-level paging alone: {built.origin}"


def paging_at_entry(
    asked: Paging, image: KernelImage, facts: KernelFacts, cmdline: Fact[str]
) -> tuple[Fact[int], tuple[str, ...]]:
    """Return the levels, 4 or 5, and what had to be assumed for that."""
    built = has_five_levels(image)
    if isinstance(built, Known) and not built.value:
        contradicted = paging_contradicted(asked, image)
        if contradicted is None:
            return Known(4, built.origin), ()
        return Known(4, built.origin), (
            f"4-level paging at entry, not 5 as requested: {contradicted}",
        )
    if asked is not Paging.AUTO:
        return Known(int(asked.value), f"--paging {asked.value}"), ()
    if isinstance(cmdline, Known) and has_word(cmdline.value, "no5lvl"):
        return Known(4, f"no5lvl on the command line ({cmdline.origin})"), ()
    if set(facts.generations) <= _FOUR_LEVELS_ONLY:
        return Known(4, "the SME code of this generation builds 4-level tables"), (
            "4-level paging at entry: the SME code of this generation builds no 5-level tables "
            "(--paging 5 to see the sizes it would compute)",
        )
    return Unknown("whether the CPU and the loader use LA57 is not known"), (
        "4- or 5-level paging is not known (--paging): extents hold for both, the surely written "
        "one for the smaller, the worst one for the larger",
    )
