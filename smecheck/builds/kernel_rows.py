"""The rows of a kernel without a machine: the static rules, and the proof."""

from __future__ import annotations

from collections.abc import Iterator

from smecheck.builds.rule_rows import deciding_failure, rule_row
from smecheck.model.gate import KERNEL_TARGET, GateRow, RowOutcome
from smecheck.model.policy import Policy
from smecheck.model.report import Basis, Report, Verdict

PROOF = "proof"


def kernel_rows(report: Report, policy: Policy | None) -> Iterator[GateRow]:
    """Yield a row for every rule that needs no machine, and one for the proof."""
    for result in report.checks:
        yield rule_row(KERNEL_TARGET, result, policy)
    yield _proof_row(report, policy)


def _proof_row(report: Report, policy: Policy | None) -> GateRow:
    outcome, message, remedy = _proven(report, policy)
    title = "the workarea is reserved for the kernel on every machine"
    return GateRow(KERNEL_TARGET, PROOF, title, outcome, message, remedy=remedy)


def _proven(report: Report, policy: Policy | None) -> tuple[RowOutcome, str, str]:
    if report.verdict is Verdict.NOT_APPLICABLE:
        return RowOutcome.NOT_APPLICABLE, report.headline, ""
    if report.verdict is Verdict.CLEAR and report.basis is Basis.PROOF:
        return RowOutcome.PASSED, report.headline, ""
    failed = deciding_failure(report, policy)
    if failed is not None:
        return RowOutcome.SKIPPED, f"skipped because {failed} failed", ""
    return RowOutcome.UNDECIDED, report.headline, report.next_step
