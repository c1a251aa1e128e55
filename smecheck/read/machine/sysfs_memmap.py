"""The listing of /sys/firmware/memmap, in the forms in which people copy it.

Each entry is a folder named by a number, with the files ``start``, ``end`` (inclusive) and
``type`` (drivers/firmware/memmap.c). Entries come in any order: a shell sorts 10 before 2.
"""

from __future__ import annotations

import re

from smecheck.errors import MalformedInput
from smecheck.machine.firmware import UNNAMED_TYPE, E820Type, FirmwareRange
from smecheck.read.lines.known_lines import ANNOTATED, About, KnownLine, Trait
from smecheck.read.lines.messages import Message
from smecheck.span import Span

ENTRIES_LIMIT = 4096
"""E820_MAX_ENTRIES of the kernel is 128 + 3 * MAX_NUMNODES, at most 3,200."""

COPY_AGAIN = "copy the listing again: grep . /sys/firmware/memmap/*/*"

_NAMES = {
    "system ram": E820Type.RAM,
    "reserved": E820Type.RESERVED,
    "device reserved": E820Type.RESERVED,
    "acpi tables": E820Type.ACPI,
    "acpi non-volatile storage": E820Type.NVS,
    "unusable memory": E820Type.UNUSABLE,
    "persistent memory": E820Type.PMEM,
    "persistent memory (legacy)": E820Type.PRAM,
    "soft reserved": E820Type.SOFT_RESERVED,
}
"""e820_type_to_string(), arch/x86/kernel/e820.c; all others are "Unknown E820 type"."""

_TYPES = "|".join(map(re.escape, (*_NAMES, "unknown e820 type")))
_TYPE = rf"((?i:{_TYPES})|type [0-9]{{1,10}})"
_FILE = r"(?:\S*?/)?([0-9]{1,5})/(start|end|type)"
_NUMBER = r"0x[0-9a-fA-F]{1,16}"
GREP = KnownLine(
    About.MEMORY,
    ("/start", "/end", "/type"),
    r"(?:\S*?/)?[0-9]{1,5}/(?:start|end|type):",
    rf"{_FILE}:(?:1:)?[ \t]*({_NUMBER}|(?i:{_TYPES})|type [0-9]{{1,10}}){ANNOTATED}",
    Trait.NONE,
)
HEADER = KnownLine(
    About.MEMORY,
    ("/start", "/end", "/type"),
    rf"==> {_FILE} <==",
    rf"==> {_FILE} <==.*",
    Trait.FREE,
)
ROW = KnownLine(
    About.MEMORY,
    ("0x",),
    rf"(?:[0-9]{{1,5}}:?[ \t]+)?{_NUMBER}(?:[ \t]*-[ \t]*|[ \t]+){_NUMBER}"
    r"[ \t]*[ \t:][ \t]*[A-Za-z]",
    rf"(?:([0-9]{{1,5}}):?[ \t]+)?({_NUMBER})(?:[ \t]*-[ \t]*|[ \t]+)({_NUMBER})[ \t]*:?[ \t]*"
    rf"{_TYPE}{ANNOTATED}",
    Trait.NONE,
)
LINES = (GREP, HEADER, ROW)
_ADDRESS = re.compile(_NUMBER)
_PIECE = re.compile(r"(?:[0-9]{1,5}:?[ \t]+)?0x[0-9a-fA-F]")
"""How a row begins, whole or not."""


class ListingReader:
    """Reads a listing line by line."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._fields: dict[int, dict[str, tuple[str, int]]] = {}
        """For each entry, what its files hold and in which line that stands."""
        self._rows = 0
        self._next: tuple[int, str] | None = None
        """The file whose content the next line is."""

    @property
    def is_seen(self) -> bool:
        """Whether a line of a listing was there."""
        return bool(self._fields)

    @property
    def wants_next(self) -> bool:
        """Whether the next line is the content of a file, whatever it says."""
        return self._next is not None

    def feed(self, message: Message) -> None:
        """Take in a message of one of :data:`LINES`, or the one after the heading of a file.

        Raises:
            MalformedInput: it is of the listing, but broken.
        """
        line, kind, match = message.line, message.kind, message.match
        if self._next is not None:
            (number, file), self._next = self._next, None
            if kind is None:
                self._put(number, file, message.text, line)
                return
        if kind is HEADER and match:
            if message.rest:
                self._put(int(match[1]), match[2], message.rest[0], line + 1)
            else:
                self._next = int(match[1]), match[2]
        elif kind is GREP and match:
            self._put(int(match[1]), match[2], match[3], line)
        elif kind is ROW and match:
            number = int(match[1]) if match[1] else self._rows
            self._rows += 1
            for file, content in (("start", match[2]), ("end", match[3]), ("type", match[4])):
                self._put(number, file, content, line)
        pieces = message.rest[1:] if kind is HEADER else message.rest
        if (kind is not None and match is None) or any(map(_PIECE.match, pieces)):
            raise self._malformed("is broken: it is not a complete entry of a firmware map", line)

    def _put(self, number: int, file: str, content: str, line: int) -> None:
        if len(self._fields) >= ENTRIES_LIMIT:
            raise self._malformed(f"the map has more than {ENTRIES_LIMIT} entries", line)
        entry = self._fields.setdefault(number, {})
        content = content.strip()
        if entry.setdefault(file, (content, line))[0] != content:
            raise self._malformed(
                f"entry {number} has two values of {file}: two listings in one file", line
            )

    def ranges(self) -> tuple[FirmwareRange, ...]:
        """Return the entries, by their numbers.

        Raises:
            MalformedInput: one is not whole, or not a range.
        """
        numbers = sorted(self._fields)
        missing = next((n for n, number in enumerate(numbers) if n != number), None)
        if missing is not None:
            line = next(iter(self._fields[numbers[missing]].values()))[1]
            raise self._malformed(
                f"entry {missing} is missing: lines of the listing were lost", line
            )
        return tuple(self._range(number) for number in numbers)

    def _range(self, number: int) -> FirmwareRange:
        entry = self._fields[number]
        for file in ("start", "end", "type"):
            if file not in entry:
                line = next(iter(entry.values()))[1]
                raise self._malformed(f"entry {number} has no {file}", line)
        start, end = (self._address(*entry[file]) for file in ("start", "end"))
        name, line = entry["type"]
        if end < start:
            raise self._malformed(f"entry {number} ends before it starts", line)
        return FirmwareRange(
            Span(start, end + 1), type_of(name), f"{self._name}:{entry['start'][1]}"
        )

    def _address(self, content: str, line: int) -> int:
        if _ADDRESS.fullmatch(content) is None:
            raise self._malformed(f"'{content[:40]}' is not an address", line)
        return int(content, 16)

    def _malformed(self, message: str, line: int) -> MalformedInput:
        return MalformedInput(message, where=f"{self._name}:{line}", help_text=COPY_AGAIN)


def type_of(name: str) -> int:
    """Return the number of a type that /sys/firmware/memmap names."""
    return _NAMES.get(name.lower(), UNNAMED_TYPE)
