"""The lines of a load about the e820 table that the loaded kernel gets.

kexec_file_load writes them to the kernel log since v6.8, where it was asked to; kexec-tools prints
the same with ``-d``. A table that is not whole is none.
"""

from __future__ import annotations

import re

from smecheck.machine.firmware import FirmwareMap, FirmwareMapKind, FirmwareRange
from smecheck.read.lines.known_lines import ANNOTATED, About, KnownLine, Trait
from smecheck.span import Span

_TYPES = tuple(f" ({kind}" for kind in range(1, 10))
"""How what follows a range begins."""
_RANGE = r"[0-9a-f]{16}-[0-9a-f]{16}\b"
_ROW = rf"([0-9a-f]{{16}})-([0-9a-f]{{16}}) \(([0-9]{{1,10}})\){ANNOTATED}"
_BY_KERNEL = "kexec-bzImage64: "

KERNEL_HEADING = KnownLine(
    About.OTHER,
    ("E820 memmap:",),
    rf"{_BY_KERNEL}E820 memmap:",
    rf"{_BY_KERNEL}E820 memmap:{ANNOTATED}",
)
KERNEL_ROW = KnownLine(About.OTHER, ("kexec-bzImage64:",), _BY_KERNEL + _RANGE, _BY_KERNEL + _ROW)
HEADING = KnownLine(
    About.OTHER, ("E820 memmap:",), r"E820 memmap:", rf"E820 memmap:{ANNOTATED}", Trait.NONE
)
ROW = KnownLine(About.OTHER, _TYPES, _RANGE, _ROW, Trait.NONE)
"""kexec's own list of ranges looks the same, and numbers the types otherwise: the heading shows
which it is."""

LINES_OF_KERNEL = (KERNEL_HEADING, KERNEL_ROW)
LINES_OF_TOOLS = (HEADING, ROW)

_MOST_ROWS = 128
"""E820_MAX_ENTRIES_ZEROPAGE: what boot_params hold; the decompressor reads no others."""


class HandedTable:
    """A table while its lines are being read, from its heading on."""

    def __init__(self, name: str) -> None:
        """Begin under the heading.

        Args:
            name: of the text that the lines are in.
        """
        self._name = name
        self._ranges: list[FirmwareRange] = []
        self._is_whole = True

    def on_row(self, line: int, match: re.Match[str] | None) -> None:
        """Take in a line of it; ``None`` for one that is not whole."""
        span = None if match is None else _span(int(match[1], 16), int(match[2], 16))
        if match is None or span is None:
            self._is_whole = False
        elif len(self._ranges) < _MOST_ROWS:
            kind = int(match[3])
            self._ranges.append(FirmwareRange(span, kind, f"{self._name}:{line}"))

    @property
    def table(self) -> FirmwareMap | None:
        """The table; ``None`` where a line is not whole, or none was there."""
        if not self._ranges or not self._is_whole:
            return None
        return FirmwareMap(self._name, FirmwareMapKind.BOOT_PARAMS, tuple(self._ranges))


def _span(first: int, last: int) -> Span | None:
    """Return the range of inclusive ends; ``None`` if it is none."""
    return Span(first, last + 1) if first <= last else None
