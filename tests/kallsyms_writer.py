"""A kernel's own symbol tables, written byte by byte as scripts/kallsyms.c of each time lays them.

Names are packed as there: again and again the pair of bytes that occurs most often gets a byte of
its own that no name has, until there is none left.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from random import Random

from elfwriter import TEXT, Elf, Load

START_KERNEL_MAP = 0xFFFFFFFF80000000

MARKED = 256


@dataclass(frozen=True)
class Form:
    """How the tables of a kernel are laid out."""

    kernels: str
    late: bool
    """The offsets come after the tokens."""
    word: int = 4
    """Bytes of num_syms and of a marker."""
    alignment: int = 8
    reference: str = "base or zero"
    """What an offset is counted from: ``base or zero``, ``base``, ``place``."""
    seqs: bool = True
    long_names: bool = True


FORMS = (
    Form("4.14", late=False, word=8, seqs=False, long_names=False),
    Form("5.10", late=False, seqs=False, long_names=False),
    Form("5.10 without SMP", late=False, reference="base", seqs=False, long_names=False),
    Form("6.1", late=False, seqs=False),
    Form("6.1.y, 6.2", late=False),
    Form("6.2 without SMP", late=False, reference="base"),
    Form("6.4 to 6.12", late=True),
    Form("6.12 without SMP, 6.16", late=True, reference="base"),
    Form("7.0", late=True, reference="place"),
    Form("7.1", late=True, alignment=4, reference="place"),
)


@dataclass(frozen=True)
class Entry:
    """A symbol: link address, type as of nm, name."""

    address: int
    type: str
    name: str


RODATA = TEXT + 0x600000
END = TEXT + 0xA16000

KNOWN = (
    Entry(TEXT, "T", "_text"),
    Entry(TEXT, "T", "_stext"),
    Entry(TEXT + 0x17E0, "T", "sme_encrypt_kernel"),
    Entry(TEXT + 0x1CB0, "T", "sme_enable"),
    Entry(TEXT + 0x1F00, "t", "sha_0918273645"),  # every kernel has all digits
    Entry(TEXT + 0x2000, "t", "set_pgd.constprop.0"),
    Entry(TEXT + 0x2010, "t", "set_pgd"),
    Entry(TEXT + 0x2020, "t", "set_pgd"),
    Entry(END - 0x16000, "B", "__bss_stop"),
    Entry(END, "B", "_end"),
)
WORDS = (
    "init",
    "x86",
    "get",
    "page",
    "table",
    "0",
    "27",
    "sys",
    "bpf",
    "dev_",
    "pci",
    "Q9",
    "lock",
)


def made_up(count: int, form: Form) -> list[Entry]:
    """Return a kernel's symbols: those of KNOWN, per-CPU data, and others to make ``count``."""
    random = Random(count)  # noqa: S311
    entries = list(KNOWN)
    if form.reference == "base or zero":
        entries += [Entry(0, "A", "__per_cpu_start"), Entry(0x1A000, "A", "cpu_tss_rw")]
    for number in range(count - len(entries)):
        name = "_".join(random.choice(WORDS) for _ in range(random.randrange(1, 5)))
        address = TEXT + random.randrange(0x2100, 0xA00000)
        entries.append(Entry(address, random.choice("tTdDbr"), f"{name}_{number % 97}1345678"))
    return entries


