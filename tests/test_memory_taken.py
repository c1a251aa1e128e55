"""What the running kernel's own options take from memory: its iomem cannot show it as RAM."""

from __future__ import annotations

import pytest

from smecheck.boot.memory_taken import taken_memory
from smecheck.span import Span

GIB, END = 1 << 30, 1 << 64


@pytest.mark.parametrize(
    ("cmdline", "spans"),
    [
        ("root=/dev/sda1", []),
        ("mem=2G", [Span(2 * GIB, END)]),
        ("mem=2G mem=0x40000000", [Span(2 * GIB, END), Span(GIB, END)]),
        ("mem=nopentium mem=0", []),
        ("memmap=1G", [Span(GIB, END)]),
        ("memmap=16M$1G,1M#2G memmap=4G!4G", [
            Span(GIB, GIB + (16 << 20)), Span(2 * GIB, 2 * GIB + (1 << 20)), Span(4 * GIB, 8 * GIB)
        ]),
        # RAM that is added, or what is not understood.
        ("mem=1G memmap=1G@4G", []),
        ("memmap=exactmap memmap=1G", []),
        ("mem=1G add_efi_memmap", []),
        ("memmap=1G$ memmap=1G$x memmap=16Mx4", []),
        ("-- mem=1G", []),
    ],
)  # fmt: skip
def test_what_is_taken(cmdline: str, spans: list[Span]) -> None:
    assert [taken.span for taken in taken_memory(cmdline)] == spans
