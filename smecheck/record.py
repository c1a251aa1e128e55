"""Frozen, slotted records, at a tenth of what the standard dataclass costs to define.

smecheck is to analyze a 600 MB vmlinux in the time readelf takes to list its symbols. To define
forty frozen dataclasses, each with six functions that are generated and compiled at import, took a
quarter of that time. The methods here are written once and shared by all records; only the
``__init__`` of a record that is made often is compiled for it, when it turns out to be one.

To type checkers these are frozen dataclasses (PEP 681), and so they are to ``dataclasses.fields``,
``asdict`` and ``is_dataclass``, to ``inspect.signature``, ``copy`` and ``pickle``. Default
factories and ordering, which nothing here needs, do not exist.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from functools import partial
from operator import attrgetter
from types import MappingProxyType
from typing import Any, TypeVar, dataclass_transform

T = TypeVar("T")

_OFTEN = 24
"""Instances after which a record's ``__init__`` is compiled: that costs as much as making thirty,
and each one then takes a quarter of the time."""


@dataclass_transform(frozen_default=True)
def record(cls: type[T]) -> type[T]:
    """Make a class with annotated fields a frozen record with slots.

    Fields are given in order or by name; those with a default may be left out. Two records are
    equal if they are of the same class and all their fields are. ``__post_init__`` is called where
    there is one.

    Raises:
        TypeError: the class body has no annotations that are there to be read. Since Python 3.14
            they are, only under ``from __future__ import annotations``.
    """
    body = dict(cls.__dict__)
    if "__annotations__" not in body:
        raise TypeError(
            f"the record {cls.__qualname__} has no fields: annotate them, and begin its module "
            "with `from __future__ import annotations`"
        )
    own = tuple(body["__annotations__"])
    inherited: tuple[str, ...] = getattr(cls, "__match_args__", ())
    defaults = {name: body.pop(name) for name in own if name in body}
    defaults = getattr(cls, "_defaults", {}) | defaults
    for inherent in ("__dict__", "__weakref__"):
        body.pop(inherent, None)
    shared: dict[str, Any] = {
        "__init__": _init,
        "__setattr__": _refuse_change,
        "__delattr__": _refuse_change,
        "__eq__": _equal,
        "__hash__": _hash,
        "__repr__": _represent,
        "__reduce__": _reduce,
    }
    body = shared | body
    body |= {
        "__slots__": own,
        "__match_args__": (*inherited, *own),
        "__signature__": _Signature(),
        "__dataclass_fields__": _DataclassFields(),
        "_defaults": defaults,
        "_made": 0,
    }
    metaclass: Any = type(cls)
    made: type[T] = metaclass(cls.__name__, cls.__bases__, body)
    made.__qualname__ = cls.__qualname__
    return made


def replace(instance: T, **changes: Any) -> T:
    """Return a record like ``instance`` with some fields changed."""
    cls: Any = type(instance)
    values = list(_values(instance))
    places = _places(cls)
    for name, value in changes.items():
        if name not in places:
            raise TypeError(f"{cls.__name__} has no {name}")
        values[places[name]] = value
    made: T = cls(*values)
    return made


def extended(kind: type[T], instance: object, **more: Any) -> T:
    """Return a record of a class that adds fields to those of ``instance``, with these values."""
    return kind(*_values(instance), **more)


def field_names(instance: object) -> tuple[str, ...]:
    """Return the names of the fields of a record, in order."""
    names: tuple[str, ...] = type(instance).__match_args__  # type: ignore[attr-defined]
    return names


_READ: dict[type, Callable[[object], tuple[object, ...]]] = {}
"""How the values of a class are read at once."""
_PLACES: dict[type, dict[str, int]] = {}
"""Where each field of a class stands among its values."""


def _values(instance: object) -> tuple[object, ...]:
    cls = type(instance)
    read = _READ.get(cls)
    if read is None:
        names = field_names(instance)
        read = attrgetter(*names) if len(names) > 1 else partial(_one_by_one, names)
        _READ[cls] = read
    return read(instance)


def _one_by_one(names: tuple[str, ...], instance: object) -> tuple[object, ...]:
    return tuple(getattr(instance, name) for name in names)


def _places(cls: Any) -> dict[str, int]:
    places = _PLACES.get(cls)
    if places is None:
        places = _PLACES[cls] = {name: place for place, name in enumerate(cls.__match_args__)}
    return places


def _init(self: Any, *positional: object, **named: object) -> None:
    cls = type(self)
    names, defaults = cls.__match_args__, cls._defaults
    assign = object.__setattr__
    if len(positional) > len(names):
        raise TypeError(f"{cls.__name__}() takes {', '.join(names)}, each once")
    for name, value in zip(names, positional, strict=False):
        assign(self, name, value)
    used = 0
    for name in names[len(positional) :]:
        if name in named:
            assign(self, name, named[name])
            used += 1
        elif name in defaults:
            assign(self, name, defaults[name])
        else:
            raise TypeError(f"{cls.__name__}() lacks {name}")
    if used != len(named):
        raise TypeError(f"{cls.__name__}() takes {', '.join(names)}, each once")
    cls._made += 1
    if cls._made == _OFTEN and cls.__init__ is _init:
        cls.__init__ = _compiled_init(cls)
    post_init = getattr(self, "__post_init__", None)
    if post_init is not None:
        post_init()


def _compiled_init(cls: Any) -> Any:
    """Return an ``__init__`` that takes the fields of the record as parameters of its own."""
    names, defaults = cls.__match_args__, cls._defaults
    optional = {name: f"{name}=_default_{name}" for name in defaults}
    parameters = ["self", *(optional.get(name, name) for name in names)]
    lines = [f" _set_{name}(self, {name})" for name in names]
    if hasattr(cls, "__post_init__"):
        lines.append(" self.__post_init__()")
    scope: dict[str, Any] = {f"_set_{name}": getattr(cls, name).__set__ for name in names}
    scope |= {f"_default_{name}": value for name, value in defaults.items()}
    source = f"def __init__({', '.join(parameters)}):\n" + "\n".join(lines)
    exec(source, scope)  # noqa: S102 - of the names of fields, which are identifiers
    made = scope["__init__"]
    made.__qualname__ = f"{cls.__qualname__}.__init__"
    return made


class _Signature:
    """Lets ``inspect.signature`` see the fields as parameters; made when it is asked for."""

    def __get__(self, instance: object, owner: Any) -> Any:
        from inspect import Parameter, Signature

        defaults, kind = _defaults_of(owner), Parameter.POSITIONAL_OR_KEYWORD
        return Signature(
            [
                Parameter(
                    name, kind, default=defaults.get(name, Parameter.empty), annotation=annotation
                )
                for name, annotation in _annotations(owner).items()
            ]
        )


class _DataclassFields:
    """Lets ``dataclasses.fields`` and ``asdict`` see the fields; made when it is asked for."""

    def __get__(self, instance: object, owner: Any) -> dict[str, Any]:
        from dataclasses import field, fields, make_dataclass

        defaults = _defaults_of(owner)
        # field() alone makes no Field that is complete: only a dataclass has those.
        wanted = [
            # A default that has no hash is taken for one that could change.
            (name, kind, field(default_factory=lambda name=name: defaults[name]))  # type: ignore[misc]
            if name in defaults
            else (name, kind, field())
            for name, kind in _annotations(owner).items()
        ]
        return {made.name: made for made in fields(make_dataclass(owner.__name__, wanted))}


def _defaults_of(cls: Any) -> dict[str, Any]:
    defaults: dict[str, Any] = cls._defaults
    return defaults


def _annotations(cls: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for base in reversed(cls.__mro__):
        found |= vars(base).get("__annotations__", {})
    return {name: found[name] for name in cls.__match_args__}


def _refuse_change(self: object, name: str, _value: object = None) -> None:
    raise AttributeError(f"{type(self).__name__}.{name} cannot be changed: records are frozen")


def _equal(self: object, other: object) -> bool:
    return type(self) is type(other) and _values(self) == _values(other)


def _hash(self: object) -> int:
    values = _values(self)
    try:
        return hash((type(self), values))
    except TypeError:
        return hash((type(self), _hashable(values)))


def _hashable(value: object) -> object:
    """Return what stands for a value that has no hash of its own: a mapping, a list, a set."""
    if isinstance(value, Mapping):
        return frozenset((key, _hashable(item)) for key, item in value.items())
    if isinstance(value, tuple | list):
        return tuple(map(_hashable, value))
    return frozenset(value) if isinstance(value, Set) else value


def _reduce(self: object) -> tuple[object, ...]:
    """Copied and pickled, a record is made again of its fields: none of them can be set later."""
    # A read-only view of a mapping cannot be pickled; the mapping itself can.
    values = (dict(v) if isinstance(v, MappingProxyType) else v for v in _values(self))
    return type(self), tuple(values)


def _represent(self: object) -> str:
    shown = ", ".join(f"{name}={getattr(self, name)!r}" for name in field_names(self))
    return f"{type(self).__name__}({shown})"
