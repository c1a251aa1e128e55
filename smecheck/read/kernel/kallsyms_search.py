"""Where a kernel's own symbol tables lie, in an image that has no symbols to say so.

They are known by what they must look like: a table of 256 tokens, among them the ten digits, each
of which stands for itself, and an index into it after it. Around these two, in an order that
changed, lie the others; each candidate is held against all that the tables say of one another.

Their order, as scripts/kallsyms.c of 4.14 to 7.3 writes them: up to v6.3 offsets, relative_base,
num_syms, names, markers, (seqs_of_names,) token_table, token_index; since v6.4 num_syms, names,
markers, token_table, token_index, offsets, (relative_base,) seqs_of_names. Each begins at a
multiple of 8 bytes, in 7.1 and later of 4. Markers are words of 8 bytes in 4.14, of 4 in 5.10.
"""

from __future__ import annotations

import heapq
import itertools
import re
from array import array
from bisect import bisect_left
from collections.abc import Iterator
from mmap import mmap

from smecheck.kernel.constants import KERNEL_IMAGE_SIZE, PMD_SIZE, START_KERNEL_MAP
from smecheck.read.kernel.kallsyms import MARKED, NAME_LIMIT, Kallsyms, KallsymsTables, Reference
from smecheck.record import record

TOKENS_TEXT = b"0\x001\x002\x003\x004\x005\x006\x007\x008\x009\x00"
"""In every token table: digits occur in symbols, and what occurs by itself stands for itself."""

TOKENS_REACH = 16 << 10
"""Bytes from it on that hold the rest of the token table, and its index."""

_TOKENS = 256
_ZERO_TOKEN = ord("0")
_COUNT_LIMIT = 1 << 20
"""Symbols."""
_LONGEST_NAME = 514
"""KSYM_NAME_LEN and the bytes of its length."""
_USUALLY_BEFORE, _BEFORE = 4 << 20, 16 << 20
"""Bytes in front of a token table that hold the tables there: of 200,000 symbols, of 800,000."""
_COUNTS = 64
"""Numbers of symbols that are tried for a token table; one is right, others are rare."""
_BASES = 1 << 17
"""Words that may be a base which are looked at; kernels have some thousands."""
_SAMPLES = 24
"""Addresses that are looked at."""

_BASE_AND_COUNT = re.compile(rb"\xff\xff\xff\xff(...\0)\0\0\0\0", re.DOTALL)
"""The upper half of a relative_base, then num_syms and its padding."""


@record
class _TokenTable:
    """A token table: where it begins, where its index ends, and the tokens."""

    start: int
    end: int
    tokens: tuple[bytes, ...]


@record
class _Names:
    """Where the names lie, how many they are, and what is at every 256th."""

    count_at: int
    count: int
    start: int
    markers: tuple[int, ...]
    seqs: int | None


def kallsyms_at(data: bytes | mmap, at: int, *, address: int, size: int) -> Kallsyms | None:
    """Find the tables around the text :data:`TOKENS_TEXT` at ``at``.

    Args:
        data: what holds them, in its first ``size`` bytes.
        at: where the text is.
        address: the link address of its first byte; a multiple of 8.
        size: how much of it counts.
    """
    for table in _token_tables(data, at, size):
        tables = _around(data, address, size, table)
        if tables is not None:
            return _alone(data, tables, table.start)
    return None


def _alone(data: bytes | mmap, tables: KallsymsTables, names_end: int) -> Kallsyms:
    """Return the symbols with the bytes of their tables, without what is around these."""
    starts = [tables.names, tables.offsets]
    ends = [names_end, tables.offsets + 4 * tables.count]
    if tables.seqs is not None:
        starts.append(tables.seqs)
        ends.append(tables.seqs + 3 * tables.count)
    start = min(starts)
    return Kallsyms(data[start : max(ends)], tables.moved(-start))


def holds_token_table(data: bytes) -> bool:
    """Return whether bytes that begin with :data:`TOKENS_TEXT` are of a token table."""
    ends = _token_ends(data, 0)
    return bool(ends) and any(_index_at(data, ends[-1] + gap, 0, ends) for gap in range(8))


def _token_tables(data: bytes | mmap, digits: int, size: int) -> Iterator[_TokenTable]:
    """Yield the token tables that have the token ``0`` at ``digits``."""
    ends = _token_ends(data, digits)
    if not ends:
        return
    for alignment in (4, 8):
        index_at = _aligned(ends[-1], alignment)
        index = _index_at(data, index_at, digits, ends)
        start = digits - index[_ZERO_TOKEN] if index else -1
        if start < 0 or index_at + 2 * _TOKENS > size:
            continue
        tokens = tuple(data[start : ends[-1]].split(b"\0")[:_TOKENS])
        bounds = [*(start + word for word in index), ends[-1]]
        lengths = [end - begin - 1 for begin, end in itertools.pairwise(bounds)]
        if [len(token) for token in tokens] == lengths and max(lengths) <= NAME_LIMIT:
            yield _TokenTable(start, index_at + 2 * _TOKENS, tokens)


