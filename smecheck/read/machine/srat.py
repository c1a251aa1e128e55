"""Reading the ACPI System Resource Affinity Table: /sys/firmware/acpi/tables/SRAT.

Layout: ACPI specification 6.5, 5.2.16; how far the decompressor reads it:
count_immovable_mem_regions(), arch/x86/boot/compressed/acpi.c.
"""

from __future__ import annotations

import struct

from smecheck.boot.early_boot import Srat, SratRange
from smecheck.errors import WrongKind
from smecheck.read.source import display_name, read_bounded
from smecheck.span import Span

_FILE_LIMIT = 4 << 20
"""Far above the largest: 2048 ranges of 40 bytes, and 24 bytes for each of 8192 CPUs."""
_SIGNATURE = b"SRAT"
_LENGTH_AT = 4
_HEADER_SIZE = 48
"""The table's header and its 12 reserved bytes."""
_SUBTABLE_HEAD = 2
_MEMORY_AFFINITY = 1
_HOT_PLUGGABLE = 2
_MEMORY = struct.Struct("<8xQQ4xI8x")


def read_srat(path: str) -> Srat:
    """Read the table in the file ``path``.

    Raises:
        UnreadableInput: it cannot be read.
        WrongKind: it is not an SRAT.
    """
    return parse_srat(read_bounded(path, _FILE_LIMIT), display_name(path))


def parse_srat(data: bytes, name: str) -> Srat:
    """Read the table out of its bytes.

    Raises:
        WrongKind: they are not an SRAT.
    """
    if not data.startswith(_SIGNATURE) or len(data) < _HEADER_SIZE:
        raise WrongKind(
            "is not an SRAT",
            where=name,
            help_text="copy /sys/firmware/acpi/tables/SRAT, as root",
        )
    (length,) = struct.unpack_from("<I", data, _LENGTH_AT)
    ranges: list[SratRange] = []
    place = _HEADER_SIZE
    while place + _SUBTABLE_HEAD < min(length, len(data)):
        kind, size = data[place], data[place + 1]
        if size == 0:
            return Srat(name, tuple(ranges), broken=True)
        if kind == _MEMORY_AFFINITY and place + _MEMORY.size <= len(data):
            base, extent, flags = _MEMORY.unpack_from(data, place)
            hot_pluggable = bool(flags & _HOT_PLUGGABLE)
            ranges.append(SratRange(Span.sized(base, extent), hot_pluggable))
        place += size
    return Srat(name, tuple(ranges))
