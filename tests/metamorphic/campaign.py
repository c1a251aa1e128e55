"""Change the texts of questions, ask again, and hold the answers against the untouched ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from subjects import SAFE, Answer, Subject, ask, subjects
from text_changes import changed


@dataclass(frozen=True)
class Variation:
    """A question asked with changed texts."""

    subject: Subject
    seed: int
    texts: dict[str, bytes]
    whole: bool
    """Whether all that the texts said is still there."""
    happened: dict[str, list[str]]
    before: Answer
    after: Answer

    @property
    def fault(self) -> str | None:
        """Say what is wrong with the answer, if anything is."""
        before, after = self.before, self.after
        if after.verdict in SAFE and after.verdict != before.verdict:
            return f"{before.verdict} became {after.verdict}"
        if self.whole and after != Answer(before.verdict, before.facts, after.said):
            return f"nothing was lost, and {before.verdict} became {after.verdict}: {after.said}"
        return None


_BEFORE: dict[str, Answer] = {}


def vary(seed: int) -> Variation:
    """Make the variation of that number."""
    random = Random(seed)
    subject = random.choice(subjects())
    if subject.name not in _BEFORE:
        untouched = {kind: text.encode() for kind, text in subject.texts.items()}
        _BEFORE[subject.name] = ask(subject, untouched)
    texts, whole, happened = {}, True, {}
    touched = random.sample(sorted(subject.texts), random.randint(1, len(subject.texts)))
    for kind, text in subject.texts.items():
        if kind in touched:
            texts[kind], kept, happened[kind] = changed(text, random)
            whole = whole and kept
        else:
            texts[kind] = text.encode()
    before, after = _BEFORE[subject.name], ask(subject, texts)
    return Variation(subject, seed, texts, whole, happened, before, after)


def campaign(first: int, count: int) -> Iterator[Variation]:
    """Make ``count`` variations."""
    return (vary(seed) for seed in range(first, first + count))
