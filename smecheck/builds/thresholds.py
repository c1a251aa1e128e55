"""How much room a build must leave, and how much it may grow."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase

from smecheck.builds.build_facts import BuildFacts
from smecheck.builds.gate_report import KERNEL_TARGET, GateRow, RowOutcome, Unreadable
from smecheck.builds.policy import Policy, Thresholds
from smecheck.checks.finding import Severity
from smecheck.evidence import Fact, Known, Unknown, value_of
from smecheck.quantity import size_text
from smecheck.record import replace

_GREW = "the kernel grew no more than allowed"


def thresholds_for(policy: Policy, release: Fact[str]) -> Thresholds | None:
    """Return the thresholds of a build's flavour: the first whose pattern its release matches."""
    name = value_of(release) or ""
    return next((t for t in policy.thresholds if fnmatchcase(name, t.flavour)), None)


def threshold_rows(
    new: BuildFacts,
    policy: Policy | None,
    baseline: BuildFacts | Unreadable | None,
    min_slack: int | None = None,
) -> Iterator[GateRow]:
    """Yield the rows of the thresholds that the policy has for this flavour.

    Args:
        new: the build.
        policy: if there is one.
        baseline: what its growth is held against.
        min_slack: least slack, where that is not the policy's.
    """
    if min_slack is not None:
        yield slack_row(new, min_slack)
    if policy is None or not policy.thresholds:
        return
    limits = thresholds_for(policy, new.release)
    if limits is None:
        name = value_of(new.release) or "a kernel of unknown release"
        yield GateRow(
            KERNEL_TARGET,
            "thresholds",
            "the policy has thresholds for this kernel",
            RowOutcome.SKIPPED,
            f"no flavour of {policy.source} matches {name}",
        )
        return
    if limits.min_slack is not None and min_slack is None:
        yield replace(slack_row(new, limits.min_slack), where=limits.where)
    if limits.max_growth is None:
        return
    if isinstance(baseline, BuildFacts):
        yield replace(growth_row(baseline, new, limits.max_growth), where=limits.where)
    elif baseline is not None:
        yield GateRow(
            KERNEL_TARGET,
            "growth",
            _GREW,
            RowOutcome.ERROR,
            baseline.message,
            remedy=baseline.remedy,
            where=baseline.where,
        )


def slack_of(init_size: Fact[int], mapped_end: Fact[int]) -> Fact[int]:
    """Return how far init_size reaches past the mapped end of the workarea."""
    if isinstance(init_size, Unknown):
        return Unknown(f"init_size is not known: {init_size.reason}")
    if isinstance(mapped_end, Unknown):
        return mapped_end
    return Known(init_size.value - mapped_end.value, "init_size - mapped end")


def slack_row(new: BuildFacts, least: int) -> GateRow:
    """Return whether init_size reaches far enough past the workarea."""
    title = "init_size leaves enough past the workarea"
    row = GateRow(KERNEL_TARGET, "slack", title, RowOutcome.PASSED)
    if isinstance(new.slack, Unknown):
        return replace(
            row,
            outcome=RowOutcome.UNDECIDED,
            message=f"{new.slack.reason}, so whether {size_text(least)} is left is not known",
            remedy="give the vmlinuz, as KERNEL or with --bzimage",
        )
    left = new.slack.value
    message = f"init_size ends {size_text(left)} past the mapped end of the workarea"
    if left >= least:
        return replace(row, message=message)
    return _passed_over(
        row,
        f"{message}; at least {size_text(least)} is required",
        "find what made init_size smaller, or lower the threshold with a reason",
    )


def growth_row(old: BuildFacts, new: BuildFacts, most: int) -> GateRow:
    """Return whether the kernel grew more than it may."""
    row = GateRow(KERNEL_TARGET, "growth", _GREW, RowOutcome.PASSED)
    for facts in (old, new):
        if isinstance(facts.end, Unknown):
            return replace(
                row,
                outcome=RowOutcome.UNDECIDED,
                message=f"_end - _text of {facts.source} is not known: {facts.end.reason}",
                remedy="give a vmlinux, a vmlinuz that can be unpacked, or a report of one",
            )
    grown = (value_of(new.end) or 0) - (value_of(old.end) or 0)
    message = f"_end - _text changed by {size_text(grown)} since {old.source}"
    if grown <= most:
        return replace(row, message=message)
    return _passed_over(
        row,
        f"{message}; at most {size_text(most)} is allowed",
        "find what grew, or take a new baseline",
    )


def _passed_over(row: GateRow, message: str, remedy: str) -> GateRow:
    return replace(
        row,
        outcome=RowOutcome.FAILED,
        message=message,
        severity=Severity.ERROR,
        remedy=remedy,
    )
