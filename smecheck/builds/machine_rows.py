"""The rows of a machine: the rules that need one, and the verdict."""

from __future__ import annotations

from collections.abc import Iterator

from smecheck.builds.rule_rows import contradicting_rule, deciding_failure, rule_row
from smecheck.model.gate import GateRow, RowOutcome, Unreadable
from smecheck.model.policy import Policy
from smecheck.model.report import Report, Verdict

VERDICT, INPUTS = "verdict", "inputs"


def machine_rows(name: str, report: Report, policy: Policy | None) -> Iterator[GateRow]:
    """Yield a row for every rule that may say something else here, and one for the verdict.

    What the static rules say is the same on every machine; the kernel's own rows tell it. Where
    the inputs contradict each other, nothing that is found of the workarea counts.
    """
    contradiction = contradicting_rule(report)
    for result in report.checks:
        if result.static:
            continue
        row = rule_row(name, result, policy)
        if contradiction is not None and result.of_workarea and row.outcome is RowOutcome.FAILED:
            reason = f"skipped because {contradiction} failed"
            row = GateRow(name, row.check, row.title, RowOutcome.SKIPPED, reason)
        yield row
    yield _verdict_row(name, report, policy)


def unreadable_row(name: str, problem: Unreadable) -> GateRow:
    """Return the one row of a machine that cannot be asked."""
    return GateRow(
        name,
        INPUTS,
        "the machine's files cannot be read",
        RowOutcome.ERROR,
        problem.message,
        remedy=problem.remedy,
        where=problem.where,
    )


def _verdict_row(name: str, report: Report, policy: Policy | None) -> GateRow:
    title = "the workarea is clear of everything on this machine"
    outcome, message, remedy = _judged(report, policy)
    return GateRow(name, VERDICT, title, outcome, message, remedy=remedy)


def _judged(report: Report, policy: Policy | None) -> tuple[RowOutcome, str, str]:
    match report.verdict:
        case Verdict.CLEAR:
            return RowOutcome.PASSED, report.headline, ""
        case Verdict.NOT_APPLICABLE:
            return RowOutcome.NOT_APPLICABLE, report.headline, ""
        case Verdict.COLLISION | Verdict.UNDECIDED:
            failed = deciding_failure(report, policy)
            if failed is not None:
                return RowOutcome.SKIPPED, f"skipped because {failed} failed", ""
            return RowOutcome.UNDECIDED, report.headline, report.next_step
