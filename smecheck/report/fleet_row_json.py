"""A row of a fleet as a line of JSON: ``smecheck/fleet-row-v1``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from smecheck.report.json_values import Json, span_object

if TYPE_CHECKING:
    from smecheck.fleets.row import Row, RowError, Traits


ROW_SCHEMA = "smecheck/fleet-row-v1"


def row_line(row: Row) -> str:
    r"""Return the line, with its end; what is not ASCII is escaped, whatever reads it."""
    return json.dumps(row_object(row), separators=(",", ":"), allow_nan=False) + "\n"


def row_object(row: Row) -> Json:
    """Return a row as a JSON object."""
    answer = row.answer
    return {
        "schema": ROW_SCHEMA,
        "machine": row.machine,
        "kernel": row.kernel,
        "verdict": answer.verdict,
        "basis": answer.basis,
        "exit_code": answer.exit_code,
        "headline": answer.headline,
        "rules": list(answer.rules),
        "class": answer.class_id,
        "traits": None if answer.traits is None else _traits(answer.traits),
        "remarks": list(answer.remarks),
        "error": None if answer.error is None else _error(answer.error),
    }


def _traits(traits: Traits) -> Json:
    return {
        "ram": traits.ram,
        "ranges": traits.ranges,
        "reservation": [span_object(span) for span in traits.reservation],
        "loader": traits.loader,
        "path": traits.path,
    }


def _error(error: RowError) -> Json:
    return {
        "code": error.code,
        "message": error.message,
        "where": error.where,
        "help": error.help,
    }
