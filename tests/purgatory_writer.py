"""A purgatory as kernels carry it: a relocatable ELF file of which the section headers matter."""

from __future__ import annotations

import struct

from smecheck.read.kernel.purgatory import PURGATORY_MAGIC

PROGBITS, NOBITS, ALLOC = 1, 8, 2

OF_5_10 = (
    (PROGBITS, ALLOC, 0x2800, 0x1000),
    (PROGBITS, 0, 0x9999, 1),
    (PROGBITS, ALLOC, 0x2800, 0x800),
    (NOBITS, ALLOC, 0x1000, 0x1000),
)
"""Sections (type, flags, size, alignment) that come to 0x5000 bytes, and to 0x6000 of memory."""


def purgatory(sections: tuple[tuple[int, int, int, int], ...] = OF_5_10) -> bytes:
    table = 0x200
    headers = b"".join(
        struct.pack("<4xIQ16xQ8xQ8x", kind, flags, size, alignment)
        for kind, flags, size, alignment in ((0, 0, 0, 0), *sections)
    )
    head = PURGATORY_MAGIC + struct.pack("<20xQ10xHHH", table, 64, len(sections) + 1, 0)
    return head.ljust(table, b"\xcc") + headers
