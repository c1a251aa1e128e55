"""From the report on one machine and one kernel to the answer that stands in a row."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smecheck.checks.finding import Severity
from smecheck.checks.tolerance import Tolerance, exit_status
from smecheck.evidence import Known
from smecheck.fleets.classes import class_of
from smecheck.fleets.row import Answer, Traits

if TYPE_CHECKING:
    from smecheck.answer import Report


def answer_of(report: Report, tolerance: Tolerance) -> Answer:
    """Return what a row says of a report."""
    grave = {finding.rule for finding in report.findings if finding.severity is Severity.ERROR}
    return Answer(
        verdict=report.verdict.value,
        basis=report.basis.value,
        exit_code=int(exit_status(report, tolerance)),
        headline=report.headline,
        rules=tuple(dict.fromkeys(finding.rule for finding in report.findings)),
        class_id=class_of(report.verdict.value, report.basis.value, report.headline, grave),
        traits=_traits(report),
    )


def quotes_a_finding(report: Report) -> bool:
    """Return whether the headline says what a finding says: where a line is, what a bus is called.

    Only so does anything of a memory map come into it that decides nothing.
    """
    return any(finding.message in report.headline for finding in report.findings)


def _traits(report: Report) -> Traits:
    memory, loader = report.memory, report.boot.loader
    ram = None if memory is None else sum(span.size for span in memory.system_ram)
    return Traits(
        ram=ram,
        ranges=None if memory is None else len(memory.system_ram),
        reservation=() if memory is None else tuple(r.span for r in memory.crash_kernel),
        loader=loader.value.value if isinstance(loader, Known) else None,
        path=report.boot.path.value,
    )
