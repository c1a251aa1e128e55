"""A fact and where it was read, or the reason why it is not known."""

from __future__ import annotations

from typing import Generic, TypeAlias, TypeVar

from smecheck.record import record


@record
class Step:
    """One line of a derivation."""

    name: str
    value: int
    formula: str
    """How the value follows, with numbers."""
    source: str
    """The place in the kernel, or in the input, that the formula or the value comes from."""


T = TypeVar("T")


@record
class Known(Generic[T]):
    """A fact."""

    value: T
    origin: str
    """Where it was read, or what it follows from: a place in a file, a symbol, an option."""


@record
class Unknown:
    """The absence of a fact."""

    reason: str
    """Why it is missing, as a clause: ``not a bzImage``."""


Fact: TypeAlias = Known[T] | Unknown


def value_of(fact: Fact[T]) -> T | None:
    """Return the value of a known fact, ``None`` of an unknown one."""
    return fact.value if isinstance(fact, Known) else None


def why(fact: Fact[T]) -> str:
    """Return where a fact is from, or why it is not known."""
    return fact.origin if isinstance(fact, Known) else fact.reason


def first_known(*facts: Fact[T]) -> Fact[T]:
    """Return the first known fact; if there is none, the first unknown one, for its reason."""
    return next((fact for fact in facts if isinstance(fact, Known)), facts[0])
