"""The answer of a gate: one row for everything that a build was held against."""

from __future__ import annotations

from enum import Enum

from smecheck.answer import Basis, Report, Verdict
from smecheck.builds.build_facts import BuildFacts
from smecheck.builds.policy import Waiver
from smecheck.checks.finding import Finding, Severity
from smecheck.errors import ExitCode
from smecheck.quantity import count_text
from smecheck.record import record

KERNEL_TARGET = "kernel"
"""The name of the kernel itself among the targets: what holds on every machine."""

POLICY_TARGET = "policy"
"""The name of the policy among the targets: what is wrong with it, or was let pass."""


class RowOutcome(Enum):
    """What came of one check on one target."""

    PASSED = "passed"
    FAILED = "failed"
    """Its severity says how bad that is, and so whether it makes the gate fail."""
    WAIVED = "waived"
    """It failed or is undecided, and a waiver lets that pass."""
    UNDECIDED = "undecided"
    """A fact is missing that the answer needs."""
    ERROR = "error"
    """An input of it could not be read, so that it was not asked."""
    SKIPPED = "skipped"
    NOT_APPLICABLE = "not-applicable"


class GateVerdict(Enum):
    """The answer in one word."""

    PASS = "pass"  # noqa: S105 - no password
    FAIL = "fail"
    UNDECIDED = "undecided"
    ERROR = "error"
    """An input could not be read; what could be is answered all the same."""

    def exit_code(self, *, exit_zero: bool = False) -> ExitCode:
        """Return the exit status of such an answer."""
        status = _EXIT_CODES[self]
        return ExitCode.OK if exit_zero and status is not ExitCode.INPUT else status


_EXIT_CODES = {
    GateVerdict.ERROR: ExitCode.INPUT,
    GateVerdict.FAIL: ExitCode.FINDINGS,
    GateVerdict.UNDECIDED: ExitCode.UNDECIDED,
    GateVerdict.PASS: ExitCode.OK,
}
"""The worst first: of several answers that one is the answer to all."""


class TargetKind(Enum):
    """What a target is."""

    KERNEL = "kernel"
    MACHINE = "machine"
    POLICY = "policy"


@record
class TargetAnswer:
    """What was found of a target, in short: a policy may name thousands of machines."""

    verdict: Verdict
    basis: Basis
    headline: str
    next_step: str

    @classmethod
    def of(cls, report: Report) -> TargetAnswer:
        """Return a report in short."""
        return cls(report.verdict, report.basis, report.headline, report.next_step)


@record
class GateTarget:
    """Something that a build is held against."""

    name: str
    """``kernel``, ``policy``, or the name of a machine; each once."""
    kind: TargetKind
    where: str | None
    """The place in the policy; ``None`` for the kernel."""
    answer: TargetAnswer | None = None
    """``None`` for the policy, and where nothing could be found."""


@record
class GateRow:
    """One check on one target."""

    target: str
    check: str
    """The id of a rule; ``proof`` of the kernel, ``verdict`` of a machine; ``slack``, ``growth``;
    ``inputs`` of a machine whose files cannot be read; ``waiver:…`` of the policy."""
    title: str
    """What it checks, as it reads where that is so: a clause."""
    outcome: RowOutcome
    message: str = ""
    """Why it has that outcome, in a line; empty where a rule passed."""
    severity: Severity | None = None
    """Of what failed, by rule or policy; ``None`` for what did not."""
    remedy: str = ""
    """The next step, where there is one to take."""
    findings: tuple[Finding, ...] = ()
    """Where a rule failed: what it found, the worst first; the severity is the row's."""
    waiver: Waiver | None = None
    where: str | None = None
    """The place in the policy that it is about."""


@record
class Unreadable:
    """A file that the policy names and that cannot be read, so that a check cannot be made."""

    message: str
    where: str
    """The place in the policy."""
    remedy: str


@record
class GateReport:
    """The whole answer."""

    verdict: GateVerdict
    headline: str
    """The verdict in a sentence."""
    policy: str | None
    """The name of the policy's file; ``None`` without one."""
    fail_on: Severity
    """From which severity on what failed makes the gate fail."""
    allow_undecided: bool
    ignored: tuple[str, ...]
    """Ids of rules whose failures do not make the gate fail."""
    build: BuildFacts
    """The kernel in short, to be compared with later builds."""
    kernel: Report
    """What holds of the kernel on every machine."""
    targets: tuple[GateTarget, ...]
    """The kernel, then the machines as in the policy, then the policy if there is one."""
    rows: tuple[GateRow, ...]
    """By target, in their order; then in the order of the checks."""

    @property
    def by_target(self) -> dict[str, list[GateRow]]:
        """The rows of every target that has some."""
        found: dict[str, list[GateRow]] = {}
        for row in self.rows:
            found.setdefault(row.target, []).append(row)
        return found

    def fails(self, row: GateRow) -> bool:
        """Return whether the row makes the gate fail, or leaves it without an answer."""
        if row.outcome is RowOutcome.FAILED:
            if row.check in self.ignored:
                return False
            return row.severity is None or row.severity.rank <= self.fail_on.rank
        if row.outcome is RowOutcome.UNDECIDED:
            return not self.allow_undecided
        return row.outcome is RowOutcome.ERROR


@record
class GatesReport:
    """Several builds, each held against the same."""

    gates: tuple[GateReport, ...]

    @property
    def verdict(self) -> GateVerdict:
        """The worst of all."""
        found = {gate.verdict for gate in self.gates}
        return next(verdict for verdict in _EXIT_CODES if verdict in found)

    @property
    def headline(self) -> str:
        """How many of the builds it is the answer to, and why of the first."""
        kernels = count_text(len(self.gates), "kernel")
        those = [gate for gate in self.gates if gate.verdict is self.verdict]
        if self.verdict is GateVerdict.PASS:
            return f"all of {kernels} pass"
        first = those[0]
        return f"{len(those)} of {kernels}: {first.build.source}: {first.headline}"
