"""What a node may say: numbers, booleans, text, choices, and why not."""

from __future__ import annotations

from enum import Enum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smecheck.read.yaml.nodes import (
    BadNodeError,
    MappingNode,
    Node,
    ScalarNode,
    SequenceNode,
    boolean,
    integer,
    items,
    mapping,
    member,
    nonempty_line,
    one_line,
)


class Fruit(Enum):
    APPLE = "apple"
    PEAR = "pear"


def read(reader: Any, written: str, *, plain: bool = True) -> Any:
    return reader(ScalarNode(1, 1, written, plain=plain))


def complaint(reader: Any, node: Node) -> str:
    with pytest.raises(BadNodeError) as caught:
        reader(node)
    assert caught.value.node is node
    return caught.value.message


@given(st.integers(0, 2**64 - 1), st.booleans())
def test_integers_come_back(value: int, plain: bool) -> None:
    for written in (str(value), f"{value:#x}", f"0X{value:X}"):
        assert read(integer, written, plain=plain) == value


@given(st.integers(0, 2**24 - 1), st.sampled_from("KMGT"), st.sampled_from(["", "iB"]))
def test_sizes_come_back(count: int, unit: str, suffix: str) -> None:
    value = count << 10 * ("KMGT".index(unit) + 1)
    assert read(integer, f"{count}{unit}{suffix}") == value
    assert read(integer, f"{count} {unit}{suffix}", plain=False) == value


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("010", "a decimal does not begin with 0"),
        ("12:30", "that would be a sexagesimal number"),
        ("1e6", "not a number"),
        ("3a00000", "a hexadecimal number begins with 0x"),
        ("1_000", "not a number"),
        ("0x", "not a number"),
        ("4m", "not a number"),
        ("1.5M", "not a number"),
        ("-1", "a negative number"),
        ("0x10000000000000000", "the number needs more than 64 bits"),
        ("16777216T", "the number needs more than 64 bits"),
        ("true", "not a number"),
    ],
)
def test_what_is_no_integer(written: str, reason: str) -> None:
    assert complaint(integer, ScalarNode(1, 1, written, plain=True)).startswith(
        f"{written!r}: {reason}"
    )


def test_booleans_are_true_and_false_alone() -> None:
    assert read(boolean, "true") is True
    assert read(boolean, "false") is False
    for written in ("yes", "no", "on", "True", "FALSE", "1", "y"):
        message = complaint(boolean, ScalarNode(1, 1, written, plain=True))
        assert message == f"{written!r}: write true or false"
    message = complaint(boolean, ScalarNode(1, 1, "true", plain=False))
    assert message == "'true' in quotes: write true or false"


def test_choices_name_the_nearest() -> None:
    reader = member(Fruit)
    assert read(reader, "pear") is Fruit.PEAR
    known = {"aple": "did you mean 'apple'?", "Pear": "did you mean 'pear'?"}
    for written, hint in {**known, "x": "known are apple, pear"}.items():
        message = complaint(reader, ScalarNode(1, 1, written, plain=True))
        assert message == f"unknown value {written!r}; {hint}"


def test_text_is_one_printable_line() -> None:
    assert read(one_line, "ro quiet é") == "ro quiet é"
    assert read(one_line, "", plain=False) == ""
    assert read(one_line, "null", plain=False) == "null"
    for written, code in {"a\nb": "000A", "\x1b[m": "001B", "a\u202eb": "202E"}.items():
        message = complaint(one_line, ScalarNode(1, 1, written, plain=False))
        assert message == f"the text holds the unprintable character U+{code}"
    message = complaint(nonempty_line, ScalarNode(1, 1, "", plain=False))
    assert message == "the text is empty; leave the key out if it is not known"


@pytest.mark.parametrize("written", ["", "~", "null"])
@pytest.mark.parametrize("reader", [integer, boolean, one_line, member(Fruit), mapping, items])
def test_nothing_is_not_a_value(reader: Any, written: str) -> None:
    message = complaint(reader, ScalarNode(1, 1, written, plain=True))
    assert message.startswith("no value; give ")


def test_the_wrong_kind_of_node() -> None:
    sequence, pairs = SequenceNode(1, 1, ()), MappingNode(1, 1, ())
    assert complaint(integer, sequence) == "a list where a number is needed"
    assert complaint(one_line, pairs) == "a mapping where text is needed"
    assert complaint(mapping, sequence) == "a list where a mapping is needed"
    assert complaint(items, pairs) == "a mapping where a list is needed"
    assert complaint(items, ScalarNode(1, 1, "x", plain=True)) == "'x' where a list is needed"
