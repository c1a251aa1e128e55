"""The formats of a triage, and the choice between them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smecheck.report.options import Format, RenderOptions

if TYPE_CHECKING:
    from smecheck.support_case.answer import TriageReport

TRIAGE_FORMATS = (Format.TEXT, Format.PLAIN, Format.MARKDOWN, Format.JSON)
"""The formats that a triage is written in: the others are for gates."""


def render_triage(triage: TriageReport, chosen: Format, options: RenderOptions) -> str:
    """Write the answer in one of :data:`TRIAGE_FORMATS`; the text ends with a line break."""
    match chosen:
        case Format.TEXT:
            from smecheck.report.triage_text import render_triage_text

            return render_triage_text(triage, options)
        case Format.PLAIN:
            from smecheck.report.triage_plain import render_triage_plain

            return render_triage_plain(triage, options)
        case Format.MARKDOWN:
            from smecheck.report.triage_markdown import render_triage_markdown

            return render_triage_markdown(triage, options)
        case Format.JSON:
            from smecheck.report.triage_json import render_triage_json

            return render_triage_json(triage, options)
        case _:
            raise ValueError(chosen)
