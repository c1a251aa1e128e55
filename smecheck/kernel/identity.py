"""What an image is: where it begins and ends, its scheme, its generation, its SME code."""

from __future__ import annotations

import re

from smecheck.evidence import Fact, Known, Unknown, value_of
from smecheck.kernel.constants import (
    KERNEL_IMAGE_SIZE,
    PAGE_SIZE,
    PMD_SIZE,
    SECTION_SIZE,
    START_KERNEL_MAP,
)
from smecheck.kernel.facts import KernelFacts
from smecheck.kernel.generations import AFTER_END_GENERATIONS, Generation, generations_of
from smecheck.kernel.image import (
    INIT_SCRATCH,
    SECTION_SCHEMES,
    SECTION_SYMBOLS,
    KernelImage,
    Scheme,
    Section,
)
from smecheck.quantity import address_text
from smecheck.remembered import remembered
from smecheck.span import align_up

SME_CODE_SYMBOLS = ("sme_encrypt_kernel", "sme_enable", "sme_encrypt_execute")
"""arch/x86/mm/mem_encrypt*.c, mem_encrypt_boot.S: a kernel with SME code has them all."""

IDENTITY_FILE_SYMBOL = "mem_encrypt_identity.c"
"""The file symbol of the code's own source file, v4.17 (1cd9c22fee3a) to v6.15."""

INITRD_AWARE_SYMBOLS = ("__sme_map_range", "sme_prepare_pgd")
"""Local functions that came with the initrd and the PTEs, v4.15 (107cd2532181, cc5f01e28d6c)."""

SWITCH_SYMBOLS = ("sme_cmdline_on", "sme_cmdline_off")
"""Local data of sme_enable() up to v6.8: the values of mem_encrypt= that it knows."""

IDENTITY_SYMBOLS = (
    *("_text", "_end", "__bss_start", "__end_of_kernel_reserve", "sme_workarea"),
    SME_CODE_SYMBOLS[0],
    *SWITCH_SYMBOLS,
)
"""The symbols that say what an image is, where its section headers show the scheme."""

GENERATION_SYMBOLS = (IDENTITY_FILE_SYMBOL, *INITRD_AWARE_SYMBOLS, *SME_CODE_SYMBOLS[1:])
"""The symbols that matter besides, where no section holds the workarea."""


@remembered
def identify(image: KernelImage) -> KernelFacts:
    """Work out what ``image`` is."""
    section, scheme = _workarea_section(image)
    sme_code = _sme_code(image, section)
    whole_scheme, assumed = _scheme(image, section, scheme, sme_code)
    generations, origin = _generations(image, section, scheme)
    assumptions = list(assumed)
    if image.symbols_shifted and "_text" in image.symbols:
        assumptions.append(
            f"_text is linked to {address_text(image.symbols['_text'])}, the default of "
            "CONFIG_PHYSICAL_START (KASLR may have moved the addresses in the list of symbols)"
        )
    if len(generations) > 1:
        assumptions.append(
            "the image does not show its generation: extents are the worst of "
            + ", ".join(generation.value for generation in generations)
        )
    elif origin.startswith("banner"):
        assumptions.append(
            f"generation {generations[0].value} follows from the {origin}; "
            "a distribution may have backported other code"
        )
    return KernelFacts(
        text=_text(image),
        end=_end(image),
        scheme=whole_scheme,
        section=section,
        sme_code=sme_code,
        generations=generations,
        generation_origin=origin,
        assumptions=tuple(assumptions),
    )


def _text(image: KernelImage) -> Fact[int]:
    if "_text" in image.symbols:
        return Known(image.symbols["_text"], image.symbol_origin("_text"))
    section = image.section(".text")
    if section is not None:
        return Known(section.address, "start of section .text")
    executable = [load for load in image.loads if "E" in load.flags and load.vaddr]
    if executable:
        return Known(executable[0].vaddr, "start of the first executable LOAD")
    return Unknown("neither a symbol _text nor a section .text nor an executable LOAD is known")


def _end(image: KernelImage) -> Fact[int]:
    if "_end" in image.symbols:
        return Known(image.symbols["_end"], image.symbol_origin("_end"))
    brk = image.section(".brk")
    if brk is not None:
        # vmlinux.lds.S: .brk, then . = ALIGN(PAGE_SIZE), then _end, in every version with SME.
        return Known(align_up(brk.end, PAGE_SIZE), "end of section .brk, rounded up to a page")
    return Unknown("neither a symbol _end nor a section .brk is known")


def _workarea_section(image: KernelImage) -> tuple[Section | None, Scheme | None]:
    for name, scheme in SECTION_SCHEMES.items():
        section = image.section(name)
        if section is not None:
            return section, scheme
    for begin, (scheme, names) in SECTION_SYMBOLS.items():
        if begin in image.symbols:
            start = image.symbols[begin]
            stop = image.symbols.get(names.end, start + SECTION_SIZE)
            return Section(names.name, start, max(stop - start, 0), None), scheme
    if "sme_workarea" in image.symbols:
        start = image.symbols["sme_workarea"]
        return Section(INIT_SCRATCH.name, start, SECTION_SIZE, None), Scheme.INIT_SCRATCH
    return None, None


