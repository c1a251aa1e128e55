"""The formats of a gate and of a comparison, and the choice between them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from smecheck.report.options import Format, RenderOptions

if TYPE_CHECKING:
    from smecheck.builds.compared import Comparison
    from smecheck.builds.gate_report import GateReport


def render_gate(gate: GateReport, chosen: Format, options: RenderOptions) -> str:
    """Write the answer in the format that was chosen; the text ends with a line break."""
    match chosen:
        case Format.TEXT:
            from smecheck.report.gate_text import render_gate_text

            return render_gate_text(gate, options)
        case Format.PLAIN:
            from smecheck.report.gate_plain import render_gate_plain

            return render_gate_plain(gate, options)
        case Format.JSON:
            from smecheck.report.gate_json import render_gate_json

            return render_gate_json(gate, options)
        case Format.MARKDOWN:
            from smecheck.report.gate_markdown import render_gate_markdown

            return render_gate_markdown(gate, options)
        case _:
            from smecheck.report.row_cases import RowReport
            from smecheck.report.row_formats import render_rows

            rows = RowReport(
                build=gate.build,
                against=(gate.policy,) if gate.policy is not None else (),
                verdict=gate.verdict.value,
                headline=gate.headline,
                rows=gate.rows,
                fails=gate.fails,
                exit_zero=options.tolerance.exit_zero,
            )
            return render_rows(rows, chosen, options)


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
            return render_rows(rows, chosen, options)
