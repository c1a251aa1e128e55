"""Reading /proc/iomem: a whole dump, or a piece of one as it was pasted into a mail.

A line is a resource, ``start-end : name``: hexadecimal, the end inclusive, indented by two spaces
for each of at most five levels (r_show(), kernel/resource.c). Mail and chat change indentation, so
the parent of a resource is the innermost earlier one that contains it. Indentation and order serve
as witnesses: where they cannot be those of a single dump, the text is refused.
"""

from __future__ import annotations

import re

from smecheck.errors import MalformedInput, WrongKind
from smecheck.machine.memory import MemoryMap, Missing, Region, usable_ram
from smecheck.quantity import address_text
from smecheck.read.kinds import (
    BZIP2_MAGIC,
    GZIP_MAGIC,
    SEGMENT_LINE,
    XZ_MAGIC,
    ZSTD_MAGIC,
    kind_of_binary,
    kind_of_text,
)
from smecheck.read.lines.known_lines import KnownLines
from smecheck.read.lines.line_wrapper import unwrapped
from smecheck.read.lines.log_lines import plain
from smecheck.read.lines.mail import decode_mail, encoding_of_mail
from smecheck.read.machine.iomem_lines import HOW_TO_DUMP, RESOURCE, Line, LineReader, malformed
from smecheck.read.source import (
    HEAD_SIZE,
    TEXT_LIMIT,
    Source,
    decode_text,
    display_name,
    read_bounded,
)
from smecheck.span import Span

_FIRST_PAGE_END = 0x1000
"""A whole dump begins below: at 0, but in a kernel that kexec started, memory begins at 0x400."""
_PORTS = 0x10000
_IOPORT = re.compile(r"^[ \t>]*+[0-9a-f]{4}-[0-9a-f]{4} : ", re.MULTILINE)
"""A line of /proc/ioports: the same format in four digits, where memory is shown in eight."""

_PACKED = {
    GZIP_MAGIC: "a gzip file",
    XZ_MAGIC: "an xz file",
    BZIP2_MAGIC: "a bzip2 file",
    ZSTD_MAGIC: "a zstd file",
}

# Firmware maps and kexec's lists come first: a kernel log, say, is known by any line of it.
_TEXTS = (
    (
        re.compile(r"BIOS-e820|\[mem 0x"),
        "is a kernel log with a firmware map (e820), not a dump of /proc/iomem: --dmesg takes it",
    ),
    (
        re.compile(rf"{SEGMENT_LINE}|^MEMORY RANGES", re.MULTILINE),
        "is output of kexec -d, not a dump of /proc/iomem",
    ),
)
_YAML_OR_JSON = re.compile(r"(?:\s|#.*)*+(?:---|%YAML|\{|- |[A-Za-z_][\w-]*+:(?:\s|$))")


_KNOWN = KnownLines([RESOURCE])

_FIRST_IO_APIC = 0xFEC00000
"""Where the registers of the first I/O APIC of a PC lie; a machine with SME has one, and shows it
(arch/x86/kernel/apic/io_apic.c, ioapic_insert_resources())."""

LINES_LIMIT = 20_000
"""Lines of a dump with all that it was pasted into; a large machine's dump has a thousand."""

_LINE_LIMIT = 64 << 10
_ENDLESS = re.compile(rb"[^\n]{%d}" % (_LINE_LIMIT + 1))


def read_iomem(source: Source) -> MemoryMap:
    """Read a dump of /proc/iomem.

    Raises:
        InputError: it cannot be read, or is not one dump; see :func:`parse_iomem`.
    """
    name = display_name(source)
    data = read_bounded(source, TEXT_LIMIT)
    kind = _binary_kind(data)
    if kind is not None:
        raise WrongKind(f"is {kind}, not a dump of /proc/iomem", where=name, help_text=HOW_TO_DUMP)
    _refuse_endless(data, name)
    decode_text(data, name)
    if encoding_of_mail(data[:HEAD_SIZE]) is not None:
        data = decode_mail(data)
    return parse_iomem(decode_text(plain(data), name), name)


def parse_iomem(text: str, name: str) -> MemoryMap:
    """Read the one dump of /proc/iomem that ``text`` holds, among whatever else it holds.

    Raises:
        WrongKind: there is no dump in it, or one that was read without root.
        MalformedInput: a resource is broken, or there are several dumps.
    """
    data = plain(text.encode())
    rows = unwrapped(enumerate(data.split(b"\n"), 1), data[:HEAD_SIZE], _KNOWN)
    reader = LineReader([row.decode("utf-8", "replace") for _, row in rows], name)
    tree = _Tree(name)
    for line in reader:
        tree.add(line)
    regions = tree.finish()
    if not regions:
        raise WrongKind(_text_kind(text), where=name, help_text=HOW_TO_DUMP)
    if regions[-1].span.end <= _PORTS and _IOPORT.search(text):
        raise WrongKind(
            "is a dump of /proc/ioports, not of /proc/iomem", where=name, help_text=HOW_TO_DUMP
        )
    missing = Missing.NOTHING
    begins_whole = tree.begins_at_top and regions[0].span.start < _FIRST_PAGE_END
    if reader.elided or not begins_whole:
        missing |= Missing.LINES
    if all(region.span.end <= _FIRST_IO_APIC for region in regions):
        missing |= Missing.END
    return MemoryMap(
        source=name,
        regions=regions,
        missing=missing,
        system_ram=usable_ram(regions),
        ignored_lines=tuple(reader.ignored),
    )


