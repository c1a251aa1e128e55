"""The lines of a text that are resources of /proc/iomem, among all that people paste with them.

What merely looks like a resource is never passed over: a line that was lost or broken on its way
may have been the one that matters.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from smecheck.errors import MalformedInput, WrongKind
from smecheck.read.lines.known_lines import About, KnownLine, Trait
from smecheck.read.lines.speaker import prefix_of

if TYPE_CHECKING:
    from collections.abc import Iterator

HOW_TO_DUMP = "capture it as root: sudo cat /proc/iomem > iomem.txt"

_RESOURCE = re.compile(
    r"(?:[ \t]*+(?:> ?)++)?+"  # the marks of a quoting mail
    r"([ \t]*+)([0-9a-fA-F]++)-([0-9a-fA-F]++)[ \t]*+:[ \t]*+"
    r"([^ \t\r]++(?: [^ \t\r]++)*+)"  # after a tab or two spaces people comment
)
_BROKEN = re.compile(
    r"[ \t>]*+(?:0x)?+(?:[0-9a-f]{8,}+|(?=[a-f]*+[0-9])[0-9a-f]{6,7}+)"
    # The lists of kexec -d are another format: "0000000000001000-000000000009efff (0)".
    r"(?:-(?![0-9a-f]++ \([0-9]++\))(?:[0-9a-f]*+(?:[ \t\r:]|$)|[^ \t]*+[ \t]++:)"
    r"|[ \t]*+-[ \t]*+(?:0x)?+[0-9a-f]++[ \t]*+:)",
    re.IGNORECASE,
)
"""What begins like a resource and is none. No word, date or UUID does."""
_BEGINS = re.compile(r"[0-9a-fA-F]{4,16}-[0-9a-fA-F]{4,16} ?:")
RESOURCE = KnownLine(
    About.MEMORY,
    (" : ",),
    rf"[ \t]*{_BEGINS.pattern}",
    rf"[ \t]*{_BEGINS.pattern}.*",
    Trait.NONE,
)
"""A resource, to those who look for the marks that a program put before each line."""
_NAMES = (
    "System RAM",
    "Crash kernel",
    "Kernel code",
    "Kernel rodata",
    "Kernel data",
    "Kernel bss",
    "ACPI Tables",
    "ACPI Non-volatile Storage",
    "Unusable memory",
    "Persistent Memory",
    "Soft Reserved",
    "RAM buffer",
    "Unknown E820 type",
    "Reserved",
    "reserved",
)
"""Names that say what memory is: e820_type_to_string(), arch/x86/kernel/e820.c, and the kernel."""
_FOLDED_NAMES = frozenset(name.casefold() for name in _NAMES)
_CRASH_KERNEL = "crash kernel"
"""Nothing of upstream's has a name that goes on after these words; drivers name what they like
otherwise."""
_LOW_CRASH_KERNEL = "Crash kernel (low)"
"""Kernels with the patches of 2020 for arm64 ("support reserving crashkernel above 4G", v6 to v8),
such as Oracle's 5.4.17."""
_HEX = re.compile(r"[0-9a-fA-F]{3}")
_INSIDE = re.compile(r"(?<![0-9a-fA-F])[0-9a-fA-F]{8,}+-[0-9a-fA-F]{8,}+ ?: ?[^ \t\r]")
_CUT_OFF = re.compile(r"[ \t>]*+[0-9a-fA-F]++")
_ELLIPSIS = re.compile(r"\.{3}|…|\bsnip", re.IGNORECASE)
_ONLY_ELLIPSIS = re.compile(r"(?:\W|_|snip(?:ped)?)*+", re.IGNORECASE)
_CONTROL = dict.fromkeys((*range(0x20), *range(0x7F, 0xA0)), "\ufffd")


class Line(NamedTuple):
    """A line that is a resource, not yet nested."""

    number: int
    indent: int
    start: int
    end: int
    """Exclusive: the inclusive end of the text, plus one."""
    name: str