def kallsyms(entries: Iterable[Entry], form: Form, address: int, lead: bytes = b"") -> bytes:
    """Return the tables for a section that begins at ``address``, with ``lead`` in front."""
    table = sorted(entries, key=lambda entry: entry.address)
    packed, tokens = pack(tuple((entry.type + entry.name).encode() for entry in table))
    names, markers = bytearray(), []
    for number, name in enumerate(packed):
        if number % MARKED == 0:
            markers.append(len(names))
        names += _length(len(name), form) + name
    word = f"<{'Q' if form.word == 8 else 'I'}"
    token_table, index = bytearray(), b""
    for token in tokens:
        index += struct.pack("<H", len(token_table))
        token_table += token + b"\0"
    base = min(entry.address for entry in table if entry.address >= TEXT)
    by_name = sorted(range(len(table)), key=lambda number: table[number].name.encode())
    parts = {
        "num_syms": struct.pack(word, len(table)),
        "names": bytes(names),
        "markers": b"".join(struct.pack(word, marker) for marker in markers),
        "seqs": b"".join(number.to_bytes(3, "big") for number in by_name),
        "token_table": bytes(token_table),
        "token_index": index,
        "base": struct.pack("<Q", base),
        "offsets": bytes(4 * len(table)),
    }
    strings = ["token_table", "token_index"]
    if form.late:
        order = ["num_syms", "names", "markers", *strings, "offsets", "base", "seqs"]
    else:
        order = ["offsets", "base", "num_syms", "names", "markers", "seqs", *strings]
    data = bytearray(lead)
    for name in order:
        if (name == "seqs" and not form.seqs) or (name == "base" and form.reference == "place"):
            continue
        data += bytes(-len(data) % form.alignment)
        if name == "offsets":
            data += _offsets(table, form, base, address + len(data))
        else:
            data += parts[name]
    return bytes(data)


def _offsets(table: list[Entry], form: Form, base: int, address: int) -> bytes:
    offsets = []
    for number, entry in enumerate(table):
        if form.reference == "place":
            offsets.append(struct.pack("<i", entry.address - address - 4 * number))
        elif form.reference == "base":
            offsets.append(struct.pack("<I", entry.address - base))
        else:
            absolute = entry.address < base
            offsets.append(
                struct.pack("<i", entry.address if absolute else base - 1 - entry.address)
            )
    return b"".join(offsets)


def _length(size: int, form: Form) -> bytes:
    if size < 0x80:
        return bytes([size])
    assert form.long_names, f"{form.kernels} has no names of {size} tokens"
    return bytes([size & 0x7F | 0x80, size >> 7])


@lru_cache
def pack(names: tuple[bytes, ...]) -> tuple[list[bytes], list[bytes]]:
    """Return the names in tokens, and what each of the 256 tokens stands for."""
    used = {byte for name in names for byte in name}
    tokens = [bytes([byte]) if byte in used else b"" for byte in range(256)]
    packed = [list(name) for name in names]
    pairs = Counter(pair for name in packed for pair in pairwise(name))
    for byte in range(255, -1, -1):
        if byte in used or not pairs:
            continue
        pair, count = max(pairs.items(), key=lambda item: (item[1], item[0]))
        if count < 1:
            break
        tokens[byte] = tokens[pair[0]] + tokens[pair[1]]
        for name in packed:
            if pair not in pairwise(name):
                continue
            pairs.subtract(pairwise(name))
            at = 0
            while at < len(name) - 1:
                if (name[at], name[at + 1]) == pair:
                    name[at : at + 2] = [byte]
                at += 1
            pairs.update(pairwise(name))
    return [bytes(name) for name in packed], tokens


def with_kallsyms(elf: Elf, entries: Iterable[Entry], form: Form) -> Elf:
    """Put the tables of a kernel into its .rodata, and that into a LOAD, as the loader needs it."""
    index = next(at for at, section in enumerate(elf.sections) if section.name == ".rodata")
    before, rodata = elf.sections[:index], elf.sections[index]
    offset = 64 + 56 * (len(elf.loads) + 1)
    offset += sum(section.length for section in before if section.type != "NOBITS")
    before[-1].data += bytes(-offset % 8)
    offset += -offset % 8
    rodata.address += offset % 4096
    rodata.data = kallsyms(entries, form, rodata.address, rodata.data)
    size = len(rodata.data)
    elf.loads.append(
        Load(rodata.address, rodata.address - START_KERNEL_MAP, size, size, "R", offset)
    )
    return elf
