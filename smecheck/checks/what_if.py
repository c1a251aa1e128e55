"""Whether what was assumed of a load matters: other values, tried with the program itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from smecheck.model.report import Basis, Report, Verdict
from smecheck.model.segments import SegmentList
from smecheck.placement.kexec.alternatives import alternatives
from smecheck.placement.kexec.predicted_load import PredictedLoad, predict_load
from smecheck.record import record, replace

Ask = Callable[[PredictedLoad], Verdict]
"""Answers the same question with another load."""

_SAFE = (Verdict.CLEAR, Verdict.NOT_APPLICABLE)


_SETTLED_BY = {
    "cpus": "--cpus",
    "initrd": "--initrd",
    "kernel_release": "--running-kernel",
    "kexec_tools": "--kexec-tools",
    "loader": "--loader",
}
"""Options that say a fact; the other ones are said by a description of the host."""


@record
class Change:
    """Another value of what was assumed that gives another outcome."""

    fact: str
    value: str
    verdict: Verdict | None
    """The verdict that it would give; ``None`` where the load would be refused."""
    outcome: str


def with_what_if(report: Report, predicted: PredictedLoad, ask: Ask) -> Report:
    """Return the report with the assumptions that matter.

    A "clear" that another value of something assumed would take back is undecided: that value is a
    fact that the verdict needs. A "collision" stays; so does a "clear" where the load would
    otherwise be refused, as no kernel would start.

    Args:
        report: on the load as it was assumed.
        predicted: that load.
        ask: gives the verdict on another one; it is asked only for loads that differ.
    """
    changes = [*_changes(predicted, report.verdict, ask)]
    told = [
        f"{change.fact} was assumed, and it matters: as assumed, the verdict is "
        f"{report.verdict.value}; with {change.value}, {change.outcome}"
        for change in changes
    ]
    report = replace(report, assumptions=(*report.assumptions, *told))
    against = [change for change in changes if change.verdict not in (None, *_SAFE)]
    if report.verdict is not Verdict.CLEAR or not against:
        return report
    facts = dict.fromkeys(change.fact for change in against)
    settle = [_SETTLED_BY.get(fact, f"{fact} of the host (--host)") for fact in facts]
    first = against[0]
    return replace(
        report,
        verdict=Verdict.UNDECIDED,
        basis=Basis.PARTIAL,
        headline=(
            f"only as assumed is the predicted load clear: with {first.fact} {first.value}, "
            f"{first.outcome}"
        ),
        next_step=f"give {', '.join(settle)}, or the load itself (--segments)",
    )


def _changes(predicted: PredictedLoad, verdict: Verdict, ask: Ask) -> Iterator[Change]:
    """Yield which assumption would change the verdict, each outcome once."""
    segments = predicted.segments
    if segments is None:
        return
    told = set()
    for other in alternatives(predicted):
        load = predict_load(other.asked)
        changed = load.segments
        if changed is None or _is_same(changed, segments):
            continue
        found = None
        if changed.refusal is not None and segments.refusal is None:
            outcome = f"the load would be refused: {changed.refusal}"
        else:
            found = ask(load)
            if found is verdict:
                continue
            outcome = f"the verdict would be {found.value}"
        if (other.fact, outcome) not in told:
            told.add((other.fact, outcome))
            yield Change(other.fact, other.value, found, outcome)


def _is_same(one: SegmentList, other: SegmentList) -> bool:
    """Tell whether two predictions put the same things into the same places."""
    places = [[(part.role, part.span) for part in load.segments] for load in (one, other)]
    return one.refusal == other.refusal and places[0] == places[1]
