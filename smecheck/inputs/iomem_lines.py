"""The lines of a text that are resources of /proc/iomem, told from all that people paste with them.

What merely looks like a resource is never passed over: a line that was lost or broken on its way
may have been the one that matters.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from smecheck.errors import MalformedInput, WrongKind

if TYPE_CHECKING:
    from collections.abc import Iterator

HOW_TO_DUMP = "capture it as root: sudo cat /proc/iomem > iomem.txt"

_RESOURCE = re.compile(
    r"(?:[ \t]*+(?:> ?)++)?+"  # the marks of a quoting mail
    r"([ \t]*+)([0-9a-fA-F]++)-([0-9a-fA-F]++)[ \t]*+:[ \t]*+"
    r"([^ \t\r]++(?: [^ \t\r]++)*+)"  # behind a tab or two spaces people comment
)
_BROKEN = re.compile(
    r"[ \t>]*+(?:0x)?+(?:[0-9a-f]{8,}+|(?=[a-f]*+[0-9])[0-9a-f]{6,7}+)"
    # The lists of kexec -d are another format: "0000000000001000-000000000009efff (0)".
    r"(?:-(?![0-9a-f]++ \([0-9]++\))(?:[0-9a-f]*+(?:[ \t\r:]|$)|[^ \t]*+[ \t]++:)"
    r"|[ \t]*+-[ \t]*+(?:0x)?+[0-9a-f]++[ \t]*+:)",
    re.IGNORECASE,
)
"""What begins like a resource and is none. No word, date or UUID does."""
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

    def __init__(self, text: str, name: str) -> None:
        self._rows = text.split("\n")
        self._name = name
        self.ignored: list[int] = []
        """Lines that are neither resources nor blank, by number."""
        self.elided = False
        """Whether a line says that others were left out."""
        self._ellipsis_passed = False

    def __iter__(self) -> Iterator[Line]:
        """Yield the resources.

        Raises:
            MalformedInput: one is broken, cut off, or hidden behind marks.
            WrongKind: they were read without root.
        """
        previous: Line | None = None
        count = zeros = 0
        for number, row in enumerate(self._rows, 1):
            match = _RESOURCE.match(row)
            if match is None:
                self._pass_over(number, row)
                continue
            line = self._resource(match, number)
            if previous and line.name.isdecimal() and _is_echo(line, previous):
                self.ignored.append(number)
                continue
            count += 1
            if line.end == 1:
                zeros += 1
                if zeros > 1:
                    break
            # Kernel messages and prose have ellipses too: theirs count in the middle of the dump.
            if self._ellipsis_passed:
                self._ellipsis_passed = False
                self.elided = self.elided or previous is not None
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
        """Take note of a line that is no resource.

        Raises:
            MalformedInput: it is, or holds, what was one.
        """
        if not row.strip("> \t\r"):
            return
        if _BROKEN.match(row):
            raise self._malformed('is no whole resource, "start-end : name"', number)
        # Text before a resource is a sentence about it, or kexec's "get_backup_area: …". Marks
        # before it (of diff, of grep -n) are not: to ignore that line would be to lose a resource.
        inside = _INSIDE.search(row)
        if inside and not re.search(r"[A-Za-z#]", row[: inside.start()]):
            raise self._malformed("has marks before the address", number)
        self.ignored.append(number)
        if _ELLIPSIS.search(row):
            self._ellipsis_passed = True
            self.elided = self.elided or _ONLY_ELLIPSIS.fullmatch(row) is not None

    def _malformed(self, message: str, number: int) -> MalformedInput:
        return malformed(message, f"{self._name}:{number}")


def _is_echo(line: Line, previous: Line) -> bool:
    """Tell whether kexec -d repeats the line before with its type: ``1000-9efff : 0``."""
    return len(line.name) <= 2 and (line.start, line.end) == (previous.start, previous.end)


def malformed(message: str, where: str) -> MalformedInput:
    """Return the error for a single line, with what to do about it."""
    return MalformedInput(
        message, where=where, help_text=f"correct or remove the line, or {HOW_TO_DUMP}"
    )
