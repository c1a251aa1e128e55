"""A failure, when there is no report: the two lines for people and the document for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smecheck.report.safe_text import json_text, printable

if TYPE_CHECKING:
    from smecheck.errors import SmecheckError

ERROR_SCHEMA = "smecheck/error-v1"


def error_text(error: SmecheckError) -> str:
    """Return what is wrong and where, that nothing was analyzed, and the next step."""
    place = f"{printable(error.where)}: " if error.where else ""
    first, *further = (printable(problem) for problem in error.message.split("\n"))
    text = f"smecheck: {error.label}: {place}{first} ({error.nothing_done})\n"
    text += "".join(f"smecheck: {error.label}: {problem}\n" for problem in further)
    if error.help_text:
        text += f"help: {printable(error.help_text)}\n"
    return text


def error_json(error: SmecheckError) -> str:
    """Return the ``smecheck/error-v1`` document."""
    return json_text(
        {
            "schema": ERROR_SCHEMA,
            "error": {
                "code": error.code,
                "message": error.message,
                "where": error.where,
                "help": error.help_text,
            },
        }
    )
