"""What a program put before every line of a text: ``grep -n``, ``cat -n``, a console server.

It is learned from the beginning of the text, where each line has it: a known beginning comes after
the same marks, apart from times and line numbers, everywhere. Marks that only some lines have are
no wrapper: those lines are another's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import pairwise

from smecheck.read.lines.known_lines import KnownLines
from smecheck.read.lines.speaker import OUTER, RING

_SAMPLE_LINES = 200
_LONGEST = 120
_FEW = 10
"""One line in so many may lack the marks."""
_LEAST = 3
"""Lines that must agree, where nothing but their agreement shows what the marks are."""
_QUOTE = re.compile(rb"[ \t>|]*")
_NUMBERED = re.compile(
    rb"[ \t>|]*(?:[^\s:]{0,100}[./][^\s:]{0,100}[:-])?([0-9]{1,9})(?::(?![0-9]{2}:)|\t)"
)
"""Of grep -n, with the name of the file or without, and cat -n; no time of the day."""
_MARKS = re.compile(rb"[ \t]{0,8}(?:> ?)+")
_VARYING = re.compile(
    rb"(?P<time>(?<![\w.:-])(?:[0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{2}:[0-9]{2}(?::[0-9]{2})?"
    rb"(?:[.,][0-9]{1,9})?)(?![\w.-]))"
    rb"| *(?<![\w.:,-])[0-9]{1,9}(?![\w.,-])"
)
"""What may differ from line to line: a date, a time, a number that counts the lines. A number in a
name is none of them: ``node17|``, ``10.0.0.17:``."""


def unwrapped(
    rows: Iterable[tuple[int, bytes]], head: bytes, known: KnownLines
) -> Iterable[tuple[int, bytes]]:
    """Return the lines without what a program put before each of them.

    Args:
        rows: the lines.
        head: the beginning of the text.
        known: the kinds of lines that are looked for.
    """
    wrapper = _learned(head, known)
    return rows if wrapper is None else _without(rows, wrapper)


def without_marks(
    rows: Iterable[tuple[int, bytes]], head: bytes
) -> tuple[Iterable[tuple[int, bytes]], bytes]:
    """Return lines, and the beginning of their text, without the marks of a quoting mail.

    Records need it: what a line begins with says what it is.
    """
    sample = [line for line in head.split(b"\n")[:_SAMPLE_LINES] if line.strip()]
    if 2 * sum(_MARKS.match(line) is not None for line in sample) <= len(sample):
        return rows, head
    bare = ((number, _MARKS.sub(b"", line, count=1)) for number, line in rows)
    return bare, b"\n".join(_MARKS.sub(b"", line, count=1) for line in head.split(b"\n"))


def _without(
    rows: Iterable[tuple[int, bytes]], wrapper: re.Pattern[bytes]
) -> Iterator[tuple[int, bytes]]:
    for number, line in rows:
        found = wrapper.match(line)
        yield number, line if found is None else line[found.end() :]


def _learned(head: bytes, known: KnownLines) -> re.Pattern[bytes] | None:
    beginning = re.compile(f"{OUTER}|{RING}|{known.begins.pattern}".encode())
    sample = [line for line in head.split(b"\n")[:_SAMPLE_LINES] if line.strip()]
    if _are_numbered(sample, beginning):
        return _NUMBERED
    framed = re.compile(f"{OUTER}|{RING}".encode())
    marks: list[bytes] = []
    bare = 0
    for line in sample:
        at = _end_of_marks(line)
        if framed.match(line, at):
            return None
        if beginning.match(line, at):
            bare += 1  # as the rest of a line that was wrapped may
            continue
        found = beginning.search(line[: _LONGEST + 40])
        if found is not None and found.start() <= _LONGEST:
            marks.append(line[: found.start()].rstrip(b" "))
    return _pattern(marks) if bare * _FEW <= len(marks) else None


def _end_of_marks(line: bytes) -> int:
    found = _QUOTE.match(line)
    return 0 if found is None else found.end()


def _are_numbered(sample: list[bytes], beginning: re.Pattern[bytes]) -> bool:
    """Return whether a growing number stands before each line that matters, as of grep -n."""
    before, begins = 0, False
    for line in sample:
        found = _NUMBERED.match(line)
        if found is None:
            if beginning.match(line, _end_of_marks(line)):
                return False
            continue
        if int(found[1]) <= before:
            return False
        before = int(found[1])
        begins = begins or beginning.match(line, found.end()) is not None
    return begins


def _pattern(marks: list[bytes]) -> re.Pattern[bytes] | None:
    """Return what all that stands before known lines has in common, if all of it has one form."""
    shapes = {_VARYING.sub(b"\n", one) for one in marks}
    if len(shapes) != 1 or len(marks) < _LEAST:
        return None
    counters = zip(*map(_counters, marks), strict=True)
    if any(one >= other for numbers in counters for one, other in pairwise(numbers)):
        return None
    return re.compile(rb"[ 0-9:.,-]+".join(map(re.escape, shapes.pop().split(b"\n"))))


def _counters(marks: bytes) -> list[int]:
    return [int(found[0]) for found in _VARYING.finditer(marks) if not found["time"]]
