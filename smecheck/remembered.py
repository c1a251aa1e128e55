"""Results of pure functions, kept for whoever asks the same of the same large record again.

Many questions about one machine share its memory map. To compare or hash such a map would take as
long as most of what is asked of it: what is the same object is the same.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

_KEPT = 4
"""A machine has two maps or three."""


def remembered(function: Callable[P, R]) -> Callable[P, R]:
    """Keep the last few results of a function of immutable arguments.

    Arguments are the same if they are one object; small ones (a version, a name, a number) also if
    they are equal.
    """
    kept: list[tuple[tuple[object, ...], R]] = []
    by_identity: dict[tuple[int, ...], tuple[R]] = {}

    @functools.wraps(function)
    def ask(*args: P.args, **named: P.kwargs) -> R:
        if named:
            return function(*args, **named)
        found = by_identity.get(tuple(map(id, args)))
        if found is not None:
            return found[0]
        for known, result in kept:
            if len(known) == len(args) and all(map(_are_equal, known, args)):
                return result
        result = function(*args, **named)
        kept.insert(0, (args, result))
        del kept[_KEPT:]
        # They are these objects as long as they are kept.
        by_identity.clear()
        by_identity.update((tuple(map(id, known)), (came,)) for known, came in kept)
        return result

    return ask


def _are_equal(one: object, other: object) -> bool:
    return one is other or (type(one) is type(other) and _is_small(one) and one == other)


def _is_small(value: object) -> bool:
    """Tell whether a value is a name, a number, or some numbers, such as a version."""
    if isinstance(value, tuple):
        return all(isinstance(part, int) for part in value)
    return isinstance(value, int | str)
