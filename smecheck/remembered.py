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

    @functools.wraps(function)
    def ask(*args: P.args, **named: P.kwargs) -> R:
        if named:
            return function(*args, **named)
        count = len(args)
        for known, result in kept:
            if len(known) != count:
                continue
            for one, other in zip(known, args):  # noqa: B905 - they are as long
                if one is not other and not _are_equal(one, other):
                    break
            else:
                return result
        result = function(*args, **named)
        kept.insert(0, (args, result))
        del kept[_KEPT:]
        return result

    return ask


def _are_equal(one: object, other: object) -> bool:
    return type(one) is type(other) and _is_small(one) and one == other


def _is_small(value: object) -> bool:
    """Tell whether a value is a name, a number, or some numbers, such as a version."""
    if isinstance(value, tuple):
        return all(isinstance(part, int) for part in value)
    return isinstance(value, int | str)
