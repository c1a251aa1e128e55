"""A change tried out: the program's own answer to the question that it leads to."""

from __future__ import annotations

from smecheck.advice.present import WhatIf
from smecheck.analysis import analyze, answer
from smecheck.model.advice import Advice
from smecheck.model.finding import Severity
from smecheck.model.report import Report, Verdict
from smecheck.record import record, replace


def is_safe(report: Report) -> bool:
    """Tell whether nothing is left to be changed: no collision, nothing open, no other error."""
    safe = report.verdict in (Verdict.CLEAR, Verdict.NOT_APPLICABLE)
    return safe and not any(one.severity is Severity.ERROR for one in report.findings)


@record
class Trial:
    """A change and its answer."""

    what_if: WhatIf
    report: Report

    @property
    def helps(self) -> bool:
        """Whether it is safe then."""
        return is_safe(self.report)

    def advice(self, *notes: str) -> Advice:
        """Return it as advice, with what has to be said beside it."""
        said = [self.report.headline, self.what_if.note, *notes]
        return Advice(
            change=self.what_if.change,
            verdict=self.report.verdict,
            cost=self.what_if.cost,
            helps=self.helps,
            note="; ".join(text for text in said if text),
        )


def try_out(what_if: WhatIf) -> Trial:
    """Ask the question that a change leads to.

    What is safe is asked once more with other values of what was assumed, so that it helps only
    where whoever makes the change is told the same.
    """
    report = answer(what_if.question)
    if is_safe(report):
        report = analyze(replace(what_if.question, cross_check=False))
    return Trial(what_if, report)
