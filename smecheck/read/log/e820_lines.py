"""The lines of a kernel log that are of an e820 table, whatever stands before them."""

from __future__ import annotations

import re

from smecheck.errors import MalformedInput
from smecheck.machine.firmware import E820Type, FirmwareRange
from smecheck.machine.kernel_log import E820Change
from smecheck.read.lines.known_lines import ANNOTATED, About, KnownLine
from smecheck.record import record
from smecheck.span import Span

MEM_RANGE = r"\[mem (0x[0-9a-f]{1,16})-(0x[0-9a-f]{1,16})\]"

_SIZE = r"(?:[0-9]{1,4}(?:\.[0-9])? {1,3}[KMGT]B[ \t]++)?"
"""Stands before the type in kernels since late 2025."""
_NAMES = {
    "usable": E820Type.RAM,
    "system ram": E820Type.RAM,
    "reserved": E820Type.RESERVED,
    "device reserved": E820Type.RESERVED,
    "soft reserved": E820Type.SOFT_RESERVED,
    "acpi data": E820Type.ACPI,
    "acpi nvs": E820Type.NVS,
    "unusable": E820Type.UNUSABLE,
}
"""e820_print_type(), arch/x86/kernel/e820.c: of v4.14 to v6.12, and of kernels since late 2025."""
_TYPE = (
    rf"((?i:{'|'.join(_NAMES)})"
    r"|(?i:(?:persistent(?: ram)? \()?type [0-9]{1,10}\)?))"
)
_NUMBER = re.compile(r"type ([0-9]{1,10})", re.IGNORECASE)

FIRMWARE_TABLES = frozenset({"BIOS-e820", "BIOS-e801", "BIOS-88", "Xen", "extended"})
"""What the firmware or the boot loader passed; the other tables are the kernel's own."""

_TABLES = "BIOS-e820|BIOS-e801|BIOS-88|Xen|extended|reserve setup_data|user|modified"
# Kernels since late 2025 print the gaps as well ("x86/boot/e820: Print gaps in the E820 table").
TABLE = KnownLine(
    About.MEMORY,
    ("BIOS-", "Xen:", "extended:", "setup_data:", "user:", "modified:"),
    r"(?:BIOS-e820|reserve setup_data)\b(?!: \[gap |: [0-9a-f]{16} - )"
    r"|reserve$|(?:BIOS-e801|BIOS-88|Xen|extended|user|modified):[ \t]*(?:\[mem|$)",
    rf"({_TABLES}): {MEM_RANGE}[ \t]*{_SIZE}{_TYPE}{ANNOTATED}",
)
MAP_HEADING = KnownLine(
    About.OTHER,
    ("RAM map:",),
    r"BIOS-provided(?: |$)",
    rf"BIOS-provided physical RAM map:{ANNOTATED}",
)
OLD_TABLE = KnownLine(
    About.MEMORY,
    ("BIOS-e820",),
    r"BIOS-e820: [0-9a-f]{16} - ",
    r"BIOS-e820: [0-9a-f]{16} - [0-9a-f]{16} \([\w ]{1,40}\).*",
)
"""As kernels before v3.5 print it: the second address is exclusive there."""
UPDATE = KnownLine(
    About.MEMORY,
    ("e820:",),
    r"e820:[ \t]*(?:update\b|$)",
    rf"e820: update {MEM_RANGE} {{1,3}}{_TYPE} {{1,3}}==> {{1,3}}{_TYPE}{ANNOTATED}",
)
REMOVE = KnownLine(
    About.MEMORY,
    ("e820:",),
    r"e820:[ \t]*(?:remove\b|$)",
    rf"e820: remove {MEM_RANGE}(?: {{1,3}}{_TYPE})?{ANNOTATED}",
)
RAM_BUFFER = KnownLine(
    About.MEMORY,
    ("e820:",),
    r"e820:[ \t]*(?:reserv\w*|register|$)(?! setup_data)",
    rf"e820: (?:reserv(?:e|ing) RAM buffer|register RAM buffer resource) {MEM_RANGE}{ANNOTATED}",
)
LINES = (TABLE, MAP_HEADING, OLD_TABLE, UPDATE, REMOVE, RAM_BUFFER)


@record
class E820Line:
    """A line of a table, with the name of its table."""

    table: str
    range: FirmwareRange


def table_line(match: re.Match[str], where: str) -> E820Line:
    """Read a line of a printed table.

    Raises:
        MalformedInput: it ends before it starts.
    """
    table, first, last, words = match.groups()
    return E820Line(table, FirmwareRange(mem_span(first, last, where), type_of(words), where))


def update_line(match: re.Match[str], where: str) -> E820Change:
    """Read a line about a change of types in the table."""
    old, new = type_of(match[3]), type_of(match[4])
    # e820__reserve_setup_data(): RAM becomes RESERVED_KERN, which is printed as RAM is.
    number = E820Type.RESERVED_KERN if old == new == E820Type.RAM else new
    return E820Change(mem_span(match[1], match[2], where), old, number, where)


def remove_line(match: re.Match[str], where: str) -> E820Change:
    """Read a line about what was removed from the table."""
    old = type_of(match[3]) if match[3] else None
    return E820Change(mem_span(match[1], match[2], where), old, None, where)


def type_of(words: str) -> int:
    """Return the number of a type that a kernel printed."""
    number = _NUMBER.search(words)
    return int(number[1]) if number else _NAMES[words.lower()]


def mem_span(first: str, last: str, where: str) -> Span:
    """Make a span of an inclusive range: the one place where those of logs are converted."""
    start, end = int(first, 16), int(last, 16) + 1
    if end <= start:
        raise MalformedInput(
            "ends before it starts",
            where=where,
            help_text="capture the log again: sudo dmesg > dmesg.txt",
        )
    return Span(start, end)
