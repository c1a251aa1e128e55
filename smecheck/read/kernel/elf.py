"""A vmlinux ELF, with symbols or stripped, as a :class:`KernelImage`.

pyelftools describes the structures; what is read is bounded by the size of the file, and the symbol
table, hundreds of thousands of entries, is never walked through it (see ``elf_symbols``).
"""

from __future__ import annotations

import os
from typing import BinaryIO

from smecheck.errors import MalformedInput, WrongKind
from smecheck.evidence import Fact, Known, Unknown, value_of
from smecheck.kernel.build_marks import BUILD_SALT, Marks
from smecheck.kernel.constants import START_KERNEL_MAP
from smecheck.kernel.early_code import EarlyCode
from smecheck.kernel.identity import SME_CODE_SYMBOLS
from smecheck.kernel.image import (
    SECTION_SCHEMES,
    KernelConfig,
    KernelImage,
    KernelKind,
    LoadSegment,
    Section,
    SetupHeader,
)
from smecheck.read.kernel.banner import Banner, marks_of, release_of
from smecheck.read.kernel.early_code import early_code
from smecheck.read.kernel.elf_content import find_banner, find_notes, find_sme_text
from smecheck.read.kernel.elf_file import ElfFile, ElfSection
from smecheck.read.kernel.image_symbols import ImageSymbols, image_symbols
from smecheck.read.kernel.purgatory import find_purgatory

_NO_CONTENTS = Unknown("a split debug file has no contents, only symbols")


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
    symbols = image_symbols(elf, sections, in_section=in_section)
    names_code = any(name in symbols.addresses for name in SME_CODE_SYMBOLS)
    is_split = _is_split_debug(sections)
    config = _config(elf, sections, symbols)
    banner = _NO_CONTENTS if is_split else find_banner(elf, sections, symbols.banner)
    build_id, salt = find_notes(elf, sections)
    return KernelImage(
        source=elf.name,
        kind=KernelKind.VMLINUX,
        release=release_of(banner),
        build_id=build_id,
        symbols=symbols.addresses,
        symbols_complete=symbols.complete,
        symbols_from=symbols.source,
        sections=tuple(
            Section(section.name, section.address, section.size, None if is_split else section.type)
            for section in sections
            if section.is_allocated
        ),
        sections_complete=True,
        loads=loads,
        header=SetupHeader(),
        config=config.options if config else {},
        sme_text=_sme_text(elf, sections, needed=not in_section and not names_code),
        origins={**(config.origins if config else {}), **symbols.origins},
        early_code=_NO_CONTENTS if is_split else _early_code(elf, sections, loads, symbols),
        marks=_marks(banner, salt, config),
        purgatory=_NO_CONTENTS if is_split else find_purgatory(elf, sections, symbols.purgatory),
    )


def _marks(banner: Fact[Banner], salt: str | None, config: KernelConfig | None) -> Marks:
    return {
        **(config.marks if config is not None else {}),
        **({BUILD_SALT: salt} if salt is not None else {}),
        **marks_of(banner),
    }


def _early_code(
    elf: ElfFile,
    sections: list[ElfSection],
    loads: tuple[LoadSegment, ...],
    symbols: ImageSymbols,
) -> Fact[EarlyCode]:
    """Follow the code that sets SME up."""
    if not symbols.entries:
        reason = symbols.source.reason if isinstance(symbols.source, Unknown) else "no SME code"
        return Unknown(f"the code is not known: {reason}")
    from smecheck.read.kernel.code_pages import code_of, names_of, place_of

    found, missing = early_code(
        symbols.entries, symbols.look_up, code_of(elf, loads), names_of(elf, sections)
    )
    if missing:
        elf.ask_again([place_of(loads, page) for page in sorted(missing)])
    return found


def _config(elf: ElfFile, sections: list[ElfSection], symbols: ImageSymbols) -> KernelConfig | None:
    """Return the configuration that is embedded."""
    if isinstance(symbols.config, Known) and symbols.config.value is None:
        return None
    from smecheck.read.kernel.ikconfig import find_ikconfig

    return find_ikconfig(elf, sections, value_of(symbols.config))


def _sme_text(elf: ElfFile, sections: list[ElfSection], *, needed: bool) -> Fact[bool]:
    if not needed:
        return Unknown("not asked: symbols or sections show it")
    found = find_sme_text(elf, sections)
    if found is None:
        return Known(False, "none of the strings of the SME code is in the image")
    return Known(True, f"text {found!r} in the image")


def _is_split_debug(sections: list[ElfSection]) -> bool:
    """Recognise a file of ``objcopy --only-keep-debug``: it makes all that is loaded NOBITS."""
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
            "has no LOAD program header", where=elf.name, help_text="give the complete vmlinux"
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
