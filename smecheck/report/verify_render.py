"""The formats of what came of a kernel's machine code."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smecheck.report.options import Format

if TYPE_CHECKING:
    from smecheck.kernel.verification import VerifyReport
    from smecheck.report.options import RenderOptions

VERIFY_FORMATS = (Format.TEXT, Format.PLAIN, Format.JSON)


def render_verify(report: VerifyReport, chosen: Format, options: RenderOptions) -> str:
    """Write ``report`` in the format that was chosen.

    Raises:
        ValueError: it is none of ``VERIFY_FORMATS``.
    """
    match chosen:
        case Format.TEXT:
            from smecheck.report.verify_text import render_verify_text

            return render_verify_text(report, options)
        case Format.PLAIN:
            from smecheck.report.verify_plain import render_verify_plain

            return render_verify_plain(report, options)
        case Format.JSON:
            from smecheck.report.verify_json import render_verify_json

            return render_verify_json(report, options)
        case _:
            raise ValueError(f"verify does not write {chosen.value}")
