"""A comparison in words: the rows that every format for people shows."""

from __future__ import annotations

from typing import assert_never

from smecheck.builds.compared import Change, Comparison, Kind
from smecheck.builds.gate_report import GateRow, RowOutcome
from smecheck.quantity import address_text, size_text
from smecheck.record import record

UNKNOWN = "-"


@record
class ChangeWords:
    """A line of the table."""

    name: str
    old: str
    new: str
    delta: str
    """How far it moved; empty where it did not, or where that cannot be said."""
    note: str


def change_words(change: Change) -> ChangeWords:
    """Return a change as text."""
    delta = change.delta
    moved = ""
    if delta:
        moved = f"{'+' if delta > 0 else '-'}{size_text(abs(delta))}"
    elif change.is_change and change.kind is not Kind.TEXT:
        moved = "changed"
    return ChangeWords(
        change.name,
        _value(change.old, change.kind),
        _value(change.new, change.kind),
        moved,
        change.note,
    )


def shown_changes(comparison: Comparison) -> list[Change]:
    """Return what either build tells."""
    return [c for c in comparison.changes if c.old is not None or c.new is not None]


def got_worse(comparison: Comparison) -> list[GateRow]:
    """Return the rows that are not fine."""
    fine = (RowOutcome.PASSED, RowOutcome.SKIPPED, RowOutcome.NOT_APPLICABLE)
    return [row for row in comparison.rows if row.outcome not in fine]


def _value(value: str | int | None, kind: Kind) -> str:
    if value is None:
        return UNKNOWN
    if isinstance(value, str):
        return value
    match kind:
        case Kind.TEXT:
            return str(value)
        case Kind.OFFSET:
            return f"_text + {address_text(value)}"
        case Kind.ADDRESS:
            return address_text(value)
        case Kind.SIZE:
            return size_text(value)
    assert_never(kind)
