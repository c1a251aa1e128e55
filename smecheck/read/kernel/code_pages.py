"""The code of an image, page by page, and names for its addresses."""

from __future__ import annotations

from collections.abc import Callable

from smecheck.evidence import Known
from smecheck.kernel.constants import PAGE_SIZE
from smecheck.kernel.image import LoadSegment
from smecheck.kernel.symbols import Symbols
from smecheck.machine_code.walk import Code
from smecheck.quantity import address_text
from smecheck.read.kernel.elf_file import ElfFile, ElfSection
from smecheck.span import Span


def code_of(elf: ElfFile, loads: tuple[LoadSegment, ...]) -> Code:
    """Return the code of an ELF file, as far as it is at hand."""

    def page(address: int) -> bytes | None:
        span = place_of(loads, address)
        return elf.bytes_if_kept(span.start, span.size) if span else b""

    return Code(page)


def place_of(loads: tuple[LoadSegment, ...], address: int) -> Span:
    """Return where in the file the page at an address is; an empty span where it is in no LOAD."""
    for load in loads:
        within = address - load.vaddr
        if 0 <= within < load.filesz and load.offset is not None:
            return Span.sized(load.offset + within, min(PAGE_SIZE, load.filesz - within))
    return Span(0, 0)


def names_of(elf: ElfFile, sections: list[ElfSection]) -> Callable[[int], str]:
    """Return what names an address: by the symbol or the section that begins last before it."""
    known: list[Symbols] = []

    def name_of(address: int) -> str:
        if not known:
            from smecheck.read.kernel.kernel_symbols import kernel_symbols

            found = kernel_symbols(elf, sections)
            known.extend([found.value] if isinstance(found, Known) else [])
        name, begin = "", 0
        for section in sections:
            if section.is_allocated and 0 <= address - section.address < section.size:
                name, begin = section.name, section.address
        symbol = known[0].holding(address) if known else None
        if symbol is not None and symbol.address >= begin:
            plainest = _plainest(known[0].names(symbol.address), symbol.name)
            # What lies after the end of something (_etext, _einittext) is not of it.
            if not (name and plainest.startswith("_e")):
                name, begin = plainest, symbol.address
        if not name:
            return address_text(address)
        return name if address == begin else f"{name}+{address - begin:#x}"

    return name_of


def _plainest(names: tuple[str, ...], name: str) -> str:
    """Return one of the names of an address: not that of the padding in front of a function."""
    return next((one for one in names if not one.startswith(("__pfx_", "__cfi_"))), name)
