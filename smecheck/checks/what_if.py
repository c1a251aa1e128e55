"""Whether what was assumed of a load matters: other values, tried with the program itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from smecheck.answer import Verdict
from smecheck.checks.judgement import OtherValue
from smecheck.evidence import value_of
from smecheck.load.alternatives import alternatives
from smecheck.load.predicted_load import predict_load
from smecheck.load.request import PredictedLoad
from smecheck.load.segments import SegmentList

Ask = Callable[[PredictedLoad], Verdict]
"""Answers the same question with another load."""


def changes(predicted: PredictedLoad, verdict: Verdict, ask: Ask) -> tuple[OtherValue, ...]:
    """Return which other values of what was assumed would change the verdict.

    Args:
        predicted: the load as it was assumed.
        verdict: on that one.
        ask: gives the verdict on another one; it is asked only for loads that differ.
    """
    return tuple(_changes(predicted, verdict, ask))


def dependences(changes: tuple[OtherValue, ...], verdict: Verdict) -> tuple[str, ...]:
    """Say of each value that the verdict depends on it."""
    return tuple(
        f"the verdict depends on {change.fact}, which was assumed: {verdict.value} as assumed, "
        f"{change.outcome} with {change.value}"
        for change in changes
    )


def _changes(predicted: PredictedLoad, verdict: Verdict, ask: Ask) -> Iterator[OtherValue]:
    """Yield each outcome once."""
    segments = predicted.segments
    if segments is None:
        return
    seen = set()
    verdicts: dict[object, Verdict] = {}
    for other in alternatives(predicted):
        load = predict_load(other.asked)
        changed = load.segments
        if changed is None or _is_same(changed, segments):
            continue
        found = None
        if changed.refusal is not None and segments.refusal is None:
            outcome = f"a refused load ({changed.refusal})"
        else:
            found = _verdict_on(load, changed, verdicts, ask)
            if found is verdict:
                continue
            outcome = found.value
        if (other.fact, outcome) not in seen:
            seen.add((other.fact, outcome))
            yield OtherValue(other.fact, other.value, found, outcome)


def _verdict_on(
    load: PredictedLoad, segments: SegmentList, known: dict[object, Verdict], ask: Ask
) -> Verdict:
    """Return the verdict on a load; of several equal ones, one is asked about."""
    key = (
        tuple((part.role, part.span.start, part.span.end) for part in segments.segments),
        tuple(part.buffer_size for part in segments.segments),
        value_of(segments.loader),
        value_of(segments.cmdline),
        segments.refusal,
    )
    if key not in known:
        known[key] = ask(load)
    return known[key]


def _is_same(one: SegmentList, other: SegmentList) -> bool:
    """Return whether two predictions put the same things into the same places, or both none."""
    places = [[(part.role, part.span) for part in load.segments] for load in (one, other)]
    return places[0] == places[1]
