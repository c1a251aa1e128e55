"""A value that is worked out when somebody asks for it: many verdicts are reached before that."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class WhenAsked(Generic[T]):
    """What a pure function returns; it is called once, or never."""

    __slots__ = ("_made", "_make")

    def __init__(self, make: Callable[[], T]) -> None:
        self._make: Callable[[], T] | None = make
        self._made: tuple[T, ...] = ()

    @property
    def value(self) -> T:
        """The value."""
        if self._make is not None:
            self._made = (self._make(),)
            self._make = None
        return self._made[0]
