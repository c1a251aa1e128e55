"""The choice between the output formats, for each kind of answer.

What writes a format is imported when it is chosen.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, TypeAlias, assert_never

from smecheck.report.options import Format, Picture, RenderOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from smecheck.answer import Report
    from smecheck.builds.comparison_report import Comparison
    from smecheck.builds.gate_report import GateReport, GatesReport
    from smecheck.errors import SmecheckError
    from smecheck.kernel.verification import VerifyReport
    from smecheck.report.json_values import Json
    from smecheck.report.row_cases import RowReport
    from smecheck.support_case.triage_report import TriageReport


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


def render_gates(report: GatesReport, chosen: Format, options: RenderOptions) -> str:
    """Write what came of one build or of several; the text ends with a line break."""
    match chosen:
        case Format.TEXT:
            from smecheck.report.gate_text import render_gates_text

            return render_gates_text(report, options)
        case Format.PLAIN:
            from smecheck.report.gate_plain import render_gates_plain

            return render_gates_plain(report, options)
        case Format.JSON:
            from smecheck.report.gate_json import render_gates_json

            return render_gates_json(report, options)
        case Format.MARKDOWN:
            from smecheck.report.gate_markdown import render_gates_markdown

            return render_gates_markdown(report, options)
        case _:
            exit_zero = options.tolerance.exit_zero
            rows = [_row_report(gate, exit_zero=exit_zero) for gate in report.gates]
            return _render_rows(rows, chosen, options)


def _row_report(gate: GateReport, *, exit_zero: bool) -> RowReport:
    from smecheck.report.row_cases import RowReport

    return RowReport(
        build=gate.build,
        against=(gate.policy,) if gate.policy is not None else (),
        verdict=gate.verdict.value,
        headline=gate.headline,
        rows=gate.rows,
        fails=gate.fails,
        exit_zero=exit_zero,
        ignored=gate.ignored,
    )


def render_comparison(comparison: Comparison, chosen: Format, options: RenderOptions) -> str:
    """Write the comparison in the format that was chosen; the text ends with a line break."""
    match chosen:
        case Format.TEXT:
            from smecheck.report.comparison_text import render_comparison_text

            return render_comparison_text(comparison, options)
        case Format.PLAIN:
            from smecheck.report.comparison_plain import render_comparison_plain

            return render_comparison_plain(comparison, options)
        case Format.JSON:
            from smecheck.report.comparison_json import render_comparison_json

            return render_comparison_json(comparison, options)
        case Format.MARKDOWN:
            from smecheck.report.comparison_markdown import render_comparison_markdown

            return render_comparison_markdown(comparison, options)
        case _:
            from smecheck.report.row_cases import RowReport

            rows = RowReport(
                build=comparison.new,
                against=(comparison.old.source,),
                verdict="compared",
                headline=comparison.headline,
                rows=comparison.rows,
                fails=partial(comparison.fails, tolerance=options.tolerance),
                exit_zero=options.tolerance.exit_zero,
            )
            return _render_rows([rows], chosen, options)


def draw_gates(report: GatesReport, _picture: Picture, options: RenderOptions) -> str:
    """Return what came of one build or of several as a page, the one picture there is of it."""
    from smecheck.report.gate_page import gate_page

    return gate_page(report, options)


def draw_comparison(comparison: Comparison, _picture: Picture, options: RenderOptions) -> str:
    """Return a comparison as a page, the one picture there is of it."""
    from smecheck.report.comparison_page import comparison_page

    return comparison_page(comparison, options)


def _render_rows(reports: Sequence[RowReport], chosen: Format, options: RenderOptions) -> str:
    """Write the rows of one answer, or of one for each of several builds, for a CI system.

    Raises:
        ValueError: the format is none of them.
    """
    from smecheck.report.row_cases import suites_of

    match chosen:
        case Format.JUNIT:
            from smecheck.report.junit_report import junit_document

            verdicts = ", ".join(report.verdict for report in reports)
            properties = {"verdict": verdicts, "exit-code": str(options.exit_code)}
            return junit_document(suites_of(reports), properties)
        case Format.KTAP:
            from smecheck.report.ktap_report import ktap_document

            return ktap_document(suites_of(reports))
        case Format.KCIDB:
            return _rows_as_kcidb(reports, options)
        case Format.GITHUB:
            from smecheck.report.row_results import rows_as_annotations

            return rows_as_annotations(reports)
        case Format.SARIF:
            from smecheck.report.row_results import rows_as_sarif

            return rows_as_sarif(reports, options.exit_code)
        case _:
            raise ValueError(f"{chosen.value} is not a format for rows")


def _rows_as_kcidb(reports: Sequence[RowReport], options: RenderOptions) -> str:
    from smecheck import __version__
    from smecheck.report.kcidb_report import build_named, kcidb_document, kcidb_rows
    from smecheck.report.row_cases import suites_of

    rows = []
    for report in reports:
        built = report.build
        build = options.kcidb_build or build_named(built.build_id, built.release, built.source)
        misc: Json = {
            "smecheck_version": __version__,
            "verdict": report.verdict,
            "exit_code": options.exit_code,
            "against": list(report.against),
        }
        suites = [((suite.name,), suite) for suite in suites_of([report])]
        rows += kcidb_rows(suites, build, misc, report.against)
    return kcidb_document(rows)


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
