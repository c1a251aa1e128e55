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
    *("X86_64_UNWIND", "AMD64_UNWIND", "LLVM_ADDRSIG", "LLVM_ODRTAB"),
)
"""Above the first number that is left to systems and processors, as tools name them."""

SECTION_TYPES = (*_NUMBERED.values(), *_OTHERS)

_FIRST_OF_SYSTEMS = 0x60000000
"""SHT_LOOS: what has such a number and no name here is known by its number."""


def section_type(number: int) -> str | None:
    """Return the name of a type; ``None`` if the number is none of a type."""
    if number >= _FIRST_OF_SYSTEMS:
        return str(number)
    return _NUMBERED.get(number)
