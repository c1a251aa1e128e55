"""Whether a kernel was built with 5-level paging."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smecheck.evidence import Fact, Known, Unknown
from smecheck.quantity import address_text

if TYPE_CHECKING:
    from smecheck.kernel.image import KernelImage


_XLF_5LEVEL = 0x20


_XLF_5LEVEL_ENABLED = 0x40
"""arch/x86/include/uapi/asm/bootparam.h, xloadflags, v5.2: the first one says no more than that
this header shows 5-level paging, the second one that the kernel was built with it. v6.16 removed
CONFIG_X86_5LEVEL: since then every kernel has it."""


_OPTION = "CONFIG_X86_5LEVEL"


def has_five_levels(image: KernelImage) -> Fact[bool]:
    """Return whether the kernel was built with 5-level paging, by header or configuration."""
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
    return Unknown("neither its header nor its configuration mentions 5-level paging")
