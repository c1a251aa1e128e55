"""The gate's answer for people at a terminal: what fails first, then every target in a line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from smecheck.builds.gate_report import (
    KERNEL_TARGET,
    GateReport,
    GateRow,
    GatesReport,
    GateVerdict,
    RowOutcome,
    TargetKind,
)
from smecheck.report.gate_words import (
    IGNORED,
    NOTED,
    OUTCOME_ORDER,
    context_text,
    counts_text,
    label_of,
    options_for,
    waiver_text,
)
from smecheck.report.text_findings import SEVERITY_STYLES
from smecheck.report.text_page import page, section, titled
from smecheck.report.text_tables import Words, grid
from smecheck.report.verdict_words import VERDICT_WORDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import RenderableType
    from rich.table import Table

    from smecheck.report.options import RenderOptions

_VERDICT_STYLES = {
    GateVerdict.PASS: "bold green",
    GateVerdict.FAIL: "bold red",
    GateVerdict.UNDECIDED: "bold yellow",
    GateVerdict.ERROR: "bold red",
}
_SHOWN_IN_FULL = {
    RowOutcome.ERROR.value: "not checked: a file cannot be read",
    RowOutcome.FAILED.value: "smecheck explain RULE says more",
    RowOutcome.UNDECIDED.value: "a fact is missing",
    NOTED: "below the severity that fails the gate",
    IGNORED: "not counted: --ignore",
    RowOutcome.WAIVED.value: "waived by the policy",
}
_STYLES = {
    RowOutcome.ERROR: "bold red",
    RowOutcome.UNDECIDED: "bold yellow",
    RowOutcome.WAIVED: "bold cyan",
}


def render_gates_text(report: GatesReport, options: RenderOptions) -> str:
    """Return the answer as text of ``options.width`` columns; the verdict is in its first line.

    Of several builds there is a summary first.
    """

    def parts(words: Words, _width: int) -> Iterator[RenderableType]:
        if len(report.gates) == 1:
            yield from _parts(report.gates[0], options, words)
            return
        yield _head(report.verdict, report.headline, f"exit {options.exit_code}", words)
        yield from section("KERNELS", "each by itself below", _kernels(report, words))
        for gate in report.gates:
            yield Text()
            yield from _parts(gate, options_for(gate, options), words)

    return page(parts, options)


def _kernels(report: GatesReport, words: Words) -> Table:
    table = grid(3, gap=2)
    for gate in report.gates:
        verdict = Text(gate.verdict.value.upper(), _VERDICT_STYLES[gate.verdict])
        shown = Text.assemble(words(gate.headline), "\n", (counts_text(gate, gate.rows), "dim"))
        table.add_row(Text(words(gate.build.source)), verdict, shown)
    return table


def _head(verdict: GateVerdict, headline: str, context: str, words: Words) -> Table:
    word = Text(verdict.value.upper(), _VERDICT_STYLES[verdict])
    head = titled(Text("GATE", "bold"), Text.assemble(word, "  ", (words(headline), "bold")))
    head.add_row("", Text(words(context), "dim"))
    return head


def _parts(gate: GateReport, options: RenderOptions, words: Words) -> Iterator[RenderableType]:
    context = f"{context_text(gate)}; exit {options.exit_code}"
    yield _head(gate.verdict, gate.headline, context, words)
    for label, title in _SHOWN_IN_FULL.items():
        rows = [row for row in gate.rows if label_of(gate, row) == label]
        if rows:
            yield from section(label.upper(), f"{len(rows)} ({title})", rows_table(rows, words))
    yield from section("TARGETS", "what was checked", _targets(gate, words))
    if options.explain:
        yield from section("CHECKS", "all of them", _all(gate, words))
        return
    skipped = [
        row
        for row in gate.rows
        if row.outcome is RowOutcome.SKIPPED and row.target == KERNEL_TARGET
    ]
    if skipped:
        title = "of the kernel's own checks (--explain for all)"
        yield from section("SKIPPED", title, _reasons(skipped, words))


def rows_table(rows: list[GateRow], words: Words) -> Table:
    """Return rows in full: how bad, on what, which check, why, and what to do about it."""
    table = grid(4, gap=2)
    for row in rows:
        label = row.severity.value if row.severity else row.outcome.value
        style = SEVERITY_STYLES[row.severity] if row.severity else _STYLES.get(row.outcome, "")
        lines = [Text(words(row.message or row.title))]
        if row.remedy:
            lines.append(Text.assemble(("next: ", "bold"), words(row.remedy)))
        lines += [Text(words(line), "dim") for line in (waiver_text(row), row.where) if line]
        table.add_row(
            Text(label.upper(), style),
            Text(words(row.target)),
            Text(words(row.check)),
            Text("\n").join(lines),
        )
    return table


def _targets(gate: GateReport, words: Words) -> Table:
    table = grid(4, gap=2)
    by_target = gate.by_target
    for target in gate.targets:
        if target.kind is TargetKind.POLICY:
            continue
        rows = by_target.get(target.name, [])
        report = target.answer
        verdict = VERDICT_WORDS[report.verdict].lower() if report else "not asked"
        headline = words(report.headline) if report else words(rows[0].message)
        shown = Text.assemble(headline, "\n", (counts_text(gate, rows), "dim"))
        basis = f"({report.basis.value})" if report else ""
        table.add_row(Text(words(target.name)), verdict, basis, shown)
    return table


def _all(gate: GateReport, words: Words) -> Table:
    table = grid(4, gap=2)
    ranks = {outcome: rank for rank, outcome in enumerate(OUTCOME_ORDER)}
    for row in sorted(gate.rows, key=lambda row: ranks[row.outcome]):
        shown = row.message or row.title
        table.add_row(
            row.outcome.value,
            Text(words(row.target)),
            Text(words(row.check)),
            Text(words(shown), "dim"),
        )
    return table


def _reasons(rows: list[GateRow], words: Words) -> Table:
    """Return the reasons for which rows were skipped, each once."""
    table = grid(2, gap=2)
    checks: dict[str, list[str]] = {}
    for row in rows:
        checks.setdefault(row.message, []).append(row.check)
    for reason, names in checks.items():
        table.add_row(Text(words(", ".join(names))), Text(words(reason)))
    return table
