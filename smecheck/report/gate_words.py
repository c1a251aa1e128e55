"""The gate's answer in words: what its formats for people say alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from smecheck.builds.gate_report import GateReport, GateRow, RowOutcome
from smecheck.evidence import Known
from smecheck.record import replace
from smecheck.report.options import RenderOptions

OUTCOME_ORDER = (
    RowOutcome.ERROR,
    RowOutcome.FAILED,
    RowOutcome.UNDECIDED,
    RowOutcome.WAIVED,
    RowOutcome.PASSED,
    RowOutcome.SKIPPED,
    RowOutcome.NOT_APPLICABLE,
)
"""The worst first."""


NOTED = "noted"
"""What failed, but less badly than makes the gate fail."""


IGNORED = "ignored"
"""What failed, and an option says that it does not count."""


IN_FULL = {
    RowOutcome.ERROR.value: "Could not be read",
    RowOutcome.FAILED.value: "Failed",
    RowOutcome.UNDECIDED.value: "Undecided",
    NOTED: "Noted",
    IGNORED: "Ignored",
    RowOutcome.WAIVED.value: "Waived",
}
"""Titles of what is shown in full, by its label; the worst first."""


def options_for(gate: GateReport, options: RenderOptions) -> RenderOptions:
    """Return the options for one build of several: it has an exit status of its own."""
    status = gate.verdict.exit_code(exit_zero=options.tolerance.exit_zero)
    return replace(options, exit_code=int(status))


def label_of(gate: GateReport, row: GateRow) -> str:
    """Return the outcome of a row in a word."""
    if row.outcome is RowOutcome.FAILED and row.check in gate.ignored:
        return IGNORED
    is_noted = row.outcome is RowOutcome.FAILED and not gate.fails(row)
    return NOTED if is_noted else row.outcome.value


def counts_text(gate: GateReport, rows: Iterable[GateRow]) -> str:
    """Return how many rows there are of each outcome: ``1 failed, 20 passed``."""
    counts = Counter(label_of(gate, row) for row in rows)
    order = [outcome.value for outcome in OUTCOME_ORDER]
    at = order.index(RowOutcome.WAIVED.value)
    order[at:at] = [NOTED, IGNORED]
    return ", ".join(f"{counts[label]} {label}" for label in order if counts[label])


def context_text(gate: GateReport) -> str:
    """Return on one line which kernel was held against what."""
    release = gate.build.release
    known = release.value if isinstance(release, Known) else "of unknown release"
    policy = f"policy {gate.policy}" if gate.policy else "no policy"
    return f"{gate.build.source}; kernel {known}; {policy}; {counts_text(gate, gate.rows)}"


def waiver_text(row: GateRow) -> str:
    """Say who lets the row pass, until when and why; empty where nobody does."""
    if row.waiver is None:
        return ""
    return f"waived until {row.waiver.expires} by {row.waiver.owner}: {row.waiver.reason}"
