"""Whether the kernel that a resource map shows running is the kernel in hand, and where it runs."""

from __future__ import annotations

from smecheck.evidence import Fact, Known, Unknown
from smecheck.kernel.facts import KernelFacts
from smecheck.kernel.image import KernelImage
from smecheck.load.shown_layout import shown_layout
from smecheck.machine.memory import MemoryMap
from smecheck.quantity import address_text


def running_kernel(memory: MemoryMap, image: KernelImage, facts: KernelFacts) -> Fact[int]:
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
