"""What counts as failure, what is tolerated, and the exit status that follows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smecheck.answer import Verdict
from smecheck.checks.finding import Finding, Severity
from smecheck.errors import ExitCode
from smecheck.record import record

if TYPE_CHECKING:
    from smecheck.answer import Report


@record
class Tolerance:
    """What the user asked to let pass. Whatever it lets pass is reported all the same."""

    fail_on: Severity = Severity.ERROR
    """From which severity on a finding counts."""
    allow_undecided: bool = False
    exit_zero: bool = False
    """Neither findings nor an open question count."""
    ignored: tuple[str, ...] = ()
    """Ids of rules whose findings do not count."""

    @property
    def open_question_counts(self) -> bool:
        """Whether a verdict that is undecided is a failure."""
        return not (self.allow_undecided or self.exit_zero)

    def counts(self, finding: Finding) -> bool:
        """Return whether the finding is a failure."""
        return finding.severity.rank <= self.fail_on.rank and self.excuse(finding) is None

    def excuse(self, finding: Finding) -> str | None:
        """Return which option lets the finding pass, whatever its severity; ``None`` if none."""
        if finding.rule in self.ignored:
            return f"--ignore {finding.rule}"
        return "--exit-zero" if self.exit_zero else None

    @property
    def statements(self) -> tuple[str, ...]:
        """What the exit status leaves out of account, said so that no report hides it."""
        said = [f"findings of {rule} are not counted for the exit status" for rule in self.ignored]
        if self.exit_zero:
            said.append("the exit status ignores findings and open questions (--exit-zero)")
        return tuple(said)


def exit_status(report: Report, tolerance: Tolerance) -> ExitCode:
    """Return the exit status: what follows from verdict and findings, in every format.

    Findings come before an open question; ``clear`` and ``not-applicable`` are 0.
    """
    if any(map(tolerance.counts, report.findings)):
        return ExitCode.FINDINGS
    if report.verdict is Verdict.UNDECIDED and tolerance.open_question_counts:
        return ExitCode.UNDECIDED
    return ExitCode.OK
