"""The formats of a gate and of a comparison, and the choice between them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from smecheck.builds.gate_report import GatesReport
from smecheck.report.options import Format, Picture, RenderOptions

if TYPE_CHECKING:
    from smecheck.builds.compared import Comparison
    from smecheck.builds.gate_report import GateReport
    from smecheck.report.row_cases import RowReport


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
            from smecheck.report.row_formats import render_rows

            exit_zero = options.tolerance.exit_zero
            rows = [_row_report(gate, exit_zero=exit_zero) for gate in report.gates]
            return render_rows(rows, chosen, options)


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


def render_gate(gate: GateReport, chosen: Format, options: RenderOptions) -> str:
    """Write what came of one build; the text ends with a line break."""
    return render_gates(GatesReport((gate,)), chosen, options)


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
            from smecheck.report.row_formats import render_rows

            rows = RowReport(
                build=comparison.new,
                against=(comparison.old.source,),
                verdict="compared",
                headline=comparison.headline,
                rows=comparison.rows,
                fails=partial(comparison.fails, tolerance=options.tolerance),
                exit_zero=options.tolerance.exit_zero,
            )
            return render_rows([rows], chosen, options)


def draw_gates(report: GatesReport, _picture: Picture, options: RenderOptions) -> str:
    """Return what came of one build or of several as a page, the one picture there is of it."""
    from smecheck.report.gate_page import gate_page

    return gate_page(report, options)


def draw_comparison(comparison: Comparison, _picture: Picture, options: RenderOptions) -> str:
    """Return a comparison as a page, the one picture there is of it."""
    from smecheck.report.comparison_page import comparison_page

    return comparison_page(comparison, options)