def _sme_code(image: KernelImage, section: Section | None) -> Fact[bool]:
    present = next((name for name in SME_CODE_SYMBOLS if name in image.symbols), None)
    if present is not None:
        return Known(True, image.symbol_origin(present))
    if section is not None:
        return Known(True, f"section {section.name}, which only the SME code uses")
    if value_of(image.sme_text):
        return image.sme_text
    if image.symbols_complete:
        return Known(False, f"the symbol table has none of {', '.join(SME_CODE_SYMBOLS)}")
    option = image.config.get("CONFIG_AMD_MEM_ENCRYPT")
    if option is not None:
        return Known(option == "y", f"CONFIG_AMD_MEM_ENCRYPT={option}")
    if value_of(image.sme_text) is False:
        # In words of its own, since the verdict quotes them: a description says it elsewhere.
        return Known(False, "none of the strings of the SME code is in the image")
    return image.sme_text


def _scheme(
    image: KernelImage, section: Section | None, scheme: Scheme | None, sme_code: Fact[bool]
) -> tuple[Fact[Scheme], tuple[str, ...]]:
    """Return the scheme of the kernel, and what had to be assumed for that."""
    if scheme is not None and section is not None:
        return Known(scheme, f"the kernel has a section {section.name}"), ()
    if isinstance(sme_code, Known) and not sme_code.value:
        return Known(Scheme.NO_SME, sme_code.origin), ()
    assumed: tuple[str, ...] = ()
    if isinstance(sme_code, Unknown):
        if not image.symbols and not image.sections:
            return Unknown("neither symbols nor sections of the kernel are known"), ()
        assumed = ("the kernel is assumed to have SME code: nothing that is known shows it",)
    if image.sections_complete or image.symbols_complete:
        return Known(Scheme.AFTER_END, "no section .init.scratch or .sme in the image"), assumed
    if isinstance(image.release, Known) and is_since(image.release, (5, 3)):
        why = (
            f"a kernel {image.release.value} usually has .init.scratch, but the description names "
            "neither the section nor its symbols"
        )
        return Unknown(why), assumed
    assumed += (
        "the kernel has no workarea section, since its description names neither the section "
        "(.init.scratch, .sme) nor its symbols",
    )
    return Known(Scheme.AFTER_END, "no workarea section in the description"), assumed


def _generations(
    image: KernelImage, section: Section | None, scheme: Scheme | None
) -> tuple[tuple[Generation, ...], str]:
    if scheme is not None and section is not None:
        return generations_of(scheme), f"section {section.name}"
    if IDENTITY_FILE_SYMBOL in image.symbols:
        return (Generation.V4_17,), f"file symbol {IDENTITY_FILE_SYMBOL}"
    initrd_aware = next((name for name in INITRD_AWARE_SYMBOLS if name in image.symbols), None)
    if initrd_aware is not None and image.symbols_complete:
        return (Generation.V4_15,), f"symbol {initrd_aware}, no {IDENTITY_FILE_SYMBOL}"
    if isinstance(image.release, Known):
        return _generations_by_banner(image.release.value)
    return AFTER_END_GENERATIONS, "nothing in the image shows it"


def _generations_by_banner(release: str) -> tuple[tuple[Generation, ...], str]:
    version = _banner_version(release)
    origin = f"banner's version {release}"
    if version is None:
        return AFTER_END_GENERATIONS, f"the {origin} says nothing"
    if version < (4, 15):
        # Late 4.14.y has v4.15's code; a banner's third number is often the distribution's own.
        return (Generation.V4_14_0, Generation.V4_15), f"{origin}: v4.14 or late 4.14.y"
    if version < (4, 17):
        return (Generation.V4_15,), origin
    return (Generation.V4_17,), origin


def version_of(release: Fact[str]) -> tuple[int, int] | None:
    """Return the version of a kernel by its release: the first two numbers, if there are any.

    A third number is often the distribution's own. What people and packages write for a version is
    read by ``load/versions.py``.
    """
    return _banner_version(release.value) if isinstance(release, Known) else None


def is_since(release: Fact[str], version: tuple[int, int]) -> bool:
    """Return whether a kernel is known to be that version or a later one, by its release."""
    known = version_of(release)
    return known is not None and known >= version


def _banner_version(release: str) -> tuple[int, int] | None:
    match = re.match(r"(\d+)\.(\d+)", release)
    return None if match is None else (int(match[1]), int(match[2]))


def link_address_problem(facts: KernelFacts) -> str | None:
    """Say why the addresses cannot be link addresses of an x86-64 kernel, or return ``None``."""
    text, end = facts.text, facts.end
    if isinstance(text, Unknown) or isinstance(end, Unknown):
        return None
    if text.value < START_KERNEL_MAP:
        return (
            f"_text {address_text(text.value)} ({text.origin}) is not a link address of a kernel: "
            f"they begin at {address_text(START_KERNEL_MAP)}"
        )
    if text.value % PMD_SIZE:
        return f"_text {address_text(text.value)} ({text.origin}) is not aligned to 2 MiB"
    if not 0 < end.value - text.value <= KERNEL_IMAGE_SIZE:
        return (
            f"_end {address_text(end.value)} ({end.origin}) is not within 1 GiB above _text "
            f"{address_text(text.value)}"
        )
    section = facts.section
    if section is not None and not 0 < section.address - text.value <= KERNEL_IMAGE_SIZE:
        return (
            f"{section.name} {address_text(section.address)} is not within 1 GiB above _text "
            f"{address_text(text.value)}"
        )
    return None
