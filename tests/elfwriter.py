"""ELF files, written byte by byte: whatever a test needs, right or wrong in one place."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

SHT = {"NULL": 0, "PROGBITS": 1, "SYMTAB": 2, "STRTAB": 3, "RELA": 4, "NOTE": 7, "NOBITS": 8}
SHF_WRITE, SHF_ALLOC, SHF_EXECINSTR = 1, 2, 4
STB_LOCAL, STB_GLOBAL = 0, 1
STT_NOTYPE, STT_FUNC, STT_FILE = 0, 2, 4
PF = {"R": 4, "W": 2, "E": 1}


@dataclass
class Section:
    name: str
    type: str = "PROGBITS"
    address: int = 0
    data: bytes = b""
    size: int | None = None
    """Larger than the data: zeros follow (or nothing in the file, for NOBITS)."""
    flags: int = SHF_ALLOC
    align: int = 1
    link: int = 0
    info: int = 0
    offset: int | None = None
    """Where the header says it is; where it was written, if not given."""

    @property
    def length(self) -> int:
        return len(self.data) if self.size is None else self.size


@dataclass
class Symbol:
    name: str
    value: int
    binding: int = STB_GLOBAL
    type: int = STT_NOTYPE
    section: int = 1


@dataclass
class Load:
    vaddr: int
    paddr: int
    filesz: int
    memsz: int
    flags: str = "RE"
    offset: int = 0x200000
    type: int = 1


@dataclass
class Elf:
    sections: list[Section] = field(default_factory=list)
    symbols: list[Symbol] | None = None
    loads: list[Load] = field(default_factory=list)
    machine: int = 62
    type: int = 2
    elf_class: int = 2
    byte_order: int = 1
    merge_tails: bool = False
    """Store names that are the tail of another only once, as linkers do."""

    def build(self) -> bytes:
        sections = [Section("", "NULL", flags=0), *self.sections]
        if self.symbols is not None:
            # As the format demands, and read_symbols relies on: locals first.
            self.symbols.sort(key=lambda symbol: symbol.binding)
            names, places = string_table([s.name for s in self.symbols], merge=self.merge_tails)
            table = bytes(24) + b"".join(
                struct.pack(
                    "<IBBHQQ", places[s.name], s.binding << 4 | s.type, 0, s.section, s.value, 0
                )
                for s in self.symbols
            )
            sections.append(
                Section(
                    ".symtab",
                    "SYMTAB",
                    data=table,
                    flags=0,
                    link=len(sections) + 1,
                    info=1 + len([s for s in self.symbols if s.binding == STB_LOCAL]),
                )
            )
            sections.append(Section(".strtab", "STRTAB", data=names, flags=0))
        section_names, name_at = string_table([*(s.name for s in sections), ".shstrtab"])
        sections.append(Section(".shstrtab", "STRTAB", data=section_names, flags=0))
        return self._lay_out(sections, name_at)

    def _lay_out(self, sections: list[Section], name_at: dict[str, int]) -> bytes:
        body = bytearray()
        start = 64 + 56 * len(self.loads)
        headers = b""
        for section in sections:
            offset = start + len(body)
            if section.type not in ("NOBITS", "NULL"):
                body += section.data.ljust(section.length, b"\0")
            headers += struct.pack(
                "<IIQQQQIIQQ",
                name_at[section.name],
                SHT[section.type],
                section.flags,
                section.address,
                offset if section.offset is None else section.offset,
                section.length,
                section.link,
                section.info,
                section.align,
                24 if section.type == "SYMTAB" else 0,
            )
        programs = b"".join(
            struct.pack(
                "<IIQQQQQQ",
                load.type,
                sum(PF[letter] for letter in load.flags),
                load.offset,
                load.vaddr,
                load.paddr,
                load.filesz,
                load.memsz,
                0x200000,
            )
            for load in self.loads
        )
        ident = b"\x7fELF" + bytes([self.elf_class, self.byte_order, 1]) + bytes(9)
        header = ident + struct.pack(
            ("<" if self.byte_order == 1 else ">") + "HHIQQQIHHHHHH",
            self.type,
            self.machine,
            1,
            0x1000000,
            64 if self.loads else 0,
            start + len(body),
            0,
            64,
            56,
            len(self.loads),
            64,
            len(sections),
            len(sections) - 1,
        )
        return header + programs + bytes(body) + headers


def string_table(names: list[str], *, merge: bool = False) -> tuple[bytes, dict[str, int]]:
    """Return the table, in the order of the names as linkers write it, and where each stands."""
    wanted = list(dict.fromkeys(name for name in names if name))
    table = bytearray(b"\0")
    places: dict[str, int] = {"": 0}
    tails = {name[at:] for name in wanted for at in range(1, len(name))} if merge else set()
    for name in wanted:
        if name not in tails:
            places[name] = len(table)
            table += name.encode("utf-8", "surrogateescape") + b"\0"
    for name in wanted:
        if name not in places:
            places[name] = table.find(name.encode("utf-8", "surrogateescape") + b"\0")
    return bytes(table), places


def note(name: bytes, note_type: int, description: bytes) -> bytes:
    """Return one entry of a note section."""
    padded_name = (name + b"\0").ljust((len(name) + 4) // 4 * 4, b"\0")
    padded = description.ljust((len(description) + 3) // 4 * 4, b"\0")
    header = struct.pack("<III", len(name) + 1, len(description), note_type)
    return header + padded_name + padded


TEXT = 0xFFFFFFFF81000000
BUILD_ID = bytes(range(20))


def vmlinux(
    *,
    end: int = TEXT + 0xA16000,
    release: str | None = "5.0.0",
    symbols: dict[str, int] | None = None,
    local_symbols: dict[str, int] | None = None,
    stripped: bool = False,
    scratch: str | None = None,
    scratch_type: str = "PROGBITS",
    scratch_address: int | None = None,
    scratch_size: int = 0x400000,
    sme: bool = True,
    init_data: bytes = b"",
    file_symbols: tuple[str, ...] = (),
) -> Elf:
    """Return a small kernel with the layout of a real one: percpu at 0, .bss and .brk NOBITS."""
    brk = end - 0x16000
    banner = f"Linux version {release} (builder@host) #1 SMP\n\0" if release else "nothing\0"
    sections = [
        Section(".text", address=TEXT, data=b"\xcc" * 64, flags=SHF_ALLOC | SHF_EXECINSTR),
        Section(".rela.text", "RELA", data=bytes(24), flags=0, link=1),
        Section(".rodata", address=TEXT + 0x600000, data=bytes(32) + banner.encode()),
        Section(
            ".notes", "NOTE", TEXT + 0x700000, note(b"Xen", 5, b"\1") + note(b"GNU", 3, BUILD_ID)
        ),
        Section(".data..percpu", address=0, data=bytes(16)),
        Section(".init.data", address=TEXT + 0x878000, data=bytes(8) + init_data),
        Section(".bss", "NOBITS", TEXT + 0x8D7000, size=brk - TEXT - 0x8D7000),
        Section(".brk", "NOBITS", brk, size=end - brk),
    ]
    aligned = -(-end // 0x200000) * 0x200000
    image_end, in_file = end, 0x8D7000
    if scratch:
        address = aligned if scratch_address is None else scratch_address
        sections.append(Section(scratch, scratch_type, address, size=scratch_size, align=32))
        image_end = address + scratch_size
        if scratch_type == "PROGBITS":
            in_file = image_end - TEXT
    loads = [
        Load(TEXT, 0x1000000, 0x6D3828, 0x6D4000, "RE", 0x200000),
        Load(TEXT + 0x800000, 0x1800000, 0x35000, 0x35000, "RW", 0xA00000),
        Load(0, 0x1835000, 0x1D000, 0x1D000, "RW", 0xC00000),
        Load(
            TEXT + 0x852000,
            0x1852000,
            in_file - 0x852000,
            image_end - TEXT - 0x852000,
            "RWE",
            0xC52000,
        ),
    ]
    table = None
    if not stripped:
        names = {"_text": TEXT, "_end": end, "__bss_start": TEXT + 0x8D7000}
        if sme:
            names |= {"sme_encrypt_kernel": TEXT + 0x8629A6, "sme_enable": TEXT + 0x862D13}
        table = [Symbol(name, 0, STB_LOCAL, STT_FILE, 0xFFF1) for name in file_symbols]
        table += [
            Symbol(name, value, STB_LOCAL, STT_FUNC)
            for name, value in (local_symbols or {}).items()
        ]
        table += [Symbol(name, value) for name, value in (names | (symbols or {})).items()]
    return Elf(sections, table, loads)
