"""All symbols of a kernel's ELF file, for whoever looks up more than the few that matter."""

from __future__ import annotations

import struct
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from operator import attrgetter

from smecheck.errors import MalformedInput
from smecheck.evidence import Fact, Known, Unknown
from smecheck.kernel.symbols import Symbol, Symbols, SymbolSource
from smecheck.read.kernel.elf_file import ElfFile, ElfSection
from smecheck.read.kernel.image_symbols import NO_SYMBOLS

_ENTRY = struct.Struct("<IBBHQQ")
_LIMIT = 64 << 20
"""Bytes of the table, and of its names; debug kernels have 6 MiB of each."""
_STT_OBJECT_OR_CODE = (0, 1, 2)  # STT_NOTYPE, STT_OBJECT, STT_FUNC
_SHN_ABS = 0xFFF1
_SHN_LORESERVE = 0xFF00
_SHF_WRITE, _SHF_EXECINSTR = 1, 4


def kernel_symbols(elf: ElfFile, sections: list[ElfSection]) -> Fact[Symbols]:
    """Return the symbols of a kernel: of its symbol table, or those that it has for its own use.

    Args:
        elf: the file, its header read.
        sections: its sections.

    Raises:
        MalformedInput: the symbol table is damaged.
    """
    for section in sections:
        if section.type == "SYMTAB" and section.size:
            return Known(SymbolTableSymbols(elf, section, sections), SymbolSource.SYMTAB.value)
    for section in sections:
        if section.name == ".rodata" and section.is_in_file:
            kallsyms = elf.kallsyms(section)
            if kallsyms is not None:
                return Known(kallsyms, SymbolSource.KALLSYMS.value)
    return Unknown(NO_SYMBOLS)


class SymbolTableSymbols:
    """The symbols in a table for linkers; a :class:`smecheck.kernel.symbols.Symbols`.

    Raises:
        MalformedInput: the table or its names are damaged, or larger than those of any kernel.
    """

    lists_data = True

    def __init__(self, elf: ElfFile, table: ElfSection, sections: list[ElfSection]) -> None:
        strings = sections[table.link] if 0 < table.link < len(sections) else None
        if strings is None or max(table.size, strings.size) > _LIMIT:
            raise MalformedInput(
                "is damaged: a symbol table without names, or too large a one",
                where=elf.name,
                help_text="copy the file again, or give the stripped vmlinux",
            )
        names = elf.read(strings.offset, strings.size, "the symbol names")
        entries = elf.read(table.offset, table.size // _ENTRY.size * _ENTRY.size, "the symbols")
        found = []
        for at, info, _, index, address, _ in _ENTRY.iter_unpack(entries):
            if index and info & 0xF in _STT_OBJECT_OR_CODE:
                letter = _letter(index, sections)
                name = names[at : names.find(b"\0", at)].decode("utf-8", "surrogateescape")
                if letter and name:
                    found.append(Symbol(address, letter.upper() if info >> 4 else letter, name))
        self._symbols = sorted(found, key=attrgetter("address"))
        self._by_name: dict[str, list[int]] = {}
        for symbol in self._symbols:
            self._by_name.setdefault(symbol.name, []).append(symbol.address)

    def __len__(self) -> int:
        return len(self._symbols)

    def __iter__(self) -> Iterator[Symbol]:
        return iter(self._symbols)

    def addresses(self, names: Iterable[str]) -> dict[str, tuple[int, ...]]:
        """Return the addresses of each of the names that is listed, in ascending order."""
        return {
            name: tuple(sorted(set(self._by_name[name]))) for name in names if name in self._by_name
        }

    def names(self, address: int) -> tuple[str, ...]:
        """Return the names of exactly this address."""
        first = bisect_left(self._symbols, address, key=attrgetter("address"))
        last = bisect_right(self._symbols, address, key=attrgetter("address"))
        return tuple(symbol.name for symbol in self._symbols[first:last])

    def holding(self, address: int) -> Symbol | None:
        """Return the last symbol that is not above the address."""
        index = bisect_right(self._symbols, address, key=attrgetter("address")) - 1
        return self._symbols[index] if index >= 0 else None


def _letter(index: int, sections: list[ElfSection]) -> str:
    """Return a symbol's type as nm has it, but for its case; empty where it is of no section."""
    if index == _SHN_ABS:
        return "a"
    if index >= min(len(sections), _SHN_LORESERVE):
        return ""
    section = sections[index]
    if section.flags & _SHF_EXECINSTR:
        return "t"
    if section.type == "NOBITS":
        return "b"
    return "d" if section.flags & _SHF_WRITE else "r"
