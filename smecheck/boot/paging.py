"""How many levels of page tables the kernel being booted is entered with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smecheck.boot.boot import Paging
from smecheck.evidence import Fact, Known, Unknown
from smecheck.kernel.cmdline import has_word
from smecheck.quantity import address_text
from smecheck.workarea.placement import Generation

if TYPE_CHECKING:
    from smecheck.kernel.identity import KernelFacts
    from smecheck.kernel.image import KernelImage

_XLF_5LEVEL = 0x20
_XLF_5LEVEL_ENABLED = 0x40
"""arch/x86/include/uapi/asm/bootparam.h, xloadflags, v5.2: the first one says no more than that
this header tells of 5-level paging, the second one that the kernel was built with it. v6.17 removed
CONFIG_X86_5LEVEL: since then every kernel has it."""

_OPTION = "CONFIG_X86_5LEVEL"

_FOUR_LEVELS_ONLY = {Generation.V4_17, Generation.RFC}


def has_five_levels(image: KernelImage) -> Fact[bool]:
    """Tell whether the kernel was built with 5-level paging, by its header or its configuration."""
    xloadflags = image.header.other.get("xloadflags", 0)
    if xloadflags & _XLF_5LEVEL:
        enabled = bool(xloadflags & _XLF_5LEVEL_ENABLED)
        state = "set" if enabled else "clear"
        return Known(
            enabled,
            f"XLF_5LEVEL_ENABLED is {state} in xloadflags {address_text(xloadflags)} of the header",
        )
    option = image.config.get(_OPTION)
    if option is not None:
        return Known(option == "y", f"{_OPTION}={option}")
    return Unknown("neither its header nor its configuration tells of 5-level paging")


def paging_contradicted(asked: Paging, image: KernelImage) -> str | None:
    """Say why the levels that are asked for cannot be, or return ``None``."""
    built = has_five_levels(image)
    if asked is not Paging.FIVE or not isinstance(built, Known) or built.value:
        return None
    return f"the kernel was built for 4-level paging alone: {built.origin}"


def paging_at_entry(
    asked: Paging,
    image: KernelImage,
    facts: KernelFacts,
    cmdline: Fact[str],
    assumptions: list[str],
) -> Fact[int]:
    """Return the levels, 4 or 5; what had to be assumed is added to ``assumptions``."""
    built = has_five_levels(image)
    if isinstance(built, Known) and not built.value:
        contradicted = paging_contradicted(asked, image)
        if contradicted is not None:
            assumptions.append(f"4-level paging at entry, not 5 as asked: {contradicted}")
        return Known(4, built.origin)
    if asked is not Paging.AUTO:
        return Known(int(asked.value), f"--paging {asked.value}")
    if isinstance(cmdline, Known) and has_word(cmdline.value, "no5lvl"):
        return Known(4, f"no5lvl on the command line ({cmdline.origin})")
    if set(facts.generations) <= _FOUR_LEVELS_ONLY:
        assumptions.append(
            "4-level paging at entry: the SME code of this generation builds no 5-level tables "
            "(--paging 5 to see the sizes it would compute)"
        )
        return Known(4, "the SME code of this generation builds 4-level tables")
    assumptions.append(
        "4- or 5-level paging is not known (--paging): extents hold for both, the surely written "
        "one for the smaller, the worst one for the larger"
    )
    return Unknown("whether the CPU and the loader use LA57 is not known")
