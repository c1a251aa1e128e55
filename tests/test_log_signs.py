"""Lines that matter are found by texts first: no line that a pattern matches is without them."""

from __future__ import annotations

import re
from itertools import product
from re import _constants, _parser  # type: ignore[attr-defined]
from typing import Any

import pytest

from smecheck.read.archive.log_signs import (
    _BANNER,
    _FACTS,
    _NEEDLES,
    _SIGNS,
    _VERSION,
    kept_lines,
)

_GAP = "\n"
"""Any text, or none: no needle holds it, nor does a line."""

ROWS = [
    *((pattern, needles) for _, pattern, needles in _SIGNS),
    *((pattern.pattern, needles) for pattern, needles in _FACTS),
    (_VERSION.pattern, (_BANNER,)),
]


def texts(pattern: bytes) -> list[str]:
    """Return what each alternative of a pattern spells out, with gaps for all that varies."""
    assert not re.compile(pattern).flags & re.IGNORECASE
    return _texts(_parser.parse(pattern))


def _texts(parsed: Any) -> list[str]:
    return ["".join(pieces) for pieces in product(*(_pieces(*item) for item in parsed))]


def _pieces(op: Any, value: Any) -> list[str]:
    if op is _constants.LITERAL:
        return [chr(value)]
    if op is _constants.SUBPATTERN:
        return _texts(value[-1])
    if op is _constants.BRANCH:
        return [text for branch in value[1] for text in _texts(branch)]
    if op is _constants.AT:
        return [""]
    if op is _constants.IN and all(one is _constants.LITERAL for one, _ in value):
        return [chr(one) for _, one in value]
    if op is _constants.MAX_REPEAT and value[:2] == (0, 1):
        return ["", *_texts(value[2])]
    if op is _constants.MAX_REPEAT and value[0]:
        return [f"{text}{_GAP}" for text in _texts(value[2])]
    return [_GAP]


@pytest.mark.parametrize(("pattern", "needles"), ROWS)
def test_every_line_of_a_pattern_holds_a_needle(pattern: bytes, needles: tuple[bytes, ...]) -> None:
    for text in texts(pattern):
        assert any(needle.decode() in text for needle in needles), text


@pytest.mark.parametrize(("pattern", "needles"), ROWS)
def test_no_needle_is_sought_in_vain(pattern: bytes, needles: tuple[bytes, ...]) -> None:
    for needle in needles:
        assert needle in _NEEDLES
        assert any(needle.decode() in text for text in texts(pattern))


def test_what_a_pattern_spells_out() -> None:
    assert set(texts(rb"\b(?:a|bc).{0,3}[xy]d+(?:e)?")) == {
        f"{first}{_GAP}{second}d{_GAP}{third}"
        for first in ("a", "bc")
        for second in "xy"
        for third in ("", "e")
    }


def test_lines_are_kept_with_their_numbers() -> None:
    data = b"one\nVFS: Cannot open root device\nthree\n\nesrt: Unsupported ESRT version 1234567"
    assert [number for number, _ in kept_lines(data)] == [2, 5]