def _token_ends(data: bytes | mmap, digits: int) -> list[int]:
    """Return where the tokens from ``0`` on end; empty where they do not."""
    at, ends = digits, []
    for _ in range(_ZERO_TOKEN, _TOKENS):
        end = data.find(b"\0", at, at + NAME_LIMIT + 1)
        if end < 0:
            return []
        at = end + 1
        ends.append(at)
    return ends


def _index_at(data: bytes | mmap, at: int, digits: int, ends: list[int]) -> array[int]:
    """Return the index of a token table, if it is there and agrees with where its tokens end."""
    words = data[at : at + 2 * _TOKENS]
    index = array("H", words if len(words) == 2 * _TOKENS else b"")
    if index and index[0] == 0:
        start = digits - index[_ZERO_TOKEN]
        if [start + word for word in index[_ZERO_TOKEN + 1 :]] == ends[:-1]:
            return index
    return array("H")


def _around(
    data: bytes | mmap, address: int, size: int, table: _TokenTable
) -> KallsymsTables | None:
    """Return the tables around a token table, if they are there and agree."""
    for names in itertools.islice(_names_before(data, table.start), _COUNTS):
        for offsets, base_at, reference, seqs in _offsets_of(table, names):
            base = address + offsets
            if base_at is not None:
                base = int.from_bytes(data[base_at : base_at + 8], "little")
                if not 0 <= base - START_KERNEL_MAP < KERNEL_IMAGE_SIZE:
                    continue
            found = KallsymsTables(
                count=names.count,
                names=names.start,
                markers=names.markers,
                tokens=table.tokens,
                offsets=offsets,
                reference=reference,
                base=base,
                seqs=seqs,
            )
            if _agrees(data, size, found):
                return found
    return None


_Offsets = tuple[int, int | None, Reference, int | None]
"""Where the offsets begin, where their base is, what they are, where the sorted numbers begin."""


def _offsets_of(table: _TokenTable, names: _Names) -> Iterator[_Offsets]:
    """Yield where the offsets of the names may lie, and what they may be."""
    size = 4 * names.count
    # since v6.4
    offsets = _aligned(table.end, 8)
    base_at = _aligned(offsets + size, 8)
    for reference in (Reference.BASE_OR_ZERO, Reference.BASE):
        yield offsets, base_at, reference, base_at + 8
    # 7.0 and later
    for alignment in (8, 4):
        offsets = _aligned(table.end, alignment)
        yield offsets, None, Reference.PLACE, _aligned(offsets + size, alignment)
    # up to v6.3
    base_at = names.count_at - 8
    offsets = base_at - _aligned(size, 8)
    if offsets >= 0:
        for reference in (Reference.BASE_OR_ZERO, Reference.BASE):
            yield offsets, base_at, reference, names.seqs


def _names_before(data: bytes | mmap, end: int) -> Iterator[_Names]:
    """Yield the names that may lie in front of a token table, which begins at ``end``."""
    is_plain = False
    for width in (4, 8):
        for padding in (0, 4) if width == 4 else (0,):
            markers = _markers_up_to(data, end - padding, width)
            for names in _names_of(data, end - padding - width * len(markers), markers):
                is_plain = True
                yield names
    if not is_plain:
        yield from _names_and_numbers(data, end)


def _markers_up_to(data: bytes | mmap, end: int, width: int) -> tuple[int, ...]:
    """Return the markers that end at ``end``, ascending from 0; empty if there are none."""
    found: list[int] = []
    at = end - width
    while at >= 0 and len(found) < _COUNT_LIMIT // MARKED:
        value = int.from_bytes(data[at : at + width], "little")
        if found and not 2 * MARKED <= found[-1] - value <= _LONGEST_NAME * MARKED:
            break
        found.append(value)
        if value == 0:
            return tuple(reversed(found))
        at -= width
    return ()


