"""The types of ELF sections, by name and by number.

System V ABI, chapter 4, "Sections"; binutils, include/elf/common.h and elfcpp/x86_64.h.
"""

from __future__ import annotations

_NUMBERED = {
    0: "NULL",
    1: "PROGBITS",
    2: "SYMTAB",
    3: "STRTAB",
    4: "RELA",
    5: "HASH",
    6: "DYNAMIC",
    7: "NOTE",
    8: "NOBITS",
    9: "REL",
    10: "SHLIB",
    11: "DYNSYM",
    14: "INIT_ARRAY",
    15: "FINI_ARRAY",
    16: "PREINIT_ARRAY",
    17: "GROUP",
    18: "SYMTAB_SHNDX",
    19: "RELR",
}
_OTHERS = (
    *("GNU_ATTRIBUTES", "GNU_HASH", "GNU_LIBLIST", "GNU_SFRAME", "CHECKSUM"),
    *("VERDEF", "VERNEED", "VERSYM", "GNU_verdef", "GNU_verneed", "GNU_versym"),
    *("SUNW_LDYNSYM", "SUNW_syminfo", "NUM", "LOOS", "LOUSER", "HIUSER"),
    *("X86_64_UNWIND", "AMD64_UNWIND", "LLVM_ADDRSIG", "LLVM_ODRTAB"),
)
"""Above the first number that is left to systems and processors, as tools name them."""

SECTION_TYPES = (*_NUMBERED.values(), *_OTHERS)

_LARGEST = (1 << 32) - 1


def section_type(number: int) -> str | None:
    """Return the name of a type, or its number where it has none; ``None`` if it is too large."""
    return (_NUMBERED.get(number) or str(number)) if number <= _LARGEST else None
