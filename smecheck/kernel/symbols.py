"""The symbols of a kernel, by name and by address, whatever they were read from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from typing import Protocol

from smecheck.record import record


class SymbolSource(Enum):
    """What lists the symbols of an image."""

    SYMTAB = ".symtab"
    """The table for linkers and debuggers."""
    KALLSYMS = "embedded kallsyms"
    """The tables that the kernel has for its own use (CONFIG_KALLSYMS)."""


@record
class Symbol:
    """A name for an address."""

    address: int
    """As linked."""
    type: str
    """As nm has it: ``T`` code, ``D`` data, ``B`` zeros, ``A`` no address in the image; a small
    letter where it is local to its source file. ``?`` where the source does not say."""
    name: str


class Symbols(Protocol):
    """All symbols that a source lists.

    A name may stand for several addresses (local symbols of several files), an address may have
    several names.
    """

    @property
    def lists_data(self) -> bool:
        """Whether symbols other than those of code are listed."""

    def addresses(self, names: Iterable[str]) -> dict[str, tuple[int, ...]]:
        """Return the addresses of each of the names that is listed, in ascending order."""

    def names(self, address: int) -> tuple[str, ...]:
        """Return the names of exactly this address."""

    def holding(self, address: int) -> Symbol | None:
        """Return the last symbol that is not above the address."""

    def __iter__(self) -> Iterator[Symbol]:
        """Yield all symbols."""


class FewSymbols:
    """The symbols that a list gave; a :class:`Symbols`."""

    lists_data = False

    def __init__(self, symbols: Mapping[str, int]) -> None:
        self._symbols = symbols

    def addresses(self, names: Iterable[str]) -> dict[str, tuple[int, ...]]:
        """Return the addresses of each of the names that is known."""
        return {name: (self._symbols[name],) for name in names if name in self._symbols}

    def names(self, address: int) -> tuple[str, ...]:
        """Return the names of exactly this address."""
        return tuple(name for name, value in self._symbols.items() if value == address)

    def holding(self, address: int) -> Symbol | None:
        """Return the last symbol that is not above the address."""
        below = [(value, name) for name, value in self._symbols.items() if value <= address]
        return Symbol(max(below)[0], "?", max(below)[1]) if below else None

    def __iter__(self) -> Iterator[Symbol]:
        return (Symbol(value, "?", name) for name, value in self._symbols.items())
