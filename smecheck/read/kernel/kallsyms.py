"""The symbols that a kernel carries for its own use (CONFIG_KALLSYMS), as packed as they are.

scripts/kallsyms.c writes them into .rodata. A name is a row of tokens, each a byte that stands for
a few letters; the first letter of a name is its type. Names are found by halving where the kernel
has them sorted (kallsyms_seqs_of_names), by a walk over all of them otherwise: nothing is unpacked
that is not asked for, since a kernel has 100,000 to 200,000 of them.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Container, Iterable, Iterator
from enum import Enum
from mmap import mmap

from smecheck.kernel.symbols import Symbol
from smecheck.record import record

MARKED = 256
"""The place of every 256th name is in kallsyms_markers."""

DATA_SYMBOL = "__bss_stop"
"""vmlinux.lds.S of 4.14 to 7.3 has it; the tables do with CONFIG_KALLSYMS_ALL alone."""

_SEQ_SIZE = 3
_OFFSET_SIZE = 4
_LONG_NAME = 0x80
"""In a name's length: a second byte follows, with the higher bits. scripts/kallsyms.c of 6.1; in
older kernels no length is so large."""

NAME_LIMIT = 512
"""KSYM_NAME_LEN of 6.1 and later; it was 128."""

_EXPANDED_LIMIT = 32 << 20
"""Bytes of names that a search unpacks; all names of a kernel have 5 MiB."""

_EQUAL_LIMIT = 1 << 14
"""Symbols that share an address, or a name up to a dot: ``__func__`` of Debian's 7.3 has 2124."""


class Reference(Enum):
    """What an entry of kallsyms_offsets is counted from."""

    BASE = "base"
    """Bytes from kallsyms_relative_base up: kernels without CONFIG_SMP; all of 6.16 to 6.19."""
    BASE_OR_ZERO = "base or zero"
    """Below zero: from the base, as ``base - 1 - entry``; else an address, of per-CPU data. 4.14 to
    6.12 (CONFIG_KALLSYMS_ABSOLUTE_PERCPU)."""
    PLACE = "place"
    """Bytes from the entry's own address, 7.0 and later."""


@record
class KallsymsTables:
    """Where the tables lie in a piece of the image, in bytes from its start."""

    count: int
    """kallsyms_num_syms."""
    names: int
    markers: tuple[int, ...]
    tokens: tuple[bytes, ...]
    """What each byte of a name stands for."""
    offsets: int
    reference: Reference
    base: int
    """What entries are counted from; for ``PLACE``, the link address of the first."""
    seqs: int | None
    """kallsyms_seqs_of_names, late 6.1.y and later: numbers of the symbols, by name."""

    def moved(self, distance: int) -> KallsymsTables:
        """Return the same tables in a piece that begins ``distance`` bytes earlier."""
        seqs = None if self.seqs is None else self.seqs + distance
        return KallsymsTables(
            self.count,
            self.names + distance,
            self.markers,
            self.tokens,
            self.offsets + distance,
            self.reference,
            self.base,
            seqs,
        )


