"""Facts that nobody gave: what is taken for them, and that it is."""

from __future__ import annotations

from smecheck.evidence import Fact, Known, T
from smecheck.load.request import Prediction, Refusal
from smecheck.load.segments import Placing, Segment


class Assumptions:
    """What a prediction takes for granted, in the order in which it was needed."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.facts: list[str] = []
        """The facts of the host that were assumed, by their names in its description."""

    def say(self, text: str) -> None:
        """List what is taken for granted, once."""
        if text not in self.texts:
            self.texts.append(text)

    def take(self, name: str, fact: Fact[T], usual: T, text: str) -> T:
        """Return a fact of the host, or what is usual.

        Args:
            name: of the fact in a description of a host.
            fact: as it was given.
            usual: what to take where it was not.
            text: what is said then.
        """
        if isinstance(fact, Known):
            return fact.value
        if name not in self.facts:
            self.facts.append(name)
        self.say(text)
        return usual

    def prediction(
        self,
        segments: tuple[Segment, ...],
        refusal: Refusal | None,
        cmdline: str,
        *,
        unknown: str | None = None,
        placing: Placing = Placing.BY_THE_RULES,
    ) -> Prediction:
        """Return what a load comes to, with all that was assumed on the way."""
        return Prediction(
            segments=segments,
            refusal=refusal,
            unknown=unknown,
            cmdline=cmdline,
            assumptions=tuple(self.texts),
            assumed=tuple(self.facts),
            placing=placing,
        )
