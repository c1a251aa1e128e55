"""The sections of a supportconfig: SUSE keeps what sos keeps in files of their own in flat ones.

A section begins with ``#==[ Command ]===…#`` and its title, ``# /bin/dmesg -T``; it ends where the
next one begins. Configuration files come without their comments and blank lines
(supportutils, supportconfig.rc: conf_files, log_files, _log_cmd).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from smecheck.record import record

_BEGIN = re.compile(rb"#==\[ ([A-Za-z ]{1,40}) \]=+#\s*$")
_ANY = re.compile(rb"^#==\[ [A-Za-z ]{1,40} \]=+#", re.MULTILINE)
_TITLE_LIMIT = 1000
_ABSENT = re.compile(r" - File not found$")
_LAST = re.compile(r" - Last [0-9]+ Lines$")

Row = tuple[int, bytes]
"""A line and its number, from 1."""


@record
class Section:
    """What a section is about."""

    title: str
    """The command as it was run, or the path of the file."""
    line: int
    """Of its title."""


def is_supportconfig(head: bytes) -> bool:
    """Return whether a file that begins with ``head`` is of sections."""
    return _ANY.search(head) is not None


def sections(rows: Iterable[Row]) -> Iterator[tuple[Section, Iterator[Row]]]:
    """Yield each section that holds something, with its lines, numbered as in the file.

    The lines are to be taken before the next section is asked for; those that are not go by.
    """
    reader = _Sections(iter(rows))
    while (section := reader.next_section()) is not None:
        yield section, reader.content()


class _Sections:
    def __init__(self, rows: Iterator[Row]) -> None:
        self._rows = rows
        self._is_begun = False
        """Whether a section begins at the next line."""

    def next_section(self) -> Section | None:
        """Go on to the next section with a title."""
        while True:
            for _ in self.content():
                pass
            if not self._is_begun:
                return None
            self._is_begun = False
            for number, line in self._rows:
                if _begins(line):
                    self._is_begun = True
                    break
                if line.startswith(b"# "):
                    title = line[2 : _TITLE_LIMIT + 2].decode("utf-8", "replace").strip()
                    if not _ABSENT.search(title):
                        return Section(_LAST.sub("", title), number)
                    break
                if line.strip():
                    break

    def content(self) -> Iterator[Row]:
        """Yield the lines up to where the next section begins."""
        if self._is_begun:
            return
        for row in self._rows:
            if _begins(row[1]):
                self._is_begun = True
                return
            yield row


def _begins(line: bytes) -> bool:
    return line.startswith(b"#==[") and _BEGIN.match(line) is not None
