"""The skeleton of a 64-bit little-endian ELF file: header, program headers, section headers.

Their layout, and all names and numbers in them: System V ABI, chapters 4 and 5, and
include/uapi/linux/elf.h.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from struct import Struct
from typing import TYPE_CHECKING, BinaryIO

from smecheck.errors import MalformedInput, WrongKind
from smecheck.kernel.image import LoadSegment
from smecheck.quantity import address_text
from smecheck.read.kernel.elf_section_types import type_text
from smecheck.record import record
from smecheck.span import Span

if TYPE_CHECKING:
    from smecheck.read.kernel.kallsyms import Kallsyms

_CHUNK = 1 << 20
_KALLSYMS_LIMIT = 256 << 20
"""Bytes of .rodata that are searched; Debian's have 9 MiB."""
_HEADER = Struct("<16xHH4xQQQ6xHHHHH")
_PROGRAM_HEADER = Struct("<IIQQQQQ8x")
_SECTION_HEADER = Struct("<IIQQQQII16x")
_NOTE_HEADER = Struct("<III")
_SHF_ALLOC = 2
_PT_LOAD, _PT_NOTE = 1, 4
MACHINES = {
    3: "386",
    8: "MIPS",
    20: "PPC",
    21: "PPC64",
    22: "S390",
    40: "ARM",
    50: "IA_64",
    62: "X86_64",
    183: "AARCH64",
    243: "RISCV",
    258: "LOONGARCH",
}
"""Those that kexec knows."""

TYPES = {1: "REL", 2: "EXEC", 3: "DYN", 4: "CORE"}
_ADDRESSES_END = 1 << 64
_NAMES_LIMIT = 4 << 20
_ENTRIES_LIMIT = 1 << 16
_TAKE_WHOLE_FILE = "the file is truncated or damaged: copy it again"


@record
class _Header:
    type: int
    machine: int
    entry: int
    program_headers: int
    section_headers: int
    program_entry: int
    program_count: int
    section_entry: int
    section_count: int
    names: int
    """Number of the section that holds the names of all."""


@record
class _ProgramHeader:
    type: int
    flags: int
    offset: int
    vaddr: int
    paddr: int
    filesz: int
    memsz: int


@record
class _SectionHeader:
    name: int
    type: int
    flags: int
    address: int
    offset: int
    size: int
    link: int
    info: int


@record
class ElfSection:
    """A section header; ``type`` without its prefix."""

    name: str
    type: str
    flags: int
    address: int
    offset: int
    size: int
    link: int
    info: int

    @property
    def is_allocated(self) -> bool:
        """Whether the section is part of the loaded image."""
        return bool(self.flags & _SHF_ALLOC)

    @property
    def is_in_file(self) -> bool:
        """Whether the section has bytes in the file."""
        return self.type != "NOBITS"


