"""The output formats, and the choice between them."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias, assert_never

from smecheck.report.options import Format, Picture, RenderOptions

if TYPE_CHECKING:
    from collections.abc import Callable

    from smecheck.answer import Report
    from smecheck.errors import SmecheckError


ReportWriter: TypeAlias = "Callable[[Report, RenderOptions], str]"
ErrorWriter: TypeAlias = "Callable[[SmecheckError], str]"


def render(report: Report, chosen: Format, options: RenderOptions) -> str:
    """Write ``report`` in the format that was chosen; the text ends with a line break."""
    write, _ = _writers(chosen)
    return write(report, options)


def draw(report: Report, picture: Picture, options: RenderOptions) -> str:
    """Draw the memory of ``report``."""
    match picture:
        case Picture.SVG:
            from smecheck.report.picture import svg_picture

            return svg_picture(report)
        case Picture.HTML:
            from smecheck.report.report_page import html_page

            return html_page(report, options)
    assert_never(picture)


def render_error(error: SmecheckError, chosen: Format) -> str:
    """Write a failure in the format that was chosen; empty for those that people read.

    They have it on standard error, where it goes in any case.
    """
    _, write = _writers(chosen)
    return write(error)


def _writers(chosen: Format) -> tuple[ReportWriter, ErrorWriter]:
    match chosen:
        case Format.TEXT:
            from smecheck.report.text_report import render_text

            return render_text, _nothing
        case Format.PLAIN:
            from smecheck.report.plain_report import render_plain

            return render_plain, _nothing
        case Format.JSON:
            from smecheck.report.error_report import error_json
            from smecheck.report.json_report import render_json

            return render_json, error_json
        case Format.MARKDOWN:
            from smecheck.report.markdown_report import markdown_error, render_markdown

            return render_markdown, markdown_error
        case Format.JUNIT:
            from smecheck.report.junit_report import junit_error, render_junit

            return render_junit, junit_error
        case Format.KTAP:
            from smecheck.report.ktap_report import ktap_error, render_ktap

            return render_ktap, ktap_error
        case Format.GITHUB:
            from smecheck.report.github_report import github_error, render_github

            return render_github, github_error
        case Format.SARIF:
            from smecheck.report.sarif_log import sarif_error
            from smecheck.report.sarif_report import render_sarif

            return render_sarif, sarif_error
        case Format.KCIDB:
            from smecheck.report.kcidb_report import kcidb_error, render_kcidb

            return render_kcidb, kcidb_error
    assert_never(chosen)


def _nothing(_error: SmecheckError) -> str:
    return ""
