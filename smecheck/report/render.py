"""The output formats, and the choice between them."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, assert_never

from smecheck.record import record

if TYPE_CHECKING:
    from smecheck.model.report import Report


class Format(Enum):
    """How a report is written."""

    TEXT = "text"
    """For people at a terminal."""
    PLAIN = "plain"
    """One line per fact, for pipes."""
    JSON = "json"
    """``smecheck/report-v1``, for programs."""


@record
class RenderOptions:
    """What the reader asked for, and what the output can show."""

    explain: bool
    """Show every derivation, line by line."""
    color: bool
    width: int
    """Columns of the output; only text has a width."""
    unicode: bool
    """Whether the output can show more than ASCII; only text asks."""
    exit_code: int
    """What the program will exit with."""


def render(report: Report, chosen: Format, options: RenderOptions) -> str:
    """Write ``report`` in the format that was chosen; the text ends with a line break."""
    match chosen:
        case Format.TEXT:
            from smecheck.report.text_report import render_text

            return render_text(report, options)
        case Format.PLAIN:
            from smecheck.report.plain_report import render_plain

            return render_plain(report, options)
        case Format.JSON:
            from smecheck.report.json_report import render_json

            return render_json(report, options)
    assert_never(chosen)
