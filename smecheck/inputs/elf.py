"""A vmlinux ELF, with symbols or stripped, as a :class:`KernelImage`.

pyelftools describes the structures; what is read is bounded by the size of the file, and the symbol
table, hundreds of thousands of entries, is never walked through it (see ``elf_symbols``).
"""

from __future__ import annotations

import os
from typing import BinaryIO

from smecheck.errors import MalformedInput, WrongKind
from smecheck.evidence import Fact, Known, Unknown
from smecheck.inputs.elf_content import find_banner, find_build_id, find_sme_text
from smecheck.inputs.elf_file import ElfFile, ElfSection
from smecheck.inputs.elf_symbols import SymbolTable
from smecheck.model.kernel import (
    SECTION_SCHEMES,
    KernelConfig,
    KernelImage,
    KernelKind,
    LoadSegment,
    Section,
    SetupHeader,
)
from smecheck.model.startup_names import all_spellings, by_plain_name
from smecheck.placement.constants import START_KERNEL_MAP
from smecheck.placement.identity import GENERATION_SYMBOLS, IDENTITY_SYMBOLS, SME_CODE_SYMBOLS

_BANNER_SYMBOL = "linux_banner"
_NO_CONTENTS = Unknown("a split debug file has no contents, only symbols")
_IKCONFIG_SYMBOL = "kernel_config_data"


def read_elf(stream: BinaryIO, name: str) -> KernelImage:
    """Read a kernel from an ELF file.

    Args:
        stream: seekable.
        name: what the user called it.

    Raises:
        WrongKind: it is an ELF file, but not an x86-64 kernel; the message says what it is.
        MalformedInput: it is truncated or contradicts itself.
    """
    return read_elf_file(ElfFile(stream, stream.seek(0, os.SEEK_END), name))


def read_elf_file(elf: ElfFile) -> KernelImage:
    """Read a kernel through any access to its ELF file; raises as :func:`read_elf` does."""
    elf.read_header()
    _refuse_other_files(elf)
    sections = elf.read_sections()
    loads = elf.read_loads()
    _refuse_other_programs(elf, loads, sections)
    in_section = any(section.name in SECTION_SCHEMES for section in sections)
    symbols, spelled = _symbols(elf, sections, in_section=in_section)
    is_split = _is_split_debug(sections)
    banner_at = (symbols or {}).pop(_BANNER_SYMBOL, None)
    config = _config(elf, sections, symbols)
    return KernelImage(
        source=elf.name,
        kind=KernelKind.VMLINUX,
        release=_NO_CONTENTS if is_split else find_banner(elf, sections, banner_at),
        build_id=find_build_id(elf, sections),
        symbols=symbols or {},
        symbols_complete=symbols is not None,
        sections=tuple(
            Section(section.name, section.address, section.size, None if is_split else section.type)
            for section in sections
            if section.is_allocated
        ),
        sections_complete=True,
        loads=loads,
        header=SetupHeader(),
        config=config.options if config else {},
        sme_text=_sme_text(elf, sections, needed=not in_section and not _names_sme_code(symbols)),
        origins={
            **(config.origins if config else {}),
            **{name: f"symbol {spelling}" for name, spelling in spelled.items()},
        },
    )


def _symbols(
    elf: ElfFile, sections: list[ElfSection], *, in_section: bool
) -> tuple[dict[str, int] | None, dict[str, str]]:
    """Return the symbols that matter, and those of them that are spelled otherwise there.

    There are none (``None``) where the image is stripped.
    """
    headers = (section for section in sections if section.type == "SYMTAB" and section.size)
    header = next(headers, None)
    if header is None:
        return None, {}
    table = SymbolTable(elf, header, sections)
    wanted = (*IDENTITY_SYMBOLS, _BANNER_SYMBOL, _IKCONFIG_SYMBOL)
    symbols = table.values(all_spellings(wanted))
    if not in_section:
        symbols |= table.values(all_spellings(GENERATION_SYMBOLS))
    return by_plain_name(symbols)


def _names_sme_code(symbols: dict[str, int] | None) -> bool:
    return symbols is not None and any(name in symbols for name in SME_CODE_SYMBOLS)


def _config(
    elf: ElfFile, sections: list[ElfSection], symbols: dict[str, int] | None
) -> KernelConfig | None:
    """Return the configuration that is embedded, and take its symbol out of ``symbols``."""
    address = None if symbols is None else symbols.pop(_IKCONFIG_SYMBOL, None)
    if symbols is not None and address is None:
        return None
    from smecheck.inputs.ikconfig import find_ikconfig

    return find_ikconfig(elf, sections, address)


def _sme_text(elf: ElfFile, sections: list[ElfSection], *, needed: bool) -> Fact[bool]:
    if not needed:
        return Unknown("not asked: symbols or sections tell")
    found = find_sme_text(elf, sections)
    if found is None:
        return Known(False, "none of the texts of the SME code is in the image")
    return Known(True, f"text {found!r} in the image")


def _is_split_debug(sections: list[ElfSection]) -> bool:
    """Tell a file of ``objcopy --only-keep-debug``: it makes all that is loaded NOBITS."""
    return any(section.name == ".text" and not section.is_in_file for section in sections)


def _refuse_other_files(elf: ElfFile) -> None:
    """Refuse what is an ELF file of another type than a linked program."""
    kinds = {
        "ET_REL": "an object file or a kernel module (.o, .ko), not a linked kernel",
        "ET_DYN": "a shared library or a position-independent program, not a kernel",
        "ET_CORE": "a core file (a vmcore or /proc/kcore), not a kernel image",
    }
    if elf.machine != "EM_X86_64":
        raise WrongKind(
            f"is an ELF file for {elf.machine.removeprefix('EM_')}, not for x86-64",
            where=elf.name,
            help_text="SME exists on AMD x86-64 machines only",
        )
    if elf.type != "ET_EXEC":
        raise WrongKind(
            f"is {kinds.get(elf.type, f'an ELF file of type {elf.type}')}",
            where=elf.name,
            help_text="give the vmlinux from the build directory or the debug package",
        )


def _refuse_other_programs(
    elf: ElfFile, loads: tuple[LoadSegment, ...], sections: list[ElfSection]
) -> None:
    if not loads:
        raise MalformedInput(
            "has no LOAD program header", where=elf.name, help_text="give the whole vmlinux"
        )
    if not any(load.vaddr >= START_KERNEL_MAP for load in loads):
        raise WrongKind(
            "is an x86-64 program, but not a kernel: it is linked for user space",
            where=elf.name,
            help_text="give a vmlinux",
        )
    if not any(section.name == ".text" for section in sections):
        raise WrongKind(
            "has no section .text: not a kernel's vmlinux",
            where=elf.name,
            help_text="give a vmlinux whose section headers are intact",
        )
