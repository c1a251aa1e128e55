"""A vmlinux whose SME code is small, ours, and can be patched at its labels."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from elfwriter import SHF_ALLOC, SHF_EXECINSTR, SHF_WRITE, TEXT, Elf, Load, Section, Symbol

LISTING = Path(__file__).parent / "data" / "sme-program" / "program.lst"
END = 0x243000
WORKAREA = 0x400000
SCRATCH_SIZE = 0x400000
NAMED = (
    *("startup_64", "sme_enable", "sme_pgtable_calc", "sme_map_one", "sme_map_range"),
    *("sme_clear_pgd", "sme_encrypt_kernel", "sme_encrypt_execute", "routine", "routine_end"),
    *("sme_me_mask", "root", "next_table", "table_mask", "levels", "top_shift"),
)
"""The labels that are symbols: functions and variables."""
LABEL = re.compile(r"([a-z_0-9]+):")
LINE = re.compile(r" +([0-9a-f]{4}): (?:([0-9a-f]{2}) \* (\d+)|([0-9a-f]+)) +(\S.*)")


@cache
def listing() -> tuple[bytes, dict[str, int], dict[int, str]]:
    """Return the code, the offsets of its labels, and the instruction at each offset."""
    code, labels, instructions = bytearray(), {}, {}
    for line in LISTING.read_text().splitlines():
        if label := LABEL.fullmatch(line):
            labels[label[1]] = len(code)
        elif match := LINE.fullmatch(line):
            assert int(match[1], 16) == len(code), line
            instructions[len(code)] = match[5]
            code += bytes.fromhex(match[4] or match[2] * int(match[3]))
    return bytes(code), labels, instructions


def label(name: str) -> int:
    """Return the link address of a label."""
    return TEXT + listing()[1][name]


def instruction(name: str) -> tuple[int, bytes]:
    """Return the offset and the bytes of the instruction at a label."""
    code, labels, instructions = listing()
    start = labels[name]
    end = min(offset for offset in (*instructions, len(code)) if offset > start)
    return start, code[start:end]


def patched(changes: Mapping[str, bytes]) -> bytes:
    """Return the code with bytes from some labels on replaced."""
    code, labels, _ = listing()
    changed = bytearray(code)
    for name, replacement in changes.items():
        changed[labels[name] : labels[name] + len(replacement)] = replacement
    return bytes(changed)


def nops(name: str) -> dict[str, bytes]:
    """Return a change that leaves the instruction at a label out."""
    return {name: b"\x90" * len(instruction(name)[1])}


def immediate(name: str, old: int, new: int) -> dict[str, bytes]:
    """Return a change of a 32-bit number in the instruction at a label."""
    _, code = instruction(name)
    before, after = (value.to_bytes(4, "little", signed=value < 0) for value in (old, new))
    assert code.count(before) == 1
    return {name: code.replace(before, after)}


def elf(
    code: bytes | None = None,
    *,
    in_section: bool = True,
    five_levels: bool = True,
    symbols: Mapping[str, int] | None = None,
    without: tuple[str, ...] = (),
    entry: str = "startup_64",
) -> bytes:
    """Return a vmlinux of the program.

    Args:
        code: in place of its own.
        in_section: whether the workarea is a section, or just lies past the end.
        five_levels: whether a symbol says that it knows five levels of page tables.
        symbols: more of them, by link address.
        without: symbols that are left out.
        entry: the label where it is entered.
    """
    own, labels, _ = listing()
    text = own if code is None else code
    banner = b"Linux version 6.1.0-program (builder@host) #1 SMP\n\0"
    names = {name: TEXT + labels[name] for name in NAMED}
    names |= {"_text": TEXT, "_end": TEXT + END} | dict(symbols or {})
    if five_levels:
        names["__pgtable_l5_enabled"] = names["levels"]
    sections = [
        Section(".text", address=TEXT, data=text, flags=SHF_ALLOC | SHF_EXECINSTR),
        Section(".rodata", address=TEXT + 0x4000, data=banner),
        Section(".bss", "NOBITS", TEXT + 0x5000, size=END - 0x6000, flags=SHF_ALLOC | SHF_WRITE),
        Section(".brk", "NOBITS", TEXT + END - 0x1000, size=0x1000, flags=SHF_ALLOC | SHF_WRITE),
    ]
    size = END
    if in_section:
        names["sme_workarea"] = TEXT + WORKAREA
        size = WORKAREA + SCRATCH_SIZE
        scratch = Section(".init.scratch", address=TEXT + WORKAREA, size=SCRATCH_SIZE, align=32)
        sections.append(scratch)
    table = [Symbol(name, value) for name, value in names.items() if name not in without]
    start = 64 + 56  # past the headers, where .text is written
    in_file = size if in_section else len(text)
    load = Load(TEXT, TEXT & 0x7FFFFFFF, in_file, size, "RWE", start)
    built = bytearray(Elf(sections, table, [load]).build())
    built[24:32] = (0x1000000 + labels[entry]).to_bytes(8, "little")
    return bytes(built)
