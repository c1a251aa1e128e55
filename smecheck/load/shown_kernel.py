"""The kernel that a resource map shows running: whether it is the one in hand, and where it is.

arch/x86/kernel/setup.c, setup_arch(), inserts "Kernel code" at ``_text`` and "Kernel bss" at
``__bss_start``: their distance is that of the link addresses, wherever KASLR put the kernel.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from smecheck.evidence import Fact, Known, Unknown
from smecheck.quantity import address_text

if TYPE_CHECKING:
    from smecheck.kernel.facts import KernelFacts
    from smecheck.kernel.image import KernelImage
    from smecheck.machine.memory import MemoryMap


def shown_layout(
    memory: MemoryMap, image: KernelImage, facts: KernelFacts
) -> tuple[int, int] | None:
    """Return how far bss lies from ``_text``: as it is shown, and as ``image`` was linked.

    ``None`` where one of the two is not known.
    """
    code, bss = memory.first("Kernel code"), memory.first("Kernel bss")
    bss_start = _bss_start(image)
    if code is None or bss is None or bss_start is None or not isinstance(facts.text, Known):
        return None
    return bss.span.start - code.span.start, bss_start - facts.text.value


def is_shown_running(memory: MemoryMap, image: KernelImage, facts: KernelFacts) -> bool | None:
    """Return whether the kernel that is shown running can be ``image``; ``None``: not known."""
    layout = shown_layout(memory, image, facts)
    return None if layout is None else layout[0] == layout[1]


def _bss_start(image: KernelImage) -> int | None:
    if "__bss_start" in image.symbols:
        return image.symbols["__bss_start"]
    section = image.section(".bss")
    return section.address if section else None


def base_of_shown_kernel(memory: MemoryMap, image: KernelImage, facts: KernelFacts) -> Fact[int]:
    """Return the physical ``_text`` of ``image``, if it is the kernel that runs in ``memory``.

    setup_arch() inserts "Kernel code" at ``_text`` and "Kernel bss" at ``__bss_start``; their
    distance is that of the link addresses. Where it differs, another kernel runs there.
    """
    code = memory.first("Kernel code")
    if code is None:
        return Unknown(f"{memory.source} has no line Kernel code")
    origin = f"{memory.where(code)}: Kernel code"
    bss, distances = memory.first("Kernel bss"), shown_layout(memory, image, facts)
    if bss is None or distances is None:
        return Known(code.span.start, f"{origin} (not verified to be this kernel)")
    shown, linked = distances
    if shown != linked:
        return Unknown(
            f"another kernel runs there: its Kernel bss begins {address_text(shown)} past "
            f"Kernel code ({memory.where(bss)}), this kernel's {address_text(linked)}"
        )
    return Known(code.span.start, f"{origin}; Kernel bss fits this kernel")
