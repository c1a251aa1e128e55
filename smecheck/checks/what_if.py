"""Whether what was assumed of a load matters: other values, tried with the program itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from smecheck.model.report import Verdict
from smecheck.model.segments import SegmentList
from smecheck.placement.alternatives import alternatives
from smecheck.placement.predicted_load import PredictedLoad, predict_load

Ask = Callable[[PredictedLoad], Verdict]
"""Answers the same question with another load."""


def what_would_change(predicted: PredictedLoad, verdict: Verdict, ask: Ask) -> Iterator[str]:
    """Yield which assumption would change the verdict, and what it would then be.

    Args:
        predicted: the load as it was assumed.
        verdict: on that load.
        ask: gives the verdict on another one; it is asked only for loads that differ.
    """
    segments = predicted.segments
    if segments is None:
        return
    told = set()
    for other in alternatives(predicted):
        load = predict_load(other.asked)
        changed = load.segments
        if changed is None or _is_same(changed, segments):
            continue
        if changed.refusal is not None and segments.refusal is None:
            outcome = f"the load would be refused: {changed.refusal}"
        else:
            found = ask(load)
            if found is verdict:
                continue
            outcome = f"the verdict would be {found.value}"
        if (other.fact, outcome) not in told:
            told.add((other.fact, outcome))
            yield (
                f"{other.fact} was assumed, and it matters: as assumed, the verdict is "
                f"{verdict.value}; with {other.value}, {outcome}"
            )


def _is_same(one: SegmentList, other: SegmentList) -> bool:
    """Tell whether two predictions put the same things into the same places."""
    places = [[(part.role, part.span) for part in load.segments] for load in (one, other)]
    return one.refusal == other.refusal and places[0] == places[1]
