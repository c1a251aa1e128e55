"""Records behave as frozen dataclasses do."""

from __future__ import annotations

import copy
import dataclasses
import importlib
import inspect
import pickle
import pkgutil

import pytest

import smecheck
from smecheck.record import extended, record, replace


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


@record
class Coloured(Point):
    colour: str


def test_a_record_of_a_class_that_adds_fields() -> None:
    assert extended(Coloured, Point(1), colour="red") == Coloured(1, 7, "red")
    with pytest.raises(TypeError, match="Coloured"):
        extended(Coloured, Point(1))


def test_what_is_no_field_cannot_be_replaced() -> None:
    with pytest.raises(TypeError, match="Point has no z"):
        replace(Point(1), z=3)


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


@record
class Bag:
    facts: dict[str, list[int]]
    names: tuple[Point, ...] = ()


def _pickled(bag: Bag) -> Bag:
    again: Bag = pickle.loads(pickle.dumps(bag))  # noqa: S301 - made here
    return again


def test_copies_and_pickles() -> None:
    bag = Bag({"a": [1, 2]}, (Point(1), Named(2, 3)))
    for copied in (copy.copy(bag), copy.deepcopy(bag), _pickled(bag)):
        assert copied == bag
    assert copy.deepcopy(bag).facts is not bag.facts


def test_every_record_has_a_hash() -> None:
    assert hash(Bag({"a": [1, 2], "b": []})) == hash(Bag({"b": [], "a": [1, 2]}))
    assert hash(Bag({"a": [1]})) != hash(Bag({"a": [2]}))


def test_can_be_inspected() -> None:
    assert str(inspect.signature(Named)) == "(x: 'int', y: 'int' = 7, name: 'str' = 'p')"
    assert [field.name for field in dataclasses.fields(Named)] == ["x", "y", "name"]
    assert dataclasses.asdict(Bag({"a": [1]}, (Point(1),))) == {
        "facts": {"a": [1]},
        "names": ({"x": 1, "y": 7},),
    }


def test_fields_without_annotations_are_refused() -> None:
    class Bare:
        x = 1

    with pytest.raises(TypeError, match="Bare has no fields"):
        record(Bare)


def test_what_is_made_often_is_made_alike() -> None:
    @record
    class Often:
        x: int
        y: int = 7

        def __post_init__(self) -> None:
            if self.x < 0:
                raise ValueError("x")

    generic = Often.__init__
    made = [Often(number, y=2) for number in range(100)]
    assert Often.__init__ is not generic
    assert made == [Often(y=2, x=number) for number in range(100)]
    assert Often(1) == Often(1, 7)
    for positional, named in ((), {}), ((1, 2, 3), {}), ((1,), {"x": 1}), ((1,), {"z": 1}):
        with pytest.raises(TypeError, match="Often"):
            Often(*positional, **named)
    with pytest.raises(ValueError, match="x"):
        Often(-1)


def test_the_records_of_the_package() -> None:
    classes = [
        found
        for module in pkgutil.walk_packages(smecheck.__path__, "smecheck.")
        if not module.name.endswith("__main__")
        for found in vars(importlib.import_module(module.name)).values()
        if isinstance(found, type) and found.__module__ == module.name
        if hasattr(found, "__match_args__") and hasattr(found, "_defaults")
    ]
    assert len(classes) > 100
    for found in classes:
        names = list(found.__match_args__)
        assert list(inspect.signature(found).parameters) == names
        assert [field.name for field in dataclasses.fields(found)] == names
