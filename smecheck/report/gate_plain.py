"""The gate's answer as lines of ``key: value``, for pipes: one line for every row."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smecheck.builds.gate_report import GateReport, GateRow, GatesReport, GateTarget
from smecheck.report.gate_words import counts_text, options_for, waiver_text
from smecheck.report.safe_text import plain_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from smecheck.report.options import RenderOptions


def render_gates_plain(report: GatesReport, options: RenderOptions) -> str:
    """Return the answer as ``key: value`` lines; the first is the verdict.

    Of several builds there is a summary first, and an empty line before each.
    """
    blocks = [_lines(gate, options_for(gate, options)) for gate in report.gates]
    if len(blocks) > 1:
        blocks.insert(0, _summary(report, options))
    return "\n".join(map(plain_text, blocks))


def _summary(report: GatesReport, options: RenderOptions) -> Iterator[str]:
    yield f"gate: {report.verdict.value}"
    yield f"exit-code: {options.exit_code}"
    yield f"headline: {report.headline}"
    for gate in report.gates:
        yield f"kernel: {gate.build.source} {gate.verdict.value}: {gate.headline}"


def row_line(row: GateRow) -> str:
    """Return a row on a line: target, check, outcome, severity, and why."""
    severity = row.severity.value if row.severity else "-"
    why = row.message or row.title
    waiver = waiver_text(row)
    clauses = [
        why,
        *([f"next: {row.remedy}"] if row.remedy else []),
        *([waiver] if waiver else []),
        *([f"at {row.where}"] if row.where else []),
    ]
    return f"{row.target} {row.check} {row.outcome.value} {severity}: {'; '.join(clauses)}"


def _lines(gate: GateReport, options: RenderOptions) -> Iterator[str]:
    yield f"gate: {gate.verdict.value}"
    yield f"exit-code: {options.exit_code}"
    yield f"headline: {gate.headline}"
    yield f"counts: {counts_text(gate, gate.rows)}"
    yield f"fail-on: {gate.fail_on.value}"
    yield from (f"ignored: {rule}" for rule in gate.ignored)
    if gate.policy is not None:
        yield f"policy: {gate.policy}"
    yield f"kernel.source: {gate.build.source}"
    yield from (f"target: {_target(target)}" for target in gate.targets if target.answer)
    yield from (f"row: {row_line(row)}" for row in gate.rows)
    if options.explain:
        yield from (f"assumption: {text}" for text in gate.kernel.assumptions)
        yield from (f"not-checked: {text}" for text in gate.kernel.not_checked)


def _target(target: GateTarget) -> str:
    report = target.answer
    if report is None:
        return target.name
    return f"{target.name} {report.verdict.value} {report.basis.value}: {report.headline}"