class Kallsyms:
    """The symbols in a kernel's own tables; a :class:`smecheck.kernel.symbols.Symbols`.

    What a damaged image says wrongly is wrong here, too, but nothing outside ``data`` is read, and
    no answer takes more steps than there are symbols.
    """

    def __init__(self, data: bytes | mmap, tables: KallsymsTables) -> None:
        self._data = data
        self._tables = tables
        self._places: dict[int, list[int]] = {}
        self._found: dict[str, tuple[int, ...]] = {}

    def __len__(self) -> int:
        return self._tables.count

    def __iter__(self) -> Iterator[Symbol]:
        for index in range(self._tables.count):
            yield self._symbol(index)

    @property
    def lists_data(self) -> bool:
        """Whether the kernel was built with CONFIG_KALLSYMS_ALL."""
        return bool(self.addresses((DATA_SYMBOL,)))

    def addresses(self, names: Iterable[str]) -> dict[str, tuple[int, ...]]:
        """Return the addresses of each of the names that is listed, in ascending order."""
        names = tuple(names)
        wanted = {_encoded(name): name for name in names if name not in self._found}
        if wanted:
            indexes = self._walked(wanted) if self._tables.seqs is None else self._halved(wanted)
            for encoded, name in wanted.items():
                found = {self.address(index) for index in indexes.get(encoded, ())}
                self._found[name] = tuple(sorted(found))
        return {name: self._found[name] for name in names if self._found[name]}

    def names(self, address: int) -> tuple[str, ...]:
        """Return the names of exactly this address."""
        first = bisect_left(range(self._tables.count), address, key=self.address)
        found = []
        for index in range(first, min(first + _EQUAL_LIMIT, self._tables.count)):
            if self.address(index) != address:
                break
            found.append(self._symbol(index).name)
        return tuple(found)

    def holding(self, address: int) -> Symbol | None:
        """Return the last symbol that is not above the address."""
        index = bisect_right(range(self._tables.count), address, key=self.address) - 1
        return self._symbol(index) if index >= 0 else None

    def address(self, index: int) -> int:
        """Return the link address of a symbol by its number; the table is sorted by address."""
        tables = self._tables
        at = tables.offsets + _OFFSET_SIZE * index
        entry = self._data[at : at + _OFFSET_SIZE]
        value = int.from_bytes(entry, "little", signed=tables.reference is not Reference.BASE)
        if tables.reference is Reference.PLACE:
            value += tables.base + _OFFSET_SIZE * index
        elif tables.reference is Reference.BASE:
            value += tables.base
        elif value < 0:
            value = tables.base - 1 - value
        return value

    def is_sorted_by_name(self, samples: int) -> bool:
        """Return whether kallsyms_seqs_of_names is in order, as far as samples show it."""
        step = max(self._tables.count // samples, 1)
        numbers = range(0, self._tables.count, step)
        indexes = {self._index(number) for number in numbers}
        heads = [self._head_of(number) for number in numbers]
        possible = len(indexes) == len(numbers) and max(indexes) < self._tables.count
        return possible and heads == sorted(heads)

    def _symbol(self, index: int) -> Symbol:
        text = self._packed(index).decode("utf-8", "surrogateescape")
        return Symbol(self.address(index), text[:1] or "?", text[1:])

    def _packed(self, index: int) -> bytes:
        """Return the type and name of a symbol, as bytes; empty where the tables are damaged."""
        block, within = divmod(index, MARKED)
        places = self._places.get(block)
        if places is None:
            places = self._places[block] = self._starts(block)
        if within >= len(places):
            return b""
        at = places[within]
        size = self._data[at]
        if size < _LONG_NAME:
            return self._expanded(at + 1, size)
        return self._expanded(at + 2, _long_size(size, self._data[at + 1]))

    def _expanded(self, at: int, size: int) -> bytes:
        tokens = self._tables.tokens
        return b"".join([tokens[byte] for byte in self._data[at : at + min(size, NAME_LIMIT)]])

    def _starts(self, block: int) -> list[int]:
        """Return where the names of a block begin, with their lengths."""
        tables, data = self._tables, self._data
        found: list[int] = []
        if block >= len(tables.markers):
            return found
        at, end = tables.names + tables.markers[block], len(data) - 1
        for _ in range(min(MARKED, tables.count - block * MARKED)):
            if at >= end:
                break
            found.append(at)
            size = data[at]
            at += 1 + size if size < _LONG_NAME else 2 + _long_size(size, data[at + 1])
        return found

    def _halved(self, wanted: dict[bytes, str]) -> dict[bytes, list[int]]:
        """Find names by kallsyms_seqs_of_names.

        What clang adds to names (``.llvm.…``) counts in their order with 7.3, not with 6.1; so
        only what stands before a dot is compared here, which is in order either way.
        """
        numbers = range(self._tables.count)
        found: dict[bytes, list[int]] = {}
        for name in wanted:
            head = name.partition(b".")[0]
            key: Callable[[int], bytes] = self._head_of
            first = bisect_left(numbers, head, key=key)
            for number in numbers[first : first + _EQUAL_LIMIT]:
                index = self._index(number)
                text = self._packed(index)[1:]
                if text.partition(b".")[0] != head:
                    break
                if text == name:
                    found.setdefault(name, []).append(index)
        return found

    def _head_of(self, number: int) -> bytes:
        return self._packed(self._index(number))[1:].partition(b".")[0]

    def _index(self, number: int) -> int:
        at = (self._tables.seqs or 0) + _SEQ_SIZE * number
        return int.from_bytes(self._data[at : at + _SEQ_SIZE], "big")

    def _walked(self, wanted: dict[bytes, str]) -> dict[bytes, list[int]]:
        """Find names by a walk over all of them; three tokens tell most apart from those wanted."""
        data, tokens = self._data, self._tables.tokens
        at, end = self._tables.names, len(data) - 2
        parts = {name[:size] for name in wanted for size in range(len(name) + 1)}
        seconds = self._seconds(wanted, parts)
        begins: dict[bytes, bool] = {}
        found: dict[bytes, list[int]] = {}
        budget = _EXPANDED_LIMIT
        for index in range(self._tables.count):
            if at >= end:
                break
            size = data[at]
            at += 1
            if size >= _LONG_NAME:
                size = _long_size(size, data[at])
                at += 1
            if (second := seconds[data[at]]) and data[at + 1] in second:
                three = data[at : at + min(size, 3)]
                may_be = begins.get(three)
                if may_be is None:
                    may_be = b"".join([tokens[byte] for byte in three])[1:] in parts
                    begins[three] = may_be
                if may_be and budget > 0:
                    name = self._expanded(at, size)[1:]
                    budget -= len(name)
                    if name in wanted:
                        found.setdefault(name, []).append(index)
            at += size
        return found

    def _seconds(self, names: Container[bytes], parts: Container[bytes]) -> list[frozenset[int]]:
        """Return, for each token that names may begin with, those that may follow it.

        Any may follow one that is the whole of a name, with its type: that is of the next name.

        Args:
            names: the names, without their types.
            parts: what names begin with.
        """
        tokens = self._tables.tokens
        return [
            frozenset(
                number
                for number, token in enumerate(tokens)
                if first[1:] in names or first[1:] + token in parts
            )
            if first[1:] in parts
            else frozenset()
            for first in tokens
        ]


def _encoded(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")


def _long_size(low: int, high: int) -> int:
    return (low & (_LONG_NAME - 1)) | (high & (_LONG_NAME - 1)) << 7
