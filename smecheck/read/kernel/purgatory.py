"""The purgatory that a kernel carries, of which kexec_file_load makes its first segment.

arch/x86/purgatory/ makes a relocatable ELF file of it, kexec_purgatory[], which lies in .rodata as
it is. How much memory it takes follows from its section headers (kernel/kexec_file.c,
kexec_purgatory_setup_kbuf(), v4.19 to v7.3; before, in kexec_load_purgatory()).
"""

from __future__ import annotations

import struct

from smecheck.evidence import Fact, Known, Unknown
from smecheck.kernel.image import Purgatory
from smecheck.read.kernel.elf_file import ElfFile, ElfSection
from smecheck.read.kinds import ELF_MAGIC
from smecheck.span import align_up

PURGATORY_MAGIC = ELF_MAGIC + b"\2\1\1" + bytes(9) + b"\1\0\x3e\0"
"""How a relocatable ELF file for x86-64 begins: e_ident, ET_REL, EM_X86_64."""

PURGATORY_REACH = 128 << 10
"""Bytes from its start on that hold its section headers: it has 20 to 40 KiB in Debian's."""

_HEADER = struct.Struct("<40xQ10xHHH")
_SECTION = struct.Struct("<4xIQ16xQ8xQ8x")
_NOBITS, _ALLOC = 8, 2
_SECTIONS_LIMIT = 64
_ALIGNMENT_LIMIT = 1 << 16

_NONE = Unknown("the image has no purgatory for kexec_file_load (CONFIG_KEXEC_FILE)")


def find_purgatory(
    elf: ElfFile, sections: list[ElfSection], address: Fact[int | None]
) -> Fact[Purgatory]:
    """Return what the purgatory of an image takes.

    Args:
        elf: the file.
        sections: its sections.
        address: of the symbol, ``None`` where there is none; unknown to search .rodata for it.
    """
    if isinstance(address, Known):
        return _NONE if address.value is None else _at(elf, sections, address.value)
    for section in sections:
        if section.name == ".rodata" and section.is_in_file:
            for chunk in elf.chunks(section, PURGATORY_REACH):
                at = chunk.find(PURGATORY_MAGIC)
                found = purgatory_of(chunk[at : at + PURGATORY_REACH]) if at >= 0 else None
                if found is not None:
                    return Known(found, "the ELF file of purgatory in .rodata")
    return _NONE


def _at(elf: ElfFile, sections: list[ElfSection], address: int) -> Fact[Purgatory]:
    for section in sections:
        within = address - section.address
        if section.is_allocated and section.is_in_file and 0 <= within < section.size:
            size = min(PURGATORY_REACH, section.size - within)
            data = elf.read(section.offset + within, size, "purgatory")
            found = purgatory_of(data)
            if found is not None:
                return Known(found, "symbol kexec_purgatory")
    return Unknown("kexec_purgatory is not an ELF file of a known form")


def purgatory_of(data: bytes) -> Purgatory | None:
    """Work out what a purgatory takes; ``None`` where ``data`` is none, or not all of one."""
    if not data.startswith(PURGATORY_MAGIC) or len(data) < _HEADER.size:
        return None
    table, entry_size, count, _ = _HEADER.unpack_from(data)
    whole = table + count * _SECTION.size <= len(data)
    if entry_size != _SECTION.size or not 0 < count <= _SECTIONS_LIMIT or not whole:
        return None
    content = bss = 0
    alignment = 1
    for index in range(count):
        kind, flags, size, align = _SECTION.unpack_from(data, table + index * _SECTION.size)
        if not flags & _ALLOC:
            continue
        align = max(align, 1)
        if align & (align - 1) or align > _ALIGNMENT_LIMIT or size > PURGATORY_REACH:
            return None
        if kind == _NOBITS:
            alignment = max(alignment, align)
            bss = align_up(bss, align) + size
        else:
            content = align_up(content, align) + size
    content = align_up(content, alignment)
    return Purgatory(content, content + bss) if content else None
