"""The lines of a kernel log that are of an e820 table, whatever stands before them."""

from __future__ import annotations

import re

from smecheck.errors import MalformedInput
from smecheck.model.firmware import E820Type, FirmwareRange
from smecheck.model.kernel_log import E820Change, LogSpan
from smecheck.record import record
from smecheck.span import Span

_RANGE = r"\[mem (0x[0-9a-f]{1,16})-(0x[0-9a-f]{1,16})\]"
BOUNDARY = r"(?:^|[\s\]>:|\"])"
"""What may stand before a message: nothing, or the end of a prefix or of the marks of a mail."""

_TABLES = "BIOS-e820|BIOS-e801|BIOS-88|Xen|extended|reserve setup_data|user|modified"
_TABLE = re.compile(rf"{BOUNDARY}({_TABLES}): {_RANGE}[ \t]*+(.*)")
# Kernels since late 2025 print the gaps as well ("x86/boot/e820: Print gaps in the E820 table").
_BROKEN_TABLE = re.compile(rf"{BOUNDARY}(?:BIOS-e820|reserve setup_data): (?!\[gap )")
_UPDATE = re.compile(rf"e820: update {_RANGE}[ \t]*+(.{{1,40}}?) ==>[ \t]*+(.*)")
_REMOVE = re.compile(rf"e820: remove {_RANGE}[ \t]*+(.*)")
_BUFFER = re.compile(rf"e820: reserv(?:e|ing) RAM buffer {_RANGE}")

_SIZE = re.compile(r"[0-9]{1,4}(?:\.[0-9])? {1,3}[KMGT]B[ \t]++")
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
_TYPE = re.compile(
    rf"(?:(?P<name>{'|'.join(_NAMES)})"
    r"|(?:persistent(?: ram)? \()?type (?P<number>[0-9]{1,10})\)?)"
    r"(?![^\s<\"])",
    re.IGNORECASE,
)

FIRMWARE_TABLES = frozenset({"BIOS-e820", "BIOS-e801", "BIOS-88", "Xen", "extended"})
"""What the firmware or the boot loader passed; the other tables are the kernel's own."""


@record
class E820Line:
    """A line of a table, with the name of its table."""

    table: str
    range: FirmwareRange


def table_line(text: str, where: str) -> E820Line | None:
    """Read a line of a printed table; ``None`` if it is none.

    Raises:
        MalformedInput: it begins like one, but is broken or cut off.
    """
    match = _TABLE.search(text)
    if match is None:
        if _BROKEN_TABLE.search(text):
            raise _malformed("is no whole line of an e820 map", where)
        return None
    words = _SIZE.sub("", match[4], count=1).strip()
    kind = _type_of(words)
    if kind is None:
        raise _malformed(f"names no type of memory: '{match[4][:40]}'", where)
    number, name = kind
    return E820Line(match[1], FirmwareRange(_span(match[2], match[3], where), number, name, where))


def change_line(text: str, where: str) -> E820Change | None:
    """Read a line about a change of the table; ``None`` if it is none."""
    if match := _UPDATE.search(text):
        old, new = _type_of(match[3].strip()), _type_of(match[4].strip())
        if old is None or new is None:
            return None
        # e820__reserve_setup_data(): RAM becomes RESERVED_KERN, which is printed as RAM is.
        number = E820Type.RESERVED_KERN if old[0] == new[0] == E820Type.RAM else new[0]
        return E820Change(_span(match[1], match[2], where), old[0], number, where)
    if match := _REMOVE.search(text):
        kind = _type_of(match[3].strip())
        return E820Change(_span(match[1], match[2], where), kind and kind[0], None, where)
    return None


def buffer_line(text: str, where: str) -> LogSpan | None:
    """Read a line about a RAM buffer; ``None`` if it is none."""
    match = _BUFFER.search(text)
    return None if match is None else LogSpan(_span(match[1], match[2], where), where)


def mem_span(text: str, before: str, where: str) -> Span | None:
    """Return the span that stands behind ``before`` as ``[mem first-last]``."""
    match = re.search(rf"{BOUNDARY}{re.escape(before)} {_RANGE}", text)
    return None if match is None else _span(match[1], match[2], where)


def _type_of(words: str) -> tuple[int, str] | None:
    match = _TYPE.match(words)
    if match is None:
        return None
    if match["name"]:
        return _NAMES[match["name"].lower()], match[0]
    return int(match["number"]), match[0]


def _span(first: str, last: str, where: str) -> Span:
    """Make a span of an inclusive range: the one place where those of logs are converted."""
    start, end = int(first, 16), int(last, 16) + 1
    if end <= start:
        raise _malformed("ends before it starts", where)
    return Span(start, end)


def _malformed(message: str, where: str) -> MalformedInput:
    return MalformedInput(
        message, where=where, help_text="capture the log again: sudo dmesg > dmesg.txt"
    )
