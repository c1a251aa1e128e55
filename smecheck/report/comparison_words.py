"""A comparison in words: the rows that every format for people shows."""

from __future__ import annotations

import re
from typing import assert_never

from smecheck.builds.comparison_report import Change, Comparison, Kind
from smecheck.builds.gate_report import GateRow, RowOutcome
from smecheck.evidence import Fact, Unknown
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


def short(full: ChangeWords) -> ChangeWords:
    """Return a change without what a narrow table has no room for: sizes in hex, and the note."""
    old, new, delta = (re.sub(_HEX_TOO, "", text) for text in (full.old, full.new, full.delta))
    return ChangeWords(full.name, old, new, delta, "")


@record
class OriginWords:
    """Where a fact of both builds is known from, or why it is not known."""

    name: str
    old: str
    new: str


def origins(comparison: Comparison) -> list[OriginWords]:
    """Return where each fact that is compared comes from; for facts that both builds lack too."""
    found = []
    for name, field in _FACTS.items():
        old, new = (_origin(getattr(build, field)) for build in (comparison.old, comparison.new))
        found.append(OriginWords(name, old, new))
    return found


_HEX_TOO = re.compile(r" \(-?0x[0-9a-f]+\)")
_FACTS = {
    "release": "release",
    "build-id": "build_id",
    "scheme": "scheme",
    "_end - _text": "end",
    "workarea": "workarea",
    "mapped end": "mapped_end",
    "section": "section",
    "init_size": "init_size",
    "slack": "slack",
    "output_len": "output_len",
    "kernel_alignment": "kernel_alignment",
    "pref_address": "pref_address",
    "relocatable": "relocatable",
}
"""The facts that have an origin, by the names under which they are compared."""


def _origin(fact: Fact[object]) -> str:
    if isinstance(fact, Unknown):
        return f"not known: {fact.reason}"
    return fact.origin


def shown_changes(comparison: Comparison) -> list[Change]:
    """Return what either build shows."""
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
