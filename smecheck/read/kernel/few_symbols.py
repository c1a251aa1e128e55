"""Symbols of which only those that matter are known, from a list beside the kernel."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from smecheck.kernel.symbols import Symbol


class FewSymbols:
    """The symbols that a list told; a :class:`smecheck.kernel.symbols.Symbols`."""

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
