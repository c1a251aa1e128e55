"""The gate's answer as Markdown, for tickets, mails and the summary of a CI job."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smecheck.builds.gate_report import GateReport, GateRow, GatesReport, TargetKind
from smecheck.report.gate_words import (
    IN_FULL,
    context_text,
    counts_text,
    label_of,
    options_for,
)
from smecheck.report.markdown_text import words
from smecheck.report.row_cases import row_lines

if TYPE_CHECKING:
    from collections.abc import Iterator

    from smecheck.report.options import RenderOptions


def render_gates_markdown(report: GatesReport, options: RenderOptions) -> str:
    """Return verdict, what is not fine, the targets, and the premises.

    Of several builds there is a summary first.
    """
    blocks = [_lines(gate, options_for(gate, options)) for gate in report.gates]
    if len(blocks) > 1:
        blocks.insert(0, _summary(report, options))
    return "\n".join("".join(f"{line}\n" for line in block) for block in blocks)


def _summary(report: GatesReport, options: RenderOptions) -> Iterator[str]:
    yield f"## smecheck gate: {report.verdict.value.upper()}"
    yield ""
    yield f"**{words(report.headline)}** (exit {options.exit_code})"
    yield from ("", "| kernel | verdict | why |", "|---|---|---|")
    for gate in report.gates:
        verdict = gate.verdict.value
        yield f"| {words(gate.build.source)} | {verdict} | {words(gate.headline)} |"


def _lines(gate: GateReport, options: RenderOptions) -> Iterator[str]:
    yield f"### smecheck gate: {gate.verdict.value.upper()}"
    yield ""
    yield f"**{words(gate.headline)}**"
    yield ""
    yield f"{words(context_text(gate))}; exit {options.exit_code}"
    for label, title in IN_FULL.items():
        rows = [row for row in gate.rows if label_of(gate, row) == label]
        if rows:
            yield from ("", f"#### {title}", "")
            yield from (line for row in rows for line in _row(row))
    yield from ("", "#### Held against", "", "| target | verdict | checks |", "|---|---|---|")
    yield from _targets(gate)
    yield from ("", "#### Premises", "")
    yield from (f"- {words(text)}" for text in gate.kernel.assumptions)


def _row(row: GateRow) -> Iterator[str]:
    first, *further = row_lines(row)
    severity = f"{row.severity.value.upper()} " if row.severity else ""
    yield f"- **{severity}{words(row.check)}** on {words(row.target)}: {words(first)}"
    yield from (line for text in further for line in ("", f"  {words(text)}"))


def _targets(gate: GateReport) -> Iterator[str]:
    by_target = gate.by_target
    for target in gate.targets:
        rows = by_target.get(target.name, [])
        if not rows and target.kind is TargetKind.POLICY:
            continue
        report = target.answer
        verdict = f"{report.verdict.value} ({report.basis.value})" if report else "-"
        yield f"| {words(target.name)} | {verdict} | {words(counts_text(gate, rows))} |"
