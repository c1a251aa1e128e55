"""The physical memory of the machine that the code runs on, made page by page as it is touched.

A kernel may be put anywhere in 128 TiB and touches a few dozen pages, so that only these exist, in
one small arena that the emulator works on. What is known of a page decides what it holds at first:
the kernel's own bytes, or, where nobody has written yet, a pattern that no code can take for zeros.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from smecheck.emulation.table_walk import ENTRIES
from smecheck.kernel.constants import PAGE_SIZE
from smecheck.span import Span

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ARENA_PAGES = 4096
"""Pages that a run may touch: 16 MiB. A run of a real kernel touches about a hundred."""

ARENA_SIZE = ARENA_PAGES * PAGE_SIZE

_LEFT_BEHIND = b"\xa5" * PAGE_SIZE
"""What unwritten memory holds: present, large and encrypted, should it be taken for an entry."""


class MemoryUsedUp(Exception):
    """The code touched more pages than the arena has."""


class GuestMemory:
    """Pages of physical memory in an arena.

    Args:
        arena: ``ARENA_SIZE`` bytes that can be written, reused from run to run.
        kernel: the physical range of the kernel's image.
        page_of_kernel: returns the page at an offset from the start of that range.
    """

    def __init__(
        self, arena: memoryview, kernel: Span, page_of_kernel: Callable[[int], bytes]
    ) -> None:
        self._arena = arena
        self._quads = arena.cast("Q")
        self._kernel = kernel
        self._page_of_kernel = page_of_kernel
        self._places: dict[int, int] = {}

    def place(self, address: int) -> int:
        """Return where in the arena the page of a physical address is.

        Raises:
            MemoryUsedUp: it would be one too many.
        """
        page = address // PAGE_SIZE
        place = self._places.get(page)
        if place is None:
            if len(self._places) == ARENA_PAGES:
                raise MemoryUsedUp
            place = self._places[page] = len(self._places) * PAGE_SIZE
            start = page * PAGE_SIZE
            known = start in self._kernel
            content = self._page_of_kernel(start - self._kernel.start) if known else _LEFT_BEHIND
            self._arena[place : place + PAGE_SIZE] = content
        return place

    def quad(self, address: int) -> int:
        """Return the 8 bytes at an address that is a multiple of 8."""
        place = self._places.get(address // PAGE_SIZE)
        if place is None:
            place = self.place(address)
        return self._quads[(place + address % PAGE_SIZE) // 8]

    def table(self, address: int) -> tuple[int, ...]:
        """Return the page of an address as a table of entries."""
        first = self.place(address) // 8
        return tuple(self._quads[first : first + ENTRIES])

    def read(self, address: int, size: int) -> bytes:
        """Return bytes, which may lie in several pages."""
        end = address + size
        parts = []
        while address < end:
            at = self.place(address) + address % PAGE_SIZE
            part = min(end - address, PAGE_SIZE - address % PAGE_SIZE)
            parts.append(bytes(self._arena[at : at + part]))
            address += part
        return b"".join(parts)

    def write(self, address: int, content: bytes) -> None:
        """Write bytes that lie in one page."""
        at = self.place(address) + address % PAGE_SIZE
        self._arena[at : at + len(content)] = content

    def write_quad(self, address: int, value: int) -> None:
        """Write the 8 bytes at an address that is a multiple of 8."""
        self.write_quads(address, (value,))

    def write_quads(self, address: int, values: Sequence[int]) -> None:
        """Write several of them, which lie in one page."""
        self.write(address, struct.pack(f"<{len(values)}Q", *values))

    def clear(self, address: int) -> None:
        """Make the page of an address hold zeros."""
        self.write(address - address % PAGE_SIZE, bytes(PAGE_SIZE))
