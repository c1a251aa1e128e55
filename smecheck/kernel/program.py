"""The kernel as code that can be run: its bytes at physical addresses, its names, its entry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smecheck.kernel.constants import PAGE_SIZE, START_KERNEL_MAP
from smecheck.record import record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from smecheck.kernel.image import LoadSegment, Section
    from smecheck.kernel.symbols import Symbols


_FAR_FROM_A_SYMBOL = 0x10000
"""An address so far after the symbol before it is in no function that a symbol names."""

_ALIGNMENT = 16
"""Of functions, with GCC and clang alike."""

_WITHOUT_SYMBOLS = ".altinstr"
"""Code that stands apart from the functions that it is of: .altinstr_aux, .altinstr_replacement."""


@record
class KernelProgram:
    """The code of one kernel. Addresses are link addresses unless something else is said."""

    entry: int
    """Where boot loaders enter 64-bit code: the physical link address of startup_64."""
    loads: tuple[LoadSegment, ...]
    sections: tuple[Section, ...]
    symbols: Symbols
    read: Callable[[int, int], bytes]
    """Reads bytes of the ELF file: offset and size; fewer where the file ends."""

    @property
    def entry_address(self) -> int:
        """The same as a link address; a file may have that in place of the physical one."""
        return self.entry if self.entry >= START_KERNEL_MAP else self.entry + START_KERNEL_MAP

    def holds(self, address: int) -> bool:
        """Return whether the file has bytes of the image at an address."""
        return any(0 <= address - load.vaddr < load.filesz for load in self.loads)

    def page(self, physical: int) -> bytes:
        """Return the page of the image at a physical link address; zeros where there is nothing."""
        content = bytearray(PAGE_SIZE)
        for load in self.loads:
            start = max(physical, load.paddr)
            end = min(physical + PAGE_SIZE, load.paddr + load.filesz)
            if start < end and load.offset is not None:
                found = self.read(load.offset + start - load.paddr, end - start)
                content[start - physical : start - physical + len(found)] = found
        return bytes(content)

    def address(self, names: Iterable[str]) -> int | None:
        """Return the address of a symbol of any of these names; ``None`` of none or of several."""
        found = self.symbols.addresses(names)
        addresses = {address for places in found.values() for address in places}
        return addresses.pop() if len(addresses) == 1 else None

    def size_of(self, function: int) -> int:
        """Return how large the function at an address is at least: up to the next symbol."""
        size = _ALIGNMENT
        while size < PAGE_SIZE:
            symbol = self.symbols.holding(function + size)
            if symbol is None or symbol.address != function:
                break
            size += _ALIGNMENT
        return size

    def place(self, address: int) -> str:
        """Name a place in the image: ``sme_prepare_pgd+0x50``, or that of a section."""
        section = next((s for s in self.sections if s.address <= address < s.end), None)
        symbol = self.symbols.holding(address)
        if section is not None and section.name.startswith(_WITHOUT_SYMBOLS):
            return _with_offset(section.name, address - section.address)
        first = max(address - _FAR_FROM_A_SYMBOL, section.address if section else 0)
        if symbol is not None and symbol.address >= first:
            return _with_offset(symbol.name, address - symbol.address)
        if section is not None:
            return _with_offset(section.name, address - section.address)
        return "outside the image"


def _with_offset(name: str, offset: int) -> str:
    return f"{name}+{offset:#x}" if offset else name