def _refuse_endless(data: bytes, name: str) -> None:
    """Refuse what would take long to read and is not a dump of any machine."""
    if data.count(b"\n") > LINES_LIMIT:
        raise WrongKind(
            f"has more than {LINES_LIMIT} lines: no dump of /proc/iomem, of any machine, has",
            where=name,
            help_text=HOW_TO_DUMP,
        )
    endless = _ENDLESS.search(data)
    if endless is not None:
        number = data.count(b"\n", 0, endless.start()) + 1
        message = f"is a line of more than {_LINE_LIMIT >> 10} KiB"
        raise WrongKind(message, where=f"{name}:{number}", help_text=HOW_TO_DUMP)


class _Tree:
    """The resources of one dump, nested by containment, as they come line by line.

    The kernel prints a tree whose siblings ascend and do not overlap. So no line starts below the
    one before, and the open lines, those that may hold the next one, each hold all after them.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._regions: list[Region] = []
        self._open: list[Line] = []
        self._least_indents: list[int] = []
        """For each open line, the least indentation of it and of those that hold it."""
        self._kernel: Line | None = None
        self._first_indent = 0
        self._top = 0
        """The least indentation of all."""
        self._indented = False
        """Whether some line is indented under the one that holds it: the indentation is kept."""
        self._stray: tuple[Line, Line] | None = None
        """Of the lines that are not, the least indented one, and the one that holds it."""

    def add(self, line: Line) -> None:
        """Add the next line.

        Raises:
            MalformedInput: it cannot follow the lines so far in the same dump.
        """
        number, indent, start, end, title = line
        least = indent
        holders = self._open
        if holders:
            previous = holders[-1]
            if start < previous.start:
                raise self._backwards(line)
            while holders and holders[-1].end <= start:
                holders.pop()
                self._least_indents.pop()
            if holders:
                least = self._least_indents[-1]
                self._compare(line, holders[-1])
            if previous.indent < indent <= least:
                raise malformed(
                    f"is indented under line {previous.number}, but does not lie inside it",
                    f"{self._name}:{number}",
                )
        else:
            self._first_indent = self._top = indent
        if title == "Kernel code":
            self._refuse_second_kernel(line)
        self._regions.append(Region(title, Span(start, end), len(holders), number))
        holders.append(line)
        self._least_indents.append(least if least < indent else indent)
        if indent < self._top:
            self._top = indent

    def _refuse_second_kernel(self, line: Line) -> None:
        if self._kernel:
            what = f'"Kernel code" is on line {self._kernel.number} and on line {line.number}'
            raise self._several(what, line)
        self._kernel = line

    def _compare(self, line: Line, holder: Line) -> None:
        """Hold a line against the innermost line around its start."""
        if holder.end < line.end:
            raise self._crossing(line)
        if line.indent > holder.indent:
            self._indented = True
        elif self._stray is None or line.indent < self._stray[0].indent:
            self._stray = line, holder

    @property
    def begins_at_top(self) -> bool:
        """Whether no line is indented less than the first one."""
        return self._first_indent == self._top

    def finish(self) -> tuple[Region, ...]:
        """Return the regions.

        Raises:
            MalformedInput: a line at the top lies inside an earlier one, in a dump that kept its
                indentation: another dump begins there.
        """
        if self._indented and self._stray and self._stray[0].indent == self._top:
            line, holder = self._stray
            what = (
                f"line {line.number} ({_range(line)}) is not indented, "
                f"but lies inside line {holder.number} ({_range(holder)})"
            )
            raise self._several(what, line)
        return tuple(self._regions)

    def _backwards(self, line: Line) -> MalformedInput:
        # The line before is still open and begins higher, so one is found.
        higher = next(other for other in self._open if other.start > line.start)
        what = f"line {line.number} ({_range(line)}) lies below line {higher.number}"
        return self._several(f"{what} ({_range(higher)})", line)

    def _crossing(self, line: Line) -> MalformedInput:
        crossed = next(other for other in self._open if other.end < line.end)
        what = f"line {line.number} ({_range(line)}) overlaps line {crossed.number}"
        what = f"{what} ({_range(crossed)})"
        if crossed is self._open[0]:
            return self._several(what, line)
        return malformed(f"{what}: neither holds the other", f"{self._name}:{line.number}")

    def _several(self, what: str, second: Line) -> MalformedInput:
        return MalformedInput(
            f"more than one dump: {what}",
            where=f"{self._name}:{second.number}",
            help_text="keep the lines of one dump and remove the others",
        )


def _range(line: Line) -> str:
    return f"{address_text(line.start)}-{address_text(line.end - 1)}"


def _binary_kind(data: bytes) -> str | None:
    """Name the kind of a binary file, if it is one of the known kinds."""
    for magic, kind in _PACKED.items():
        if data.startswith(magic):
            return kind
    # An address may read as the first bytes of an archive do.
    return kind_of_binary(data) if b"\0" in data[:HEAD_SIZE] else None


def _text_kind(text: str) -> str:
    """Say what a text is that holds no resource, as the message of an error."""
    if not text.strip():
        return "is empty"
    for pattern, message in _TEXTS:
        if pattern.search(text):
            return message
    known = kind_of_text(text)
    if known is not None:
        return f"is {known.description}, not a dump of /proc/iomem"
    if _YAML_OR_JSON.match(text):
        return "looks like YAML or JSON, not like a dump of /proc/iomem"
    return 'is not a dump of /proc/iomem: no line of it reads "start-end : name"'
