"""Recorded segments and predicted ones, side by side."""

from __future__ import annotations

from enum import Enum

from smecheck.load.segments import SegmentRole
from smecheck.record import record
from smecheck.span import Span


class Match(Enum):
    """How a recorded segment and the predicted one of its role compare."""

    SAME = "same"
    MOVED = "moved"
    """The same size at another place."""
    RESIZED = "resized"
    """The same start, another size."""
    OTHER = "other"
    """Another place and another size."""
    NOT_RECORDED = "not-recorded"
    NOT_PREDICTED = "not-predicted"


@record
class ComparedSegment:
    """One segment of either load, or of both."""

    role: SegmentRole
    recorded: Span | None
    predicted: Span | None

    @property
    def match(self) -> Match:
        """How the two compare."""
        recorded, predicted = self.recorded, self.predicted
        if recorded is None:
            return Match.NOT_RECORDED
        if predicted is None:
            return Match.NOT_PREDICTED
        if recorded == predicted:
            return Match.SAME
        if recorded.size == predicted.size:
            return Match.MOVED
        return Match.RESIZED if recorded.start == predicted.start else Match.OTHER


@record
class CrossCheck:
    """What a prediction of the recorded load comes to."""

    unknown: str | None
    """Why the load cannot be predicted, as a clause; ``None`` where it is."""
    refusal: str | None
    """How the load would be refused, by prediction."""
    segments: tuple[ComparedSegment, ...]
    """By address, of the recorded segment where there is one."""
    explained_by: tuple[str, ...]
    """Other values of what was assumed, with each of which all agree."""
    assumptions: tuple[str, ...]
    """What the prediction took for granted."""

    @property
    def differences(self) -> int:
        """How many segments are not the same."""
        return sum(1 for segment in self.segments if segment.match is not Match.SAME)

    @property
    def agrees(self) -> bool:
        """Whether the load was predicted, and all of its segments are the same."""
        return self.unknown is None and self.refusal is None and not self.differences
