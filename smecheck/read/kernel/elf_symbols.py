"""The few symbols that matter, out of a symbol table of hundreds of thousands of entries.

The names are searched in the string table first, as bytes; entries are then known by the place of
their name alone. Globals, which come last in a table and are the fewer, are passed over once;
locals are only searched for what no global defines.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator

from smecheck.errors import MalformedInput
from smecheck.kernel.identity import INITRD_AWARE_SYMBOLS
from smecheck.kernel.startup_names import STARTUP_PREFIX, plain_name
from smecheck.read.kernel.elf_file import ElfFile, ElfSection

_ENTRY_SIZE = 24
_REFERENCE_SIZE = 4
_TABLE_LIMIT = 256 << 20
_STT_FILE = 4
_STB_LOCAL = 0
_RARE_PARTS = ("sme", "svsm", "asan")
"""Of 119,000 symbols of Debian's 6.1, 26 have the first in their names, none the others."""
_FEW_PLACES = 16
"""Up to here a search for each place beats a pass that finds out which are referred to."""


class SymbolTable:
    """A symbol table in memory.

    Raises:
        MalformedInput: the table or its names are damaged.
    """

    def __init__(self, elf: ElfFile, table: ElfSection, sections: list[ElfSection]) -> None:
        if not 0 < table.link < len(sections):
            raise _damaged(elf, "the symbol table has no names")
        strings = sections[table.link]
        if max(table.size, strings.size) > _TABLE_LIMIT:
            raise _damaged(elf, f"a symbol table of {max(table.size, strings.size)} bytes")
        count = table.size // _ENTRY_SIZE
        self._first_global = table.info if table.info <= count else 0
        self._count = count
        self._names = elf.read(strings.offset, strings.size, "the symbol names")
        self._entries = elf.read(table.offset, count * _ENTRY_SIZE, "the symbol table")
        words = memoryview(self._entries).cast("I")
        self._references = words[:: _ENTRY_SIZE // words.itemsize].tobytes()

    def __len__(self) -> int:
        return self._count

    def values(self, wanted: Iterable[str]) -> dict[str, int]:
        """Return the values of the ``wanted`` symbols that the table defines.

        A global symbol wins over a local one of the same name. The value of a file symbol is 0.
        """
        names = frozenset(wanted)
        # Linkers store names in the order of the symbols, so those of globals come last.
        border = self._name_of_first_global()
        late = dict(self._all_places(names, border, len(self._names)))
        found = self._defined(late, self._first_global, self._count)
        missing = names - found.keys()
        places = {place: name for place, name in late.items() if name in missing}
        places |= self._all_places(missing, 0, border)
        found = self._defined(places, self._first_global, self._count) | found
        local = {place: name for place, name in places.items() if name not in found}
        return self._defined(local, 0, self._first_global) | found

    def _name_of_first_global(self) -> int:
        """Return where in the string table the name of the first global symbol begins."""
        at = self._first_global * _REFERENCE_SIZE
        return int.from_bytes(self._references[at : at + _REFERENCE_SIZE], "little")

    def _defined(self, places: dict[int, str], first: int, last: int) -> dict[str, int]:
        """Return what the entries from ``first`` up to ``last`` define of the names."""
        found: dict[str, int] = {}
        local: dict[str, int] = {}
        for index, place in self._referring(places, first, last):
            name = places[place]
            entry = self._entries[index * _ENTRY_SIZE : (index + 1) * _ENTRY_SIZE]
            is_file = entry[4] & 0xF == _STT_FILE
            if not any(entry[6:8]) or is_file != name.endswith(".c"):
                continue  # undefined here, or another kind of symbol
            values = local if entry[4] >> 4 == _STB_LOCAL else found
            values.setdefault(name, int.from_bytes(entry[8:16], "little"))
        return local | found

    def _all_places(
        self, wanted: frozenset[str], start: int, end: int
    ) -> Iterator[tuple[int, str]]:
        """Yield where each of the names stands in the string table from ``start`` up to ``end``.

        Few searches do: names that have a part in common that is rare are found by that, and a
        spelling with the prefix of v6.18 ends as the plain one does.
        """
        alone = set(wanted)
        for part in _RARE_PARTS:
            names = {name for name in alone if part in name and not _is_beginning(name)}
            alone -= names
            if names:
                yield from self._places_by_part(part, names, start, end)
        prefix = STARTUP_PREFIX.encode()
        for name in alone:
            plain = name.removeprefix(STARTUP_PREFIX)
            if plain != name and plain in alone and not _is_beginning(name):
                continue
            prefixed = STARTUP_PREFIX + name
            for at in self._places(name, start, end):
                yield at, name
                begin = at - len(prefix)
                if prefixed in alone and begin >= 0 and self._names[begin:at] == prefix:
                    yield begin, prefixed

    def _places_by_part(
        self, part: str, names: set[str], start: int, end: int
    ) -> Iterator[tuple[int, str]]:
        tails = {name.encode()[name.index(part) :] for name in names}
        for at in _occurrences(self._names, part.encode(), start, end):
            stop = self._names.find(b"\0", at)
            if self._names[at:stop] in tails:
                for name in names:
                    begin = at - name.index(part)
                    if begin >= 0 and self._names[begin:stop] == name.encode():
                        yield begin, name

    def _places(self, name: str, start: int, end: int) -> Iterator[int]:
        """Yield where the name stands in the string table.

        Linkers store a name once: on its own, or, where tails are merged, as the tail of a longer
        one (``_end`` inside ``__bss_end``). To local functions compilers add suffixes
        (.constprop.0, .isra.0, _pte).
        """
        encoded = name.encode("ascii")
        if _is_beginning(name):
            yield from (at + 1 for at in _occurrences(self._names, b"\0" + encoded, start, end))
        else:
            yield from _occurrences(self._names, encoded + b"\0", start, end)

    def _referring(
        self, places: dict[int, str], first: int, last: int
    ) -> Iterator[tuple[int, int]]:
        """Yield the entries whose name is at one of the ``places``: number and place."""
        references = self._references[first * _REFERENCE_SIZE : last * _REFERENCE_SIZE]
        referred: Iterable[int] = places
        if len(places) > _FEW_PLACES:
            referred = places.keys() & struct.unpack(f"<{last - first}I", references)
        found = (
            (first + at // _REFERENCE_SIZE, place)
            for place in referred
            for at in _occurrences(
                references, place.to_bytes(_REFERENCE_SIZE, "little"), 0, len(references)
            )
            if at % _REFERENCE_SIZE == 0
        )
        yield from sorted(found)


def _is_beginning(name: str) -> bool:
    """Return whether a name is looked for as what others begin with."""
    return plain_name(name) in INITRD_AWARE_SYMBOLS


def _occurrences(data: bytes, needle: bytes, start: int, end: int) -> Iterator[int]:
    """Yield where it occurs, from ``start`` on and with its first byte before ``end``."""
    after = min(end, len(data)) + len(needle) - 1
    at = data.find(needle, start, after)
    while at >= 0:
        yield at
        at = data.find(needle, at + 1, after)


def _damaged(elf: ElfFile, what: str) -> MalformedInput:
    return MalformedInput(
        f"is damaged: {what}",
        where=elf.name,
        help_text="copy the file again, or give the stripped vmlinux",
    )
