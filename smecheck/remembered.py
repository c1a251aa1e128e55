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
    return _remembered(function, None)


def remembered_by(
    decisive: Callable[P, tuple[object, ...]],
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Keep the last few results of a function that goes by less than it is given.

    Args:
        decisive: returns, of the arguments, all that the function goes by.
    """
    return lambda function: _remembered(function, decisive)


def _remembered(
    function: Callable[P, R], decisive: Callable[P, tuple[object, ...]] | None
) -> Callable[P, R]:
    kept: dict[tuple[object, ...], tuple[tuple[object, ...], R]] = {}
    by_identity: dict[tuple[int, ...], tuple[tuple[object, ...], R]] = {}

    @functools.wraps(function)
    def ask(*args: P.args, **named: P.kwargs) -> R:
        if named:
            return function(*args, **named)
        key = args if decisive is None else decisive(*args, **named)
        found = by_identity.get(tuple(map(id, key)))
        if found is not None:
            return found[1]
        same = tuple(map(_sameness, key))
        found = kept.get(same)
        if found is not None:
            return found[1]
        result = function(*args, **named)
        kept[same] = key, result
        if len(kept) > _KEPT:
            del kept[next(iter(kept))]
        # They are these objects as long as they are kept.
        by_identity.clear()
        by_identity.update((tuple(map(id, one[0])), one) for one in kept.values())
        return result

    return ask


_SMALL = (int, str)


def _sameness(value: object) -> object:
    """Return what is the same of values that are the same.

    That is the value of a name, of a number, or of some numbers, such as a version; of all others
    it is which object they are.
    """
    if isinstance(value, _SMALL):
        return type(value), value
    if isinstance(value, tuple) and all(isinstance(part, int) for part in value):
        return tuple, value
    return id(value)
