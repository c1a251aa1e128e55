"""A comparison as JSON: ``smecheck/comparison-v1``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smecheck import __version__
from smecheck.builds.build_facts import KeptFinding
from smecheck.builds.comparison_report import Change, Comparison, Kind
from smecheck.builds.gate_report import RowOutcome
from smecheck.quantity import address_text
from smecheck.report.build_json import build_object
from smecheck.report.gate_json import row_object
from smecheck.report.json_values import Json
from smecheck.report.safe_text import json_text

if TYPE_CHECKING:
    from smecheck.report.options import RenderOptions


COMPARISON_SCHEMA = "smecheck/comparison-v1"


def render_comparison_json(comparison: Comparison, options: RenderOptions) -> str:
    """Return the ``smecheck/comparison-v1`` document."""
    failed = (RowOutcome.FAILED, RowOutcome.UNDECIDED)
    return json_text(
        {
            "schema": COMPARISON_SCHEMA,
            "tool": {"name": "smecheck", "version": __version__},
            "exit_code": options.exit_code,
            "headline": comparison.headline,
            "old": build_object(comparison.old),
            "new": build_object(comparison.new),
            "changes": [_change(change) for change in comparison.changes],
            "appeared": [_kept(kept) for kept in comparison.appeared],
            "vanished": [_kept(kept) for kept in comparison.vanished],
            "results": [row_object(row, fails=row.outcome in failed) for row in comparison.rows],
        }
    )


def _change(change: Change) -> Json:
    return {
        "name": change.name,
        "kind": change.kind.value,
        "old": _value(change.old, change.kind),
        "new": _value(change.new, change.kind),
        "delta": change.delta,
        "changed": change.is_change,
        "note": change.note,
    }


def _value(value: str | int | None, kind: Kind) -> str | int | None:
    places = (Kind.OFFSET, Kind.ADDRESS)
    return address_text(value) if isinstance(value, int) and kind in places else value


def _kept(kept: KeptFinding) -> Json:
    return {"rule": kept.rule, "severity": kept.severity.value, "message": kept.message}
