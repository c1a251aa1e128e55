"""Page tables as the CPU reads them: their entries, a walk for one address, all that they map."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from smecheck.kernel.constants import PAGE_SIZE
from smecheck.kernel.verification import Mapping
from smecheck.record import record
from smecheck.span import Span

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import TypeAlias

    Piece: TypeAlias = tuple[int, int, int, bool, bool]
    """What is mapped: virtual and physical start, size, whether encrypted, whether writable."""

PRESENT = 1 << 0
WRITABLE = 1 << 1
LARGE = 1 << 7
NO_EXECUTE = 1 << 63
_ADDRESS = 0x000F_FFFF_FFFF_F000
"""AMD64 Architecture Programmer's Manual, volume 2, 5.3: bits 51 to 12 of every entry."""

ENTRIES = PAGE_SIZE // 8
_LARGEST_LEAF_LEVEL = 3
"""1 GiB entries stand in tables of the third level, 2 MiB entries in those of the second."""

_TABLES_LIMIT = 4096
"""Tables of a tree that are read; the code under test needs a few dozen."""

_ENTRIES_LIMIT = 8192
"""Entries of a tree that map something; the code under test needs a thousand."""

RANGES_LIMIT = 64
"""Ranges that are made of them; the code under test maps five. Whatever is beyond these limits is
left out, since the first that are there are others than any such code makes."""


@record
class Leaf:
    """What one entry maps an address to."""

    physical: int
    """Of the address itself, without the encryption bit."""
    room: int
    """Bytes from there to the end of what the entry maps."""
    encrypted: bool
    """Whether the encryption bit (C-bit) is set in the entry."""
    executable: bool


def entry_size(level: int) -> int:
    """Return how much one entry of a table of that level maps; 1 is the level of 4 KiB pages."""
    return PAGE_SIZE << 9 * (level - 1)


def entry_offset(address: int, level: int) -> int:
    """Return the byte offset of the entry for ``address`` in its table of that level."""
    return address // entry_size(level) % ENTRIES * 8


class TableReader:
    """Reads page tables of a number of levels out of physical memory.

    Args:
        table: returns the 512 entries of the table at a physical address.
        quad: returns the 8 bytes at a physical address.
        levels: 4 or 5.
        encryption_bit: the mask of the bit by which entries say that memory is encrypted.
    """

    def __init__(
        self,
        table: Callable[[int], tuple[int, ...]],
        quad: Callable[[int], int],
        *,
        levels: int,
        encryption_bit: int,
    ) -> None:
        self._table = table
        self._quad = quad
        self._levels = levels
        self._encryption_bit = encryption_bit
        self._address = _ADDRESS & ~encryption_bit
        self._sizes = tuple((level, entry_size(level)) for level in range(levels, 0, -1))

    def root(self, cr3: int) -> int:
        """Return the physical address of the top-level table that CR3 names."""
        return cr3 & self._address

    def walk(self, cr3: int, address: int) -> Leaf | None:
        """Return what ``address`` is mapped to; ``None`` where it is not."""
        if not self._is_canonical(address):
            return None
        table = self.root(cr3)
        for level, size in self._sizes:
            entry = self._quad(table + address // size % ENTRIES * 8)
            if not entry & PRESENT:
                return None
            if self._is_leaf(entry, level):
                within = address % size
                return Leaf(
                    # Bit 12 of a large entry is its PAT bit, not part of the address.
                    physical=entry & self._address & -size | within,
                    room=size - within,
                    encrypted=bool(entry & self._encryption_bit),
                    executable=not entry & NO_EXECUTE,
                )
            table = entry & self._address
        raise AssertionError("entries of the first level are leaves")

    def mappings(self, cr3: int) -> tuple[Mapping, ...]:
        """Return all that the tables map, by virtual address, joined where it continues."""
        return joined(self.pieces(cr3))

    def pieces(self, cr3: int) -> Iterator[Piece]:
        """Yield what each entry maps, by virtual address."""
        return islice(self._pieces(self.root(cr3), 0, 0, [0]), _ENTRIES_LIMIT)

    def _pieces(self, table: int, depth: int, virtual: int, count: list[int]) -> Iterator[Piece]:
        count[0] += 1
        if count[0] > _TABLES_LIMIT:
            return
        level, size = self._sizes[depth]
        for index, entry in enumerate(self._table(table)):
            if not entry & PRESENT:
                continue
            start = virtual + index * size
            if self._is_leaf(entry, level):
                physical = entry & self._address & -size
                encrypted, writable = entry & self._encryption_bit, entry & WRITABLE
                yield start, physical, size, bool(encrypted), bool(writable)
            else:
                yield from self._pieces(entry & self._address, depth + 1, start, count)

    def _is_canonical(self, address: int) -> bool:
        return address >> 9 * self._levels + 11 in (0, (1 << 53 - 9 * self._levels) - 1)

    def _is_leaf(self, entry: int, level: int) -> bool:
        return level == 1 or bool(level <= _LARGEST_LEAF_LEVEL and entry & LARGE)


def joined(pieces: Iterable[Piece]) -> tuple[Mapping, ...]:
    """Return the first mappings by virtual address, as one where a piece continues another."""
    whole: list[Piece] = []
    for piece in sorted(pieces):
        virtual, physical, size, *attributes = piece
        if whole:
            start, memory, length, *others = whole[-1]
            if (start + length, memory + length, others) == (virtual, physical, attributes):
                whole[-1] = (start, memory, length + size, piece[3], piece[4])
                continue
        if len(whole) == RANGES_LIMIT:
            break
        whole.append(piece)
    return tuple(
        Mapping(Span.sized(virtual, size), physical, encrypted, writable)
        for virtual, physical, size, encrypted, writable in whole
    )


def identity_entry(address: int, level: int) -> int:
    """Return an entry that maps ``address`` one to one, as boot loaders write it."""
    accessed_and_dirty = 0x60
    large = LARGE if level > 1 else 0
    return address & -entry_size(level) | PRESENT | WRITABLE | accessed_and_dirty | large


def table_entry(address: int) -> int:
    """Return an entry that refers to the table at ``address``."""
    accessed = 0x20
    return address | PRESENT | WRITABLE | accessed
