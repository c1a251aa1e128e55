"""The skeleton of a 64-bit little-endian ELF file: header, program headers, section headers."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, BinaryIO

from smecheck.errors import MalformedInput, WrongKind
from smecheck.kernel.image import LoadSegment
from smecheck.quantity import address_text
from smecheck.record import record
from smecheck.span import Span

if TYPE_CHECKING:
    from smecheck.read.kernel.kallsyms import Kallsyms

_CHUNK = 1 << 20
_KALLSYMS_LIMIT = 256 << 20
"""Bytes of .rodata that are searched; Debian's have 9 MiB."""
_HEADER_SIZE = 64
_SECTION_ENTRY_SIZE = 64
_PROGRAM_ENTRY_SIZE = 56
_SHF_ALLOC = 2
_ADDRESSES_END = 1 << 64
_NAMES_LIMIT = 4 << 20
_ENTRIES_LIMIT = 1 << 16
_TAKE_WHOLE_FILE = "the file is truncated or damaged: copy it again"


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
        self._structs: Any = None
        self._header: Any = None

    @property
    def machine(self) -> str:
        """``EM_X86_64`` or another name or number."""
        return str(self._header["e_machine"])

    @property
    def type(self) -> str:
        """``ET_EXEC`` or another name or number."""
        return str(self._header["e_type"])

    @property
    def entry(self) -> int:
        """Where the program begins: e_entry, of a kernel the physical link address."""
        entry: int = self._header["e_entry"]
        return entry

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
        if len(ident) < 16 or self.size < _HEADER_SIZE:
            raise MalformedInput(
                f"ends inside the ELF header ({self.size} bytes)",
                where=self.name,
                help_text=_TAKE_WHOLE_FILE,
            )
        self._refuse_other_classes(ident)
        from elftools.elf.structs import ELFStructs

        self._structs = ELFStructs(little_endian=True, elfclass=64)
        self._structs.create_basic_structs()
        self._header = self._parse("Elf_Ehdr", self.read(0, _HEADER_SIZE, "the ELF header"))
        self._structs.create_advanced_structs(
            self._header["e_type"], self._header["e_machine"], self._header["e_ident"]["EI_OSABI"]
        )

    @property
    def section_headers_span(self) -> Span:
        """Where the section headers lie, as the ELF header has it."""
        offset, count = self._header["e_shoff"], max(self._header["e_shnum"], 1)
        return Span(offset, offset + count * _SECTION_ENTRY_SIZE)

    def note_spans(self) -> list[Span]:
        """Return where the notes lie, as the program headers have it."""
        return [
            Span(header["p_offset"], header["p_offset"] + header["p_filesz"])
            for header in self._program_headers()
            if header["p_type"] == "PT_NOTE"
        ]

    def _program_headers(self) -> list[Any]:
        count, entry = self._header["e_phnum"], self._header["e_phentsize"]
        if count and entry != _PROGRAM_ENTRY_SIZE:
            raise self._malformed(f"program headers of {entry} bytes")
        table = self.read(self._header["e_phoff"], count * _PROGRAM_ENTRY_SIZE, "program headers")
        return [
            self._parse("Elf_Phdr", table[at : at + _PROGRAM_ENTRY_SIZE])
            for at in range(0, len(table), _PROGRAM_ENTRY_SIZE)
        ]

    def read_loads(self) -> tuple[LoadSegment, ...]:
        """Read the LOAD program headers.

        Raises:
            MalformedInput: one of them is of no range of addresses.
        """
        return tuple(
            self._load(header)
            for header in self._program_headers()
            if header["p_type"] == "PT_LOAD"
        )

    def read_sections(self) -> list[ElfSection]:
        """Read the section headers, in order, the null section included.

        Raises:
            WrongKind: there are none.
            MalformedInput: they do not lie in the file, or have no names.
        """
        offset, count = self._header["e_shoff"], self._header["e_shnum"]
        if not offset:
            raise WrongKind(
                "has no section headers",
                where=self.name,
                help_text="they were stripped (sstrip?); give the vmlinux of the build, or a "
                "description of it",
            )
        if self._header["e_shentsize"] != _SECTION_ENTRY_SIZE:
            raise self._malformed(f"section headers of {self._header['e_shentsize']} bytes")
        if count == 0:
            # Extended numbering: with 0xff00 sections and more, the count is in the first header.
            count = self._parse("Elf_Shdr", self.read(offset, _SECTION_ENTRY_SIZE, "section 0"))[
                "sh_size"
            ]
        if not 0 < count <= _ENTRIES_LIMIT:
            raise self._malformed(f"{count} section headers")
        table = self.read(offset, count * _SECTION_ENTRY_SIZE, "section headers")
        headers = [
            self._parse("Elf_Shdr", table[at : at + _SECTION_ENTRY_SIZE])
            for at in range(0, len(table), _SECTION_ENTRY_SIZE)
        ]
        names = self._section_names(headers)
        return [self._section(header, names) for header in headers]

    def iter_notes(self, data: bytes) -> list[tuple[bytes, int, bytes]]:
        """Split a note section into (name, type, description); a broken rest is left out."""
        notes = []
        at = 0
        while at + 12 <= len(data):
            header = self._parse("Elf_Nhdr", data[at : at + 12])
            name_at = at + 12
            description_at = name_at + (header["n_namesz"] + 3 & ~3)
            end = description_at + header["n_descsz"]
            if end > len(data):
                break
            name = data[name_at : name_at + header["n_namesz"]].rstrip(b"\0")
            notes.append((name, _note_type(header["n_type"]), data[description_at:end]))
            at = end + 3 & ~3
        return notes

    def _load(self, header: Any) -> LoadSegment:
        vaddr, paddr, memsz = header["p_vaddr"], header["p_paddr"], header["p_memsz"]
        if header["p_filesz"] > memsz:
            what = f"{address_text(header['p_filesz'])} bytes in the file, more than"
            raise self._malformed(f"a LOAD of {address_text(memsz)} bytes has {what} that")
        self._check_addresses(max(vaddr, paddr), memsz, "a LOAD")
        letters = zip("RWE", (4, 2, 1), strict=True)
        flags = "".join(letter for letter, bit in letters if header["p_flags"] & bit)
        return LoadSegment(vaddr, paddr, header["p_filesz"], memsz, flags, header["p_offset"])

    def _section(self, header: Any, names: bytes) -> ElfSection:
        section = ElfSection(
            name=_name_at(names, header["sh_name"]),
            type=str(header["sh_type"]).removeprefix("SHT_"),
            flags=header["sh_flags"],
            address=header["sh_addr"],
            offset=header["sh_offset"],
            size=header["sh_size"],
            link=header["sh_link"],
            info=header["sh_info"],
        )
        if section.is_allocated:
            self._check_addresses(section.address, section.size, f"section {section.name}")
        return section

    def _check_addresses(self, address: int, size: int, what: str) -> None:
        if address + size > _ADDRESSES_END:
            place = f"{address_text(address)} (0x{size:x} bytes)"
            raise self._malformed(f"{what} at {place} ends beyond the 64 bits of an address")

    def _section_names(self, headers: list[Any]) -> bytes:
        index = self._header["e_shstrndx"]
        if index == 0xFFFF and headers:
            index = headers[0]["sh_link"]  # SHN_XINDEX, extended numbering
        if not 0 < index < len(headers):
            raise self._malformed("no section names")
        header = headers[index]
        if header["sh_size"] > _NAMES_LIMIT:
            raise self._malformed(f"section names of {header['sh_size']} bytes")
        return self.read(header["sh_offset"], header["sh_size"], "the section names")

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

    def _parse(self, structure: str, data: bytes) -> Any:
        return getattr(self._structs, structure).parse(data)

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


def _note_type(value: object) -> int:
    """Return a note's type as a number: pyelftools names the types of core files."""
    names = {"NT_PRPSINFO": 3, "NT_GNU_BUILD_ID": 3}
    return value if isinstance(value, int) else names.get(str(value), -1)
