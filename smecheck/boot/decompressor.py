"""Where an image that was loaded at some address ends up running, when KASLR does not move it."""

from __future__ import annotations

from smecheck.boot.boot import UnpackRules
from smecheck.evidence import Fact, Known, Unknown, first_known
from smecheck.kernel.constants import DEFAULT_PHYSICAL_ALIGN, START_KERNEL_MAP
from smecheck.kernel.facts import KernelFacts
from smecheck.kernel.image import KernelImage
from smecheck.kernel.link_address import physical_align
from smecheck.quantity import address_text, size_text
from smecheck.remembered import remembered
from smecheck.span import align_up


@remembered
def unpack_rules(image: KernelImage, facts: KernelFacts) -> UnpackRules:
    """Gather the rules from the header, the configuration and the link addresses."""
    assumptions = []
    alignment = first_known(image.header.kernel_alignment, physical_align(image.config))
    if isinstance(alignment, Unknown):
        assumptions.append(
            f"kernel_alignment is {size_text(DEFAULT_PHYSICAL_ALIGN)}, the default of "
            "CONFIG_PHYSICAL_ALIGN (no setup header, no configuration)"
        )
        alignment = Known(DEFAULT_PHYSICAL_ALIGN, "default of CONFIG_PHYSICAL_ALIGN")
    relocatable = first_known(image.header.relocatable, _config_switch(image, "RELOCATABLE"))
    if isinstance(relocatable, Unknown):
        assumptions.append("the kernel is relocatable (no setup header, no configuration)")
        relocatable = Known(True, "assumed")
    return UnpackRules(
        alignment=alignment,
        load_physical_address=first_known(image.header.pref_address, _linked_for(image, facts)),
        relocatable=relocatable,
        assumptions=tuple(assumptions),
    )


@remembered
def landing(load_address: int, rules: UnpackRules) -> Fact[int]:
    """Return the physical ``_text`` of a kernel whose protected-mode code is at ``load_address``.

    Source: arch/x86/boot/compressed/head_64.S, the computation of the decompression target, v4.14
    to v7.3: relocatable kernels run at the load address rounded up to kernel_alignment, but never
    below LOAD_PHYSICAL_ADDR; others always at LOAD_PHYSICAL_ADDR.
    """
    lowest = rules.load_physical_address
    if isinstance(lowest, Unknown):
        return Unknown(f"LOAD_PHYSICAL_ADDR is not known: {lowest.reason}")
    if not rules.relocatable.value:
        return Known(
            lowest.value, f"not relocatable: LOAD_PHYSICAL_ADDR {address_text(lowest.value)}"
        )
    aligned = align_up(load_address, rules.alignment.value)
    return Known(
        max(aligned, lowest.value),
        f"max(load address {address_text(load_address)} rounded up to kernel_alignment "
        f"{address_text(rules.alignment.value)}, LOAD_PHYSICAL_ADDR {address_text(lowest.value)})",
    )


def _linked_for(image: KernelImage, facts: KernelFacts) -> Fact[int]:
    """Return the physical link address of ``_text``."""
    if isinstance(facts.text, Unknown):
        return Unknown(facts.text.reason)
    for load in image.loads:
        if load.vaddr and load.vaddr <= facts.text.value < load.vaddr + load.memsz:
            return Known(load.paddr + facts.text.value - load.vaddr, "physical address of the LOAD")
    return Known(facts.text.value - START_KERNEL_MAP, "_text - __START_KERNEL_map")


def _config_switch(image: KernelImage, option: str) -> Fact[bool]:
    text = image.config.get(f"CONFIG_{option}")
    if text is None:
        return Unknown(f"CONFIG_{option} is not known")
    return Known(text == "y", f"CONFIG_{option}={text}")
