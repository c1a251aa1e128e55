"""A bounded sample with each run of the tests; ``python -m tests.metamorphic`` makes many more."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from campaign import Variation, vary
from subjects import Answer, ask, subjects
from text_changes import STAGES

SAMPLE = 400


def test_what_is_done_to_evidence_never_makes_an_answer_better() -> None:
    """An answer may become undecided, or a refusal; where nothing was lost, it is the same."""
    variations = [vary(seed) for seed in range(SAMPLE)]
    faults = [f"{one.seed} {one.subject.name} {one.happened}: {one.fault}" for one in variations]
    assert [text for one, text in zip(variations, faults, strict=True) if one.fault] == []
    # The sample is one: every change had its turn, and most texts were understood.
    happened = {name for one in variations for names in one.happened.values() for name in names}
    assert happened == {change.__name__ for stage in STAGES for change in stage}
    assert sum(one.after.verdict == one.before.verdict for one in variations) > SAMPLE // 2
    assert any(one.before.verdict == "collision" for one in variations)


def test_the_subjects_are_of_every_kind() -> None:
    kinds = {kind for subject in subjects() for kind in subject.texts}
    assert kinds == {"iomem", "segments", "dmesg", "memmap"}
    assert len(subjects()) > 120


@pytest.mark.parametrize(
    ("before", "after", "whole", "is_fault"),
    [
        ("collision", "clear", False, True),
        ("undecided", "not-applicable", False, True),
        ("collision", "undecided", False, False),
        ("clear", "error", False, False),
        ("clear", "error", True, True),
        ("clear", "clear", True, False),
    ],
)
def test_a_worse_witness_is_seen(before: str, after: str, whole: bool, is_fault: bool) -> None:
    """A test that cannot fail is none."""
    one = Variation(subjects()[0], 0, {}, whole, {}, Answer(before), Answer(after))
    assert (one.fault is not None) is is_fault


def test_an_answer_depends_on_what_the_text_says() -> None:
    subject = next(one for one in subjects() if one.name == "founding-failure")
    texts = {kind: text.encode() for kind, text in subject.texts.items()}
    assert ask(subject, texts).verdict == "collision"
    texts["segments"] = texts["segments"].replace(b"nokaslr", b"mem_encrypt=off nokaslr")
    assert ask(subject, texts).verdict != "collision"
