"""Records behave as frozen dataclasses do."""

from __future__ import annotations

import pytest

from smecheck.record import record, replace


@record
class Point:
    x: int
    y: int = 7

    def __post_init__(self) -> None:
        if self.x < 0:
            raise ValueError("x")

    @property
    def sum(self) -> int:
        return self.x + self.y


@record
class Other:
    x: int
    y: int = 7


def test_fields_in_order_by_name_and_by_default() -> None:
    assert Point(1, 2) == Point(x=1, y=2) == Point(1, y=2)
    assert (Point(1).y, Point(1).sum) == (7, 8)


def test_equality_is_of_class_and_fields() -> None:
    assert Point(1) != Point(2)
    assert [Point(1)] != [Other(1)]
    assert [Point(1)] != [(1, 7)]
    assert len({Point(1), Point(1), Point(2), Other(1)}) == 3


@pytest.mark.parametrize(
    ("positional", "named"),
    [((), {}), ((1, 2, 3), {}), ((1,), {"x": 1}), ((1,), {"z": 1})],
)
def test_wrong_arguments(positional: tuple[int, ...], named: dict[str, int]) -> None:
    with pytest.raises(TypeError, match="Point"):
        Point(*positional, **named)


def test_nothing_can_be_changed() -> None:
    point = Point(1)
    with pytest.raises(AttributeError, match="frozen"):
        point.x = 2  # type: ignore[misc]
    with pytest.raises(AttributeError, match="frozen"):
        del point.x
    with pytest.raises(AttributeError, match="frozen"):
        point.z = 2  # type: ignore[attr-defined]
    assert not hasattr(point, "__dict__")


@record
class Named(Point):
    name: str = "p"


def test_a_record_of_a_record() -> None:
    assert Named(1, 2, "q").name == "q"
    assert (Named(1).y, Named(1).name, Named(1).sum) == (7, "p", 8)
    assert Named(1) != Point(1)


def test_replace() -> None:
    assert replace(Point(1), y=3) == Point(1, 3)
    with pytest.raises(ValueError, match="x"):
        replace(Point(1), x=-1)


def test_repr_and_match() -> None:
    assert repr(Point(1)) == "Point(x=1, y=7)"
    match Point(4, 5):
        case Point(x, 5):
            assert x == 4
        case _:
            pytest.fail("no match")
