"""A cross-check in words, the same ones in every format for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from smecheck.load.compared_segments import ComparedSegment, CrossCheck, Match
from smecheck.quantity import count_text, size_text

if TYPE_CHECKING:
    from smecheck.span import Span


def outcome_text(check: CrossCheck) -> str:
    """Say in one line what the comparison comes to."""
    if check.unknown is not None:
        return f"the load cannot be predicted: {check.unknown}"
    if check.refusal is not None:
        return f"by prediction the load would be refused: {check.refusal}"
    recorded = count_text(len(check.segments), "segment")
    if check.agrees:
        return f"no difference: {recorded}, each where the prediction puts it"
    differ = "differs" if check.differences == 1 else "differ"
    return f"{check.differences} of {recorded} {differ} from the prediction: an assumption is wrong"


def match_text(segment: ComparedSegment) -> str:
    """Say how a recorded segment and the predicted one compare."""
    recorded, predicted = segment.recorded, segment.predicted
    match segment.match:
        case Match.SAME:
            return "the same"
        case Match.MOVED:
            return f"recorded {_distance(recorded, predicted)} than predicted"
        case Match.RESIZED:
            return f"recorded {_growth(recorded, predicted)} than predicted"
        case Match.OTHER:
            moved, grown = _distance(recorded, predicted), _growth(recorded, predicted)
            return f"recorded {moved} and {grown} than predicted"
        case Match.NOT_RECORDED:
            return "predicted, not recorded"
        case Match.NOT_PREDICTED:
            return "recorded, not predicted"
        case _:
            assert_never(segment.match)


def _distance(recorded: Span | None, predicted: Span | None) -> str:
    distance = (recorded.start if recorded else 0) - (predicted.start if predicted else 0)
    return f"{size_text(abs(distance))} {'higher' if distance > 0 else 'lower'}"


def _growth(recorded: Span | None, predicted: Span | None) -> str:
    growth = (recorded.size if recorded else 0) - (predicted.size if predicted else 0)
    return f"{size_text(abs(growth))} {'larger' if growth > 0 else 'smaller'}"