class LineReader:
    """Reads the lines of a text, once: it yields the resources and takes note of the others."""

    def __init__(self, rows: list[str], name: str) -> None:
        self._rows = rows
        self._name = name
        self.ignored: list[int] = []
        """Lines that are neither resources nor blank, by number."""
        self.elided = False
        """Whether a line says that others were left out."""
        self._ellipsis_passed = False
        self._begun = False

    def __iter__(self) -> Iterator[Line]:
        """Yield the resources.

        Raises:
            MalformedInput: one is broken, cut off, or hidden by marks before it.
            WrongKind: they were read without root.
        """
        previous: Line | None = None
        count = zeros = 0
        for line in self._resources():
            if previous and line.name.isdecimal() and _is_echo(line, previous):
                self.ignored.append(line.number)
                continue
            count += 1
            if line.end == 1:
                zeros += 1
                if zeros > 1:
                    break
            yield line
            previous = line
        # The kernel shows zeros without CAP_SYS_ADMIN. One byte at 0 may be a resource for once.
        if zeros and (zeros > 1 or zeros == count):
            raise WrongKind(
                "was read without root: all addresses are zero",
                where=self._name,
                help_text="read it again as root: sudo cat /proc/iomem > iomem.txt",
            )
        # Without a line feed the last line may be any part of one. Cut in its name it looks whole.
        if previous and _CUT_OFF.fullmatch(self._rows[-1]):
            raise self._malformed("is cut off", len(self._rows))

    def _resources(self) -> Iterator[Line]:
        """Yield the lines that are resources, each with the whole of its name."""
        open_line: Line | None = None
        previous = ""
        for number, row in enumerate(self._rows, 1):
            if row == previous and _BEGINS.search(row):
                continue  # a line that was pasted twice
            previous = row
            match = _RESOURCE.match(row) or self._after_prefix(row)
            if match is None and open_line is not None:
                named = _with_rest_of_name(open_line, row)
                if named is not None:
                    yield named
                    open_line = None
                    continue
            if open_line is not None:
                yield self._complete(open_line)
                open_line = None
            if match is None:
                self._pass_over(number, row)
                continue
            # Kernel messages and prose have ellipses too: theirs count in the middle of the dump.
            if self._ellipsis_passed:
                self._ellipsis_passed = False
                self.elided = self.elided or self._begun
            self._begun = True
            open_line = self._resource(match, number)
        if open_line is not None:
            yield self._complete(open_line)

    def _after_prefix(self, row: str) -> re.Match[str] | None:
        """Return the resource that stands after the stamp or the tag of a log, if one does."""
        if not _INSIDE.search(row):
            return None
        text = row.lstrip("> \t")
        prefix = prefix_of(text, _BEGINS)
        return _RESOURCE.match(text, prefix.end) if prefix.end else None

    def _complete(self, line: Line) -> Line:
        if _is_begun(line.name):
            raise self._malformed(f'is broken: "{line.name}" is not a complete name', line.number)
        if _is_altered(line.name):
            text = f'is not as the kernel writes it: it has no memory called "{line.name}"'
            raise self._malformed(text, line.number)
        return line

    def _resource(self, match: re.Match[str], number: int) -> Line:
        indent, first, last, name = match.groups()
        start, end = int(first, 16), int(last, 16) + 1
        if end > 1 << 64:
            raise self._malformed("has an address of more than 64 bits", number)
        if end <= start:
            raise self._malformed("ends before it starts", number)
        if not name.isprintable():
            name = name.translate(_CONTROL)
        return Line(number, len(indent.expandtabs()) if indent else 0, start, end, name)

    def _pass_over(self, number: int, row: str) -> None:
        """Take note of a line that is not a resource.

        Raises:
            MalformedInput: it is, or holds, what was one.
        """
        if not row.strip("> \t\r"):
            return
        if _BROKEN.match(row):
            raise self._malformed('is not a complete resource, "start-end : name"', number)
        # Text before a resource is a sentence about it, or kexec's "get_backup_area: …". Marks
        # before it (of diff, of grep -n) are not: to ignore that line would be to lose a resource.
        inside = _INSIDE.search(row)
        if inside and not re.search(r"[A-Za-z#]", row[: inside.start()]):
            raise self._malformed("has marks before the address", number)
        if not inside and _is_named(row):
            raise self._malformed('is not a complete resource, "start-end : name"', number)
        self.ignored.append(number)
        if _ELLIPSIS.search(row):
            self._ellipsis_passed = True
            self.elided = self.elided or _ONLY_ELLIPSIS.fullmatch(row) is not None

    def _malformed(self, message: str, number: int) -> MalformedInput:
        return malformed(message, f"{self._name}:{number}")


def _is_named(row: str) -> bool:
    """Return whether a row ends like a resource: its addresses are mistyped, or a hyphen a dash."""
    before, _, name = row.rpartition(":")
    if name.strip(" \t\r") not in _NAMES:
        return False
    words = before.rsplit(None, 1)
    return bool(words) and _HEX.search(words[-1]) is not None


def _is_begun(name: str) -> bool:
    """Return whether a name is what is left of one that says what memory is."""
    return any(whole.startswith(name) and whole != name for whole in _NAMES)


def _is_altered(name: str) -> bool:
    """Return whether a name that says what memory is was changed: translated in part, annotated."""
    if name in _NAMES or name == _LOW_CRASH_KERNEL:
        return False
    folded = name.casefold()
    return folded in _FOLDED_NAMES or folded.startswith(_CRASH_KERNEL)


def _with_rest_of_name(line: Line, row: str) -> Line | None:
    """Return a resource whose name goes on in the next row; ``None`` if it does not."""
    if not _is_begun(line.name):
        return None
    rest = row.strip("> \t\r")
    names = (f"{line.name}{glue}{rest}" for glue in (" ", ""))
    whole = next((name for name in names if name.startswith(_NAMES)), None)
    return None if whole is None else line._replace(name=whole)


def _is_echo(line: Line, previous: Line) -> bool:
    """Return whether kexec -d repeats the line before with its type: ``1000-9efff : 0``."""
    return len(line.name) <= 2 and (line.start, line.end) == (previous.start, previous.end)


def malformed(message: str, where: str) -> MalformedInput:
    """Return the error for a single line, with what to do about it."""
    return MalformedInput(
        message, where=where, help_text=f"correct or remove the line, or {HOW_TO_DUMP}"
    )