def _names_of(data: bytes | mmap, end: int, markers: tuple[int, ...]) -> Iterator[_Names]:
    """Yield the names that end in front of their markers, which begin at ``end``."""
    if not markers:
        return
    least, most = (len(markers) - 1) * MARKED + 1, len(markers) * MARKED
    last = max(end - markers[-1], 0) // 4 * 4
    lowest = max(last - _LONGEST_NAME * MARKED // 4 * 4, 0)
    for at, count in itertools.islice(_words_within(data, lowest, last, least, most), _COUNTS):
        # Names follow at once in 7.1. Padding, or the other half of the count, is zero.
        for start in (at + 4,) if any(data[at + 4 : at + 8]) else (at + 4, at + 8):
            names = _Names(at, count, start, markers, None)
            if _end_where_they_must(data, names, end):
                yield names


def _words_within(
    data: bytes | mmap, lowest: int, last: int, least: int, most: int
) -> Iterator[tuple[int, int]]:
    """Yield the words of 4 bytes of a range of values, and where they are, the last ones first.

    They are found by their upper bytes, of which so narrow a range has one or two.
    """

    def with_upper_bytes(upper: int) -> Iterator[tuple[int, int]]:
        pattern = upper.to_bytes(3, "little")
        at = data.rfind(pattern, lowest + 1, last)
        while at >= 0:
            if at % 4 == 1 and least <= (value := upper << 8 | data[at - 1]) <= most:
                yield at - 1, value
            at = data.rfind(pattern, lowest + 1, at + 2)

    uppers = {least >> 8, most >> 8}
    return heapq.merge(*(with_upper_bytes(upper) for upper in uppers), reverse=True)


def _names_and_numbers(data: bytes | mmap, end: int) -> Iterator[_Names]:
    """Yield the names where seqs_of_names lies between their markers and the token table."""
    near, far = max(end - _USUALLY_BEFORE, 0), max(end - _BEFORE, 0)
    matches = itertools.chain(
        _BASE_AND_COUNT.finditer(data, near, end), _BASE_AND_COUNT.finditer(data, far, near)
    )
    tries = 0
    for match in itertools.islice(matches, _BASES):
        count_at = match.start(1)
        # The base is _text, a multiple of 2 MiB.
        if count_at % 8 or int.from_bytes(data[count_at - 8 : count_at], "little") % PMD_SIZE:
            continue
        count = int.from_bytes(match[1], "little")
        blocks = -(-count // MARKED)
        seqs = end - _aligned(3 * count, 8)
        start = seqs - _aligned(4 * blocks, 8)
        if start <= count_at + 8 or any(data[start : start + 4]):
            continue
        markers = tuple(array("I", data[start : start + 4 * blocks]))
        names = _Names(count_at, count, count_at + 8, markers, seqs)
        if _end_where_they_must(data, names, start):
            yield names
        tries += 1
        if tries == _COUNTS:
            return


def _end_where_they_must(data: bytes | mmap, names: _Names, end: int) -> bool:
    """Return whether a walk over names leads from marker to marker, and the last one to ``end``."""
    markers = names.markers
    if not markers or markers[0] or names.start + markers[-1] >= end:
        return False
    rest = names.count - MARKED * (len(markers) - 1)
    after = _after(data, names.start + markers[-1], rest)
    if not end - 8 < after <= end or any(data[after:end]):
        return False
    return len(markers) == 1 or _after(data, names.start, MARKED) == names.start + markers[1]


def _after(data: bytes | mmap, at: int, names: int) -> int:
    """Return where ``names`` names from ``at`` on end; past the data where they do not."""
    for _ in range(names):
        if at + 1 >= len(data):
            return len(data) + 1
        size = data[at]
        if not size:
            return len(data) + 1
        at += 1 + size if size < 0x80 else 2 + (size & 0x7F) + (data[at + 1] << 7)
    return at


def _agrees(data: bytes | mmap, size: int, tables: KallsymsTables) -> bool:
    """Return whether addresses are those of a kernel, in ascending order."""
    if tables.offsets + 4 * tables.count > size:
        return False
    if tables.seqs is not None and tables.seqs + 3 * tables.count > size:
        return False
    symbols = Kallsyms(data, tables)
    step = max(tables.count // _SAMPLES, 1)
    found = [symbols.address(index) for index in (*range(0, tables.count, step), tables.count - 1)]
    if tables.reference is not Reference.PLACE:
        first = bisect_left(range(tables.count), START_KERNEL_MAP, key=symbols.address)
        if first == tables.count or symbols.address(first) != tables.base:
            return False
        found = [address for address in found if address >= START_KERNEL_MAP]
    top = START_KERNEL_MAP + KERNEL_IMAGE_SIZE
    if found != sorted(found) or not all(START_KERNEL_MAP <= one <= top for one in found):
        return False
    return tables.seqs is None or symbols.is_sorted_by_name(_SAMPLES)


def _aligned(value: int, alignment: int) -> int:
    return -(-value // alignment) * alignment