class ElfFile:
    """Bounded access to an ELF file: nothing outside it is read, no count is believed unchecked."""

    def __init__(self, stream: BinaryIO, size: int, name: str) -> None:
        self.name = name
        self.size = size
        self._stream = stream
        self._header = _Header(0, 0, 0, 0, 0, 0, 0, 0, 0, 0)

    @property
    def machine(self) -> str:
        """``X86_64`` or another name or number, of EM_*."""
        return _named(self._header.machine, MACHINES)

    @property
    def type(self) -> str:
        """``EXEC`` or another name or number, of ET_*."""
        return _named(self._header.type, TYPES)

    @property
    def entry(self) -> int:
        """Where the program begins: e_entry, of a kernel the physical link address."""
        return self._header.entry

    def read(self, offset: int, size: int, what: str) -> bytes:
        """Read ``size`` bytes at ``offset``.

        Raises:
            MalformedInput: they do not lie in the file.
        """
        self.check_bounds(offset, size, what)
        data = self.bytes_at(offset, size)
        if len(data) != size:
            raise MalformedInput(
                f"{_one_line(what)} could not be read", where=self.name, help_text=_TAKE_WHOLE_FILE
            )
        return data

    def check_bounds(self, offset: int, size: int, what: str) -> None:
        """Refuse bytes that do not lie in the file; raises as :meth:`read` does."""
        if offset + size > self.size:
            place = f"{_one_line(what)} at {address_text(offset)} (0x{size:x} bytes)"
            raise MalformedInput(
                f"{place} lies past the end of the file ({self.size} bytes)",
                where=self.name,
                help_text=_TAKE_WHOLE_FILE,
            )

    def bytes_at(self, offset: int, size: int) -> bytes:
        """Return what the file has there; :meth:`read` checks that it is all."""
        self._stream.seek(offset)
        return self._stream.read(size)

    def bytes_if_kept(self, offset: int, size: int) -> bytes | None:
        """Return what the file has there; ``None`` where it is not at hand any more."""
        end = min(offset + size, self.size)
        return self.bytes_at(offset, end - offset) if offset < end else b""

    def ask_again(self, spans: list[Span]) -> None:  # noqa: ARG002 - all of a file is at hand
        """Have spans that are not at hand any more brought back, if that is possible."""
        return

    def chunks(self, section: ElfSection, overlap: int) -> Iterator[bytes]:
        """Yield the section's bytes in pieces that overlap, so that no text is cut in two.

        They are for searching: where the texts that are searched are known already, it may be
        these alone.
        """
        tail = b""
        for at in range(0, section.size, _CHUNK):
            size = min(_CHUNK, section.size - at)
            piece = self.read(section.offset + at, size, f"section {section.name}")
            yield tail + piece
            tail = piece[-overlap:] if overlap else b""

    def kallsyms(self, section: ElfSection) -> Kallsyms | None:
        """Find the kernel's own symbol tables in a section.

        Raises:
            MalformedInput: the section does not lie in the file.
        """
        from smecheck.read.kernel.kallsyms_stream import KallsymsStream, Part

        stream = KallsymsStream((Part(0, section.size, section.address),))
        chunks = itertools.islice(self.chunks(section, 0), _KALLSYMS_LIMIT // _CHUNK)
        return stream.feed_all(chunks)

    def read_header(self) -> None:
        """Read the ELF header.

        Raises:
            WrongKind: the file is not 64-bit little-endian.
            MalformedInput: it is too short.
        """
        ident = self.read(0, min(self.size, 16), "the ELF header")
        if len(ident) < 16 or self.size < _HEADER.size:
            raise MalformedInput(
                f"ends inside the ELF header ({self.size} bytes)",
                where=self.name,
                help_text=_TAKE_WHOLE_FILE,
            )
        self._refuse_other_classes(ident)
        self._header = _Header(*_HEADER.unpack(self.read(0, _HEADER.size, "the ELF header")))

    @property
    def section_headers_span(self) -> Span:
        """Where the section headers lie, as the ELF header has it."""
        offset, count = self._header.section_headers, max(self._header.section_count, 1)
        return Span(offset, offset + count * _SECTION_HEADER.size)

    def note_spans(self) -> list[Span]:
        """Return where the notes lie, as the program headers have it."""
        return [
            Span.sized(header.offset, header.filesz)
            for header in self._program_headers()
            if header.type == _PT_NOTE
        ]

    def _program_headers(self) -> list[_ProgramHeader]:
        count, entry = self._header.program_count, self._header.program_entry
        if count and entry != _PROGRAM_HEADER.size:
            raise self._malformed(f"program headers of {entry} bytes")
        at, size = self._header.program_headers, count * _PROGRAM_HEADER.size
        table = self.read(at, size, "program headers")
        return [_ProgramHeader(*fields) for fields in _PROGRAM_HEADER.iter_unpack(table)]

    def read_loads(self) -> tuple[LoadSegment, ...]:
        """Read the LOAD program headers.

        Raises:
            MalformedInput: one of them is of no range of addresses.
        """
        return tuple(
            self._load(header) for header in self._program_headers() if header.type == _PT_LOAD
        )

    def read_sections(self) -> list[ElfSection]:
        """Read the section headers, in order, the null section included.

        Raises:
            WrongKind: there are none.
            MalformedInput: they do not lie in the file, or have no names.
        """
        offset, count = self._header.section_headers, self._header.section_count
        if not offset:
            raise WrongKind(
                "has no section headers",
                where=self.name,
                help_text="they were stripped (sstrip?); give the vmlinux of the build, or a "
                "description of it",
            )
        if self._header.section_entry != _SECTION_HEADER.size:
            raise self._malformed(f"section headers of {self._header.section_entry} bytes")
        if count == 0:
            # Extended numbering: with 0xff00 sections and more, the count is in the first header.
            first = self.read(offset, _SECTION_HEADER.size, "section 0")
            count = _SectionHeader(*_SECTION_HEADER.unpack(first)).size
        if not 0 < count <= _ENTRIES_LIMIT:
            raise self._malformed(f"{count} section headers")
        table = self.read(offset, count * _SECTION_HEADER.size, "section headers")
        headers = [_SectionHeader(*fields) for fields in _SECTION_HEADER.iter_unpack(table)]
        names = self._section_names(headers)
        return [self._section(header, names) for header in headers]

    def iter_notes(self, data: bytes) -> list[tuple[bytes, int, bytes]]:
        """Split a note section into (name, type, description); a broken rest is left out."""
        notes = []
        at = 0
        while at + _NOTE_HEADER.size <= len(data):
            name_size, size, note_type = _NOTE_HEADER.unpack_from(data, at)
            name_at = at + _NOTE_HEADER.size
            description_at = name_at + (name_size + 3 & ~3)
            end = description_at + size
            if end > len(data):
                break
            name = data[name_at : name_at + name_size].rstrip(b"\0")
            notes.append((name, note_type, data[description_at:end]))
            at = end + 3 & ~3
        return notes

    def _load(self, header: _ProgramHeader) -> LoadSegment:
        vaddr, paddr, memsz = header.vaddr, header.paddr, header.memsz
        if header.filesz > memsz:
            what = f"{address_text(header.filesz)} bytes in the file, more than"
            raise self._malformed(f"a LOAD of {address_text(memsz)} bytes has {what} that")
        self._check_addresses(max(vaddr, paddr), memsz, "a LOAD")
        letters = zip("RWE", (4, 2, 1), strict=True)
        flags = "".join(letter for letter, bit in letters if header.flags & bit)
        return LoadSegment(vaddr, paddr, header.filesz, memsz, flags, header.offset)

    def _section(self, header: _SectionHeader, names: bytes) -> ElfSection:
        section = ElfSection(
            name=_name_at(names, header.name),
            type=type_text(header.type),
            flags=header.flags,
            address=header.address,
            offset=header.offset,
            size=header.size,
            link=header.link,
            info=header.info,
        )
        if section.is_allocated:
            self._check_addresses(section.address, section.size, f"section {section.name}")
        return section

    def _check_addresses(self, address: int, size: int, what: str) -> None:
        if address + size > _ADDRESSES_END:
            place = f"{address_text(address)} (0x{size:x} bytes)"
            raise self._malformed(f"{what} at {place} ends beyond the 64 bits of an address")

    def _section_names(self, headers: list[_SectionHeader]) -> bytes:
        index = self._header.names
        if index == 0xFFFF and headers:
            index = headers[0].link  # SHN_XINDEX, extended numbering
        if not 0 < index < len(headers):
            raise self._malformed("no section names")
        header = headers[index]
        if header.size > _NAMES_LIMIT:
            raise self._malformed(f"section names of {header.size} bytes")
        return self.read(header.offset, header.size, "the section names")

    def _refuse_other_classes(self, ident: bytes) -> None:
        if ident[4] == 1:
            raise WrongKind(
                "is a 32-bit ELF file",
                where=self.name,
                help_text="SME needs a 64-bit kernel; give an x86-64 vmlinux",
            )
        if ident[5] == 2:
            raise WrongKind(
                "is a big-endian ELF file, so not x86-64",
                where=self.name,
                help_text="SME exists on AMD x86-64 machines only",
            )
        if ident[4] != 2 or ident[5] != 1:
            raise self._malformed(f"ELF class {ident[4]}, byte order {ident[5]}")

    def _malformed(self, what: str) -> MalformedInput:
        return MalformedInput(
            f"is damaged: {_one_line(what)}", where=self.name, help_text=_TAKE_WHOLE_FILE
        )


def _one_line(text: str) -> str:
    """Keep an error with a name out of the file to one line: a second would pass for another."""
    return text.replace("\n", "\\x0a")


def _name_at(names: bytes, offset: int) -> str:
    # Names may share tails: a name runs from any offset to the next NUL.
    end = names.find(b"\0", offset)
    return names[offset : end if end >= 0 else len(names)].decode("latin-1")


def _named(number: int, names: dict[int, str]) -> str:
    return names.get(number, str(number))
