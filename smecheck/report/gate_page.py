"""The gate's answer as a page: which machine, which rule, why, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from smecheck.builds.gate_report import (
    GateReport,
    GateRow,
    GatesReport,
    GateVerdict,
    RowOutcome,
    TargetKind,
)
from smecheck.report.gate_words import (
    IGNORED,
    IN_FULL,
    NOTED,
    context_text,
    counts_text,
    label_of,
    options_for,
)
from smecheck.report.memory_picture import memory_picture
from smecheck.report.page import figures, heading, page, places_table, texts
from smecheck.report.picture import safe
from smecheck.report.row_cases import row_lines
from smecheck.report.verdict_words import VERDICT_WORDS

if TYPE_CHECKING:
    from smecheck.report.memory_picture import MemoryPicture
    from smecheck.report.options import RenderOptions

_KINDS = {
    GateVerdict.PASS: "is-good",
    GateVerdict.FAIL: "is-bad",
    GateVerdict.UNDECIDED: "is-open",
    GateVerdict.ERROR: "is-bad",
}
_CELLS = {
    RowOutcome.ERROR.value: ("✕ error", "is-bad"),
    RowOutcome.FAILED.value: ("✕ failed", "is-bad"),
    RowOutcome.UNDECIDED.value: ("? undecided", "is-open"),
    NOTED: ("! noted", "is-open"),
    IGNORED: ("- ignored", "dim"),
    RowOutcome.WAIVED.value: ("- waived", "dim"),
    RowOutcome.PASSED.value: ("✓", "is-good"),
    RowOutcome.SKIPPED.value: ("skipped", "dim"),
    RowOutcome.NOT_APPLICABLE.value: ("n/a", "dim"),
}
"""How a check on a target is shown in the table of all, by its label."""
_TARGETS_IN_THE_TABLE = 200
_ROWSIN_FULL = 100
"""A policy may name thousands of machines; the page stays small."""


def gate_page(report: GatesReport, options: RenderOptions) -> str:
    """Return the answer as a page; where it is of one kernel, with that kernel's picture."""
    first = report.gates[0]
    of_one = len(report.gates) == 1
    picture = memory_picture(first.kernel) if of_one else None
    context = context_text(first) if of_one else "each kernel by itself below"
    header = (
        heading(
            report.verdict.value.upper(),
            _KINDS[report.verdict],
            first.headline if of_one else report.headline,
        ),
        f'<p class="dim">{safe(context)}; exit {options.exit_code}</p>',
    )
    main = [*_build(first, picture)] if of_one else [*_kernels(report), *_builds(report, options)]
    return page(f"smecheck gate: {report.verdict.value}", header, main, picture)


def _kernels(report: GatesReport) -> Iterator[str]:
    yield "<h2>Kernels</h2>"
    yield '<div class="wide"><table><thead><tr><th>kernel</th><th>verdict</th><th>why</th></tr>'
    yield "</thead><tbody>"
    for number, gate in enumerate(report.gates):
        verdict = f'<span class="{_KINDS[gate.verdict]}">{gate.verdict.value.upper()}</span>'
        link = f'<a href="#kernel-{number}">{safe(gate.build.source)}</a>'
        yield f"<tr><td>{link}</td><td>{verdict}</td><td>{safe(gate.headline)}</td></tr>"
    yield "</tbody></table></div>"


def _builds(report: GatesReport, options: RenderOptions) -> Iterator[str]:
    for number, gate in enumerate(report.gates):
        status = options_for(gate, options).exit_code
        yield f'<section id="kernel-{number}">'
        yield f"<h2>{safe(gate.build.source)}: {gate.verdict.value.upper()}</h2>"
        yield f'<p class="dim">{safe(context_text(gate))}; exit {status}</p>'
        yield from _build(gate, None)
        yield "</section>"


def _build(gate: GateReport, picture: MemoryPicture | None) -> Iterator[str]:
    yield from _matrix(gate)
    yield from _in_full(gate)
    if picture is not None:
        yield "<h2>The kernel</h2>"
        yield from figures(picture)
        yield from places_table(picture)
    yield from texts("Premises", gate.kernel.assumptions)
    yield from texts("Not checked", gate.kernel.not_checked)


def _matrix(gate: GateReport) -> Iterator[str]:
    """Yield every target with the checks that are not fine somewhere: which machine, which rule."""
    by_target = gate.by_target
    targets = [target for target in gate.targets if target.kind is not TargetKind.POLICY]
    noted = dict.fromkeys(row.check for row in gate.rows if label_of(gate, row) in IN_FULL)
    bad = [target for target in targets if any(_is_noted(gate, r) for r in by_target[target.name])]
    fine = [target for target in targets if target not in bad]
    shown = [*bad, *fine][:_TARGETS_IN_THE_TABLE]
    yield "<h2>Held against</h2>"
    titles = "".join(f"<th>{safe(check)}</th>" for check in noted)
    yield '<div class="wide"><table class="matrix"><thead><tr><th>target</th><th>verdict</th>'
    yield f"{titles}<th>checks</th></tr></thead><tbody>"
    for target in shown:
        rows = by_target[target.name]
        cells = {row.check: row for row in rows}
        answer = target.answer
        verdict = VERDICT_WORDS[answer.verdict].lower() if answer else "not asked"
        row_cells = "".join(_cell(gate, cells.get(check)) for check in noted)
        yield (
            f'<tr><th scope="row">{safe(target.name)}</th><td>{verdict}</td>{row_cells}'
            f"<td>{safe(counts_text(gate, rows))}</td></tr>"
        )
    yield "</tbody></table></div>"
    if len(targets) > len(shown):
        hidden_bad = max(0, len(bad) - len(shown))
        yield f"<p>and {len(targets) - len(shown)} more targets, {hidden_bad} of them not fine</p>"


def _is_noted(gate: GateReport, row: GateRow) -> bool:
    return label_of(gate, row) in IN_FULL


def _cell(gate: GateReport, row: GateRow | None) -> str:
    if row is None:
        return "<td></td>"
    text, kind = _CELLS[label_of(gate, row)]
    return f'<td class="{kind} nowrap">{text}</td>'


def _in_full(gate: GateReport) -> Iterator[str]:
    for label, title in IN_FULL.items():
        rows = [row for row in gate.rows if label_of(gate, row) == label]
        if not rows:
            continue
        yield f"<h2>{title}: {len(rows)}</h2>"
        yield '<ol class="findings">'
        yield from (_row(row) for row in rows[:_ROWSIN_FULL])
        yield "</ol>"
        if len(rows) > _ROWSIN_FULL:
            yield f"<p>and {len(rows) - _ROWSIN_FULL} more</p>"


def _row(row: GateRow) -> str:
    severity = f"{row.severity.value} " if row.severity else ""
    lines = "<br>".join(safe(line) for line in row_lines(row))
    return f"<li><strong>{severity}{safe(row.check)} on {safe(row.target)}</strong><br>{lines}</li>"
