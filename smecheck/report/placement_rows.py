"""Where the workarea is, under both schemes, as rows of a table that any format can draw."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smecheck.quantity import address_text, size_text

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


def extent_rows(report: Report) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return the extents, each with its name and its value under either scheme."""
    return tuple(
        (name, tuple(_extent(placement, name, show) for placement in report.placements))
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
