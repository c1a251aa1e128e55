"""Where the workarea is, under both schemes, as rows of a table that any format can draw."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smecheck.quantity import address_text, size_text
from smecheck.workarea.placement import Owner

if TYPE_CHECKING:
    from collections.abc import Callable

    from smecheck.answer import Report
    from smecheck.workarea.placement import Extents, Placement

_EXTENTS: tuple[tuple[str, Callable[[Extents], str]], ...] = (
    ("in place", lambda extents: repr(extents.in_place)),
    ("start", lambda extents: address_text(extents.start)),
    ("written to", lambda extents: address_text(extents.written_end)),
    ("at worst to", lambda extents: address_text(extents.worst_end)),
    ("mapped to", lambda extents: address_text(extents.mapped_end)),
    ("length", lambda extents: size_text(extents.worst.size)),
)


def status_of(placement: Placement) -> str:
    """Return whether this is what the kernel does, and whether its place is known."""
    which = "this kernel" if placement.actual else "hypothetical"
    return which if placement.extents is not None else f"{which}, place undetermined"


def compared_placements(report: Report) -> tuple[Placement, ...]:
    """Return the placements that are worth a column.

    Where this kernel's own workarea is reserved for it, the other scheme teaches nothing.
    """
    actual = report.actual
    if actual is None or actual.owner in (Owner.NOBODY, Owner.UNKNOWN):
        return report.placements
    return (actual,)


def other_placement(report: Report) -> str | None:
    """Return the hypothetical scheme in a line, where it has no column."""
    shown = compared_placements(report)
    for placement in report.placements:
        if placement not in shown:
            extents, from_text = placement.extents or placement.offsets, placement.extents is None
            place = (
                "" if extents is None else f": {'_text + ' if from_text else ''}{extents.mapped!r}"
            )
            return f"{placement.scheme.value} (hypothetical){place}, owner {placement.owner.value}"
    return None


def extent_rows(placements: tuple[Placement, ...]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return the extents, each with its name and its value under each of the schemes."""
    return tuple(
        (name, tuple(_extent(placement, name, show) for placement in placements))
        for name, show in _EXTENTS
    )


def _extent(placement: Placement, name: str, show: Callable[[Extents], str]) -> str:
    if placement.extents is not None:
        exact = name == "written to" and not placement.written_is_exact
        return show(placement.extents) + (" or further" if exact else "")
    if placement.offsets is None:
        return "unknown"
    if name == "length":
        return show(placement.offsets)
    return f"_text + {show(placement.offsets)}"
