"""The lines of a kernel log that are of the EFI firmware: its memory map and its tables."""

from __future__ import annotations

import re

from smecheck.machine.firmware import (
    EFI_MEMORY_MORE_RELIABLE,
    EFI_MEMORY_RUNTIME,
    EFI_MEMORY_SP,
    EfiRange,
)
from smecheck.machine.kernel_log import EfiTable, LogSpan
from smecheck.read.lines.known_lines import ANNOTATED, About, KnownLine
from smecheck.span import Span

RANGES_LIMIT = 4096
"""Entries of one map; the largest real ones have some hundreds."""

RANGE = KnownLine(
    About.MEMORY,
    ("efi:",),
    r"efi:[ \t]*(?:mem[0-9]{1,5}(?::|$)|$)",
    r"efi: mem([0-9]{1,5}): \[([^|\]]{1,40})\|([^\]]{1,120})\] "
    r"range=\[(0x[0-9a-f]{1,16})-(0x[0-9a-f]{1,16})\](?: \([0-9]{1,12}MB\))?" + ANNOTATED,
)
_TYPES = (
    "Reserved",
    "Loader Code",
    "Loader Data",
    "Boot Code",
    "Boot Data",
    "Runtime Code",
    "Runtime Data",
    "Conventional",
    "Unusable",
    "ACPI Reclaim",
    "ACPI Mem",
    "MMIO",
    "MMIO Port",
    "PAL Code",
    "Persistent",
    "Unaccepted",
)
"""memory_type_name[], drivers/firmware/efi/efi.c, by type; words after them were dropped."""
_LONGER = {
    "Conventional Memory": 7,
    "Unusable Memory": 8,
    "ACPI Reclaim Memory": 9,
    "ACPI Memory NVS": 10,
    "ACPI Mem NVS": 10,
    "Memory Mapped I/O": 11,
    "Memory Mapped I/O Port Space": 12,
    "MMIO Port Space": 12,
    "Persistent Memory": 14,
    "Unaccepted Memory": 15,
}
_TYPE_OF = dict(zip(_TYPES, range(len(_TYPES)), strict=True)) | _LONGER
_ATTRIBUTES = {
    "UC": 1 << 0,
    "WC": 1 << 1,
    "WT": 1 << 2,
    "WB": 1 << 3,
    "UCE": 1 << 4,
    "WP": 1 << 12,
    "RP": 1 << 13,
    "XP": 1 << 14,
    "NV": 1 << 15,
    "MR": EFI_MEMORY_MORE_RELIABLE,
    "RO": 1 << 17,
    "SP": EFI_MEMORY_SP,
    "CC": 1 << 19,
    "HP": 1 << 20,
    "RUN": EFI_MEMORY_RUNTIME,
}
"""efi_md_typeattr_format(), drivers/firmware/efi/efi.c; the bits: include/linux/efi.h."""

_TABLE_NAME = r"(?:(?:ACPI|SMBIOS) [0-9]\.[0-9]|[A-Za-z][A-Za-z0-9_-]{0,30})"
_TABLE = re.compile(rf"({_TABLE_NAME})=(0x[0-9a-f]{{1,16}})")
TABLES = KnownLine(
    About.OTHER,
    ("efi:",),
    rf"efi: +{_TABLE_NAME}=",
    rf"efi:((?: {{1,3}}{_TABLE_NAME}=0x[0-9a-f]{{1,16}}\b){{1,64}}) *",
)
# efi_esrt_init(), drivers/firmware/efi/esrt.c: the second number is the end, exclusive.
ESRT = KnownLine(
    About.OTHER,
    ("esrt:",),
    r"esrt:[ \t]*(?:Reserving|$)",
    rf"esrt: Reserving ESRT space from (0x[0-9a-f]{{1,16}}) to (0x[0-9a-f]{{1,16}})\.?{ANNOTATED}",
)
LINES = (RANGE, TABLES, ESRT)


def efi_range(match: re.Match[str], where: str) -> tuple[int, EfiRange] | None:
    """Read a line of an EFI memory map: its number in the list, and what it says.

    Returns:
        ``None`` where it names no type, or ends before it starts.
    """
    start, end = int(match[4], 16), int(match[5], 16) + 1
    kind = _type_of(match[2].strip())
    if kind is None or end <= start:
        return None
    return int(match[1]), EfiRange(Span(start, end), kind, _attributes(match[3]), where)


def efi_tables(match: re.Match[str], where: str) -> tuple[EfiTable, ...]:
    """Read the addresses of the configuration tables that a line lists."""
    return tuple(
        EfiTable(name, int(address, 16), where) for name, address in _TABLE.findall(match[1])
    )


def esrt_space(match: re.Match[str], where: str) -> LogSpan | None:
    """Read where the EFI System Resource Table was reserved."""
    start, end = int(match[1], 16), int(match[2], 16)
    return LogSpan(Span(start, end), where) if start < end else None


def _type_of(words: str) -> int | None:
    if words in _TYPE_OF:
        return _TYPE_OF[words]
    number = re.fullmatch(r"type=([0-9]{1,10})", words)
    return int(number[1]) if number else None


def _attributes(words: str) -> int:
    number = re.fullmatch(r"attr=(0x[0-9a-f]{1,16})", words.strip())
    if number:
        return int(number[1], 16)
    bits = 0
    for word in words.split("|"):
        bits |= _ATTRIBUTES.get(word.strip(), 0)
    return bits
