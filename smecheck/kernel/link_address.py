"""The link addresses of symbols that were read from a kernel which KASLR may have moved.

KASLR moves a kernel as a whole (v4.8 to v7.3, arch/x86/boot/compressed/kaslr.c,
find_random_virt_addr()), so the distances between its symbols stay those of the link. All that is
computed here is made of distances, save one thing: the link address of ``_text`` also shows
LOAD_PHYSICAL_ADDR, below which the kernel does not run. Where nothing else shows that, it is
assumed to be the default, and the assumption is listed.
"""

from __future__ import annotations

from collections.abc import Mapping

from smecheck.evidence import Fact, Known, Unknown, first_known, value_of
from smecheck.kernel.constants import (
    DEFAULT_PHYSICAL_ALIGN,
    DEFAULT_PHYSICAL_START,
    KERNEL_IMAGE_SIZE,
    PAGE_SIZE,
    START_KERNEL_MAP,
)
from smecheck.kernel.image import KernelImage
from smecheck.quantity import address_text, parse_integer
from smecheck.record import replace
from smecheck.span import align_up

DEFAULT_LINK_ADDRESS = START_KERNEL_MAP + DEFAULT_PHYSICAL_START
"""The link address of ``_text`` in a kernel that was configured as usual."""


def stated_link_address(image: KernelImage) -> Fact[int]:
    """Return the link address of ``_text`` as other facts than symbols give it."""
    section = image.section(".text")
    if section is not None:
        return Known(section.address, "start of section .text")
    for load in image.loads:
        if "E" in load.flags and load.vaddr:
            return Known(load.vaddr, "start of the first executable LOAD")
    start = first_known(image.header.pref_address, physical_start(image.config))
    if isinstance(start, Unknown):
        return start
    if not 0 < start.value < KERNEL_IMAGE_SIZE:
        return Unknown(f"no kernel is linked for {address_text(start.value)} ({start.origin})")
    return Known(START_KERNEL_MAP + start.value, start.origin)


def physical_start(options: Mapping[str, str]) -> Fact[int]:
    """Return LOAD_PHYSICAL_ADDR as the configuration shows it.

    Source: arch/x86/include/asm/boot.h, later page_types.h, LOAD_PHYSICAL_ADDR:
    CONFIG_PHYSICAL_START rounded up to CONFIG_PHYSICAL_ALIGN.
    """
    start, align = _number(options, "CONFIG_PHYSICAL_START"), physical_align(options)
    if isinstance(start, Unknown):
        return start
    return Known(align_up(start.value, value_of(align) or DEFAULT_PHYSICAL_ALIGN), start.origin)


def physical_align(options: Mapping[str, str]) -> Fact[int]:
    """Return kernel_alignment as the configuration shows it; a power of two, says boot.h."""
    align = _number(options, "CONFIG_PHYSICAL_ALIGN")
    if isinstance(align, Known) and (align.value < PAGE_SIZE or align.value & (align.value - 1)):
        return Unknown(f"{align.origin}={align.value:#x} is not an alignment")
    return align


def _number(options: Mapping[str, str], option: str) -> Fact[int]:
    text = options.get(option)
    if text is None:
        return Unknown(f"{option} is not known")
    try:
        return Known(parse_integer(text), option)
    except ValueError:
        return Unknown(f"{option}={text} is not a number")


def settled(image: KernelImage) -> KernelImage:
    """Move symbols that KASLR may have shifted to where they were linked, as far as that is known.

    Where it is not, they are moved as if ``_text`` were linked to its default, and stay marked.
    """
    if not is_movable(image):
        return image
    stated = stated_link_address(image)
    if isinstance(stated, Unknown):
        return moved_to(image, DEFAULT_LINK_ADDRESS)
    return replace(moved_to(image, stated.value), symbols_shifted=False)


def is_movable(image: KernelImage) -> bool:
    """Return whether only the distances between the symbols are known, ``_text`` among them."""
    return image.symbols_shifted and "_text" in image.symbols


def moved_to(image: KernelImage, text: int) -> KernelImage:
    """Move all symbols by one distance, so that ``_text``, which must be there, is at ``text``."""
    distance = text - image.symbols["_text"]
    moved = {
        # What lies below is not an address in the kernel: a file symbol is 0.
        name: address + distance if address >= START_KERNEL_MAP else address
        for name, address in image.symbols.items()
    }
    return replace(image, symbols=moved)
