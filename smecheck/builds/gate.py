"""The gate: a build held against the static rules, the proof, and every machine of a policy.

The kernel is read once, by the caller; each machine is one question about it. Every check gives a
row, whatever came of it, and the rows together give the verdict. Nothing here reads a file, or a
clock: the day of the waivers is given.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from smecheck.analysis import analyze
from smecheck.answer import Report
from smecheck.asked import BootRequest
from smecheck.builds.build_facts import BuildFacts
from smecheck.builds.facts_of_report import build_facts
from smecheck.builds.gate_report import (
    KERNEL_TARGET,
    POLICY_TARGET,
    GateReport,
    GateRow,
    GateTarget,
    GateVerdict,
    RowOutcome,
    TargetAnswer,
    TargetKind,
    Unreadable,
)
from smecheck.builds.gate_rows import Held, kernel_rows, machine_rows, unreadable_row
from smecheck.builds.policy import Policy, PolicyMachine
from smecheck.builds.thresholds import threshold_rows
from smecheck.builds.waivers import waived, waiver_rows
from smecheck.case import Case
from smecheck.checks.finding import Severity
from smecheck.kernel.image import KernelImage
from smecheck.kernel.verification import Verification
from smecheck.quantity import count_text
from smecheck.record import record, replace


@record
class GateOptions:
    """What is said of a gate, beside its kernel and policy."""

    today: str
    """The day that waivers are held against: ``2026-12-31``."""
    fail_on: Severity | None = None
    allow_undecided: bool | None = None
    """Where given, these go before what the policy says."""
    ignored: tuple[str, ...] = ()
    """Ids of rules whose failures do not count."""
    min_slack: int | None = None
    """What init_size must leave past the workarea, whatever the policy says."""


@record
class GateQuestion:
    """What a build is held against."""

    image: KernelImage
    options: GateOptions
    policy: Policy | None = None
    ask_about: Callable[[PolicyMachine], Case | Unreadable] | None = None
    """Returns what was read of one of the policy's machines, or why it cannot be asked about. It is
    called for each when its turn comes, so that no more than one need be in memory."""
    baseline: BuildFacts | Unreadable | None = None
    """That of the thresholds for this flavour."""
    verification: Verification | None = None
    """What running the kernel's own code came to, where that is asked for."""

    def held(self, report: Report) -> Held:
        """Return a report with what it is held against."""
        return Held(report, self.policy, self.options.ignored)


def gate(question: GateQuestion) -> GateReport:
    """Ask everything, and sum it up."""
    policy, options = question.policy, question.options
    kernel = analyze(Case(question.image, BootRequest(), verification=question.verification))
    build = build_facts(kernel)
    targets = [GateTarget(KERNEL_TARGET, TargetKind.KERNEL, None, TargetAnswer.of(kernel))]
    rows = list(kernel_rows(question.held(kernel)))
    rows += threshold_rows(build, policy, question.baseline, options.min_slack)
    if policy is not None:
        for target, of_machine in _machines(question, policy):
            targets.append(target)
            rows += of_machine
        rows = [*waived(rows, policy, options.today)]
        targets.append(GateTarget(POLICY_TARGET, TargetKind.POLICY, policy.source))
        rows += waiver_rows(policy, rows, options.today)
    return _summed_up(question, build, kernel, tuple(targets), tuple(rows))


def _machines(question: GateQuestion, policy: Policy) -> Iterator[tuple[GateTarget, list[GateRow]]]:
    if question.ask_about is None:
        return
    for machine in policy.machines:
        what = question.ask_about(machine)
        target = GateTarget(machine.name, TargetKind.MACHINE, machine.where)
        if isinstance(what, Unreadable):
            yield target, [unreadable_row(machine.name, what)]
            continue
        what = replace(what, image=question.image, verification=question.verification)
        report = analyze(what)
        rows = list(machine_rows(machine.name, question.held(report)))
        yield replace(target, answer=TargetAnswer.of(report)), rows


def _summed_up(
    question: GateQuestion,
    build: BuildFacts,
    kernel: Report,
    targets: tuple[GateTarget, ...],
    rows: tuple[GateRow, ...],
) -> GateReport:
    policy, options = question.policy, question.options
    fail_on = options.fail_on or (policy.fail_on if policy else None) or Severity.ERROR
    allowed = options.allow_undecided
    if allowed is None:
        allowed = bool(policy and policy.allow_undecided)
    report = GateReport(
        verdict=GateVerdict.PASS,
        headline="",
        policy=policy.source if policy else None,
        fail_on=fail_on,
        allow_undecided=allowed,
        ignored=options.ignored,
        build=build,
        kernel=kernel,
        targets=targets,
        rows=rows,
    )
    failing = {row.outcome for row in rows if report.fails(row)}
    verdict = next((verdict for outcome, verdict in _WORST if outcome in failing), GateVerdict.PASS)
    return replace(report, verdict=verdict, headline=_headline(report))


_WORST = (
    (RowOutcome.ERROR, GateVerdict.ERROR),
    (RowOutcome.FAILED, GateVerdict.FAIL),
    (RowOutcome.UNDECIDED, GateVerdict.UNDECIDED),
)
"""What decides, the first first: as the exit codes do."""


def _headline(report: GateReport) -> str:
    """Say the worst of what failed, or what was proven."""
    bad = [row for outcome, _ in _WORST for row in report.rows if row.outcome is outcome]
    failing = [row for row in bad if report.fails(row)]
    machines = sum(target.kind is TargetKind.MACHINE for target in report.targets)
    on = f", the proof and {count_text(machines, 'machine')}" if machines else " and the proof"
    if not failing:
        return f"{report.kernel.headline}; checked against the rules{on}"
    first, *others = failing
    more = f", and {len(others)} more" if others else ""
    return f"{first.check} on {first.target}: {first.message or first.title}{more}"
