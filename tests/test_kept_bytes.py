"""What is kept of a stream, whatever the blocks it comes in."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from smecheck.read.kernel.kept_bytes import KeptBytes, Sought
from smecheck.span import Span

WORD = Sought(b"abab", 6)
LONG = Sought(b"a" * 60 + b"b", 70)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    ends = sorted({0, len(data), *(min(place, len(data)) for place in places)})
    return [data[start:end] for start, end in itertools.pairwise(ends)]


STREAMS = st.tuples(
    st.one_of(st.text("ab", max_size=40), st.text("abc", max_size=300).map(lambda t: "a" * 55 + t)),
    st.lists(st.integers(0, 300), max_size=12),
    st.lists(st.tuples(st.integers(0, 200), st.integers(0, 60)), max_size=4),
)


@given(STREAMS)
def test_texts_and_spans_are_kept_whatever_the_blocks(
    stream: tuple[str, list[int], list[tuple[int, int]]],
) -> None:
    data, spans = stream[0].encode(), [Span.sized(at, size) for at, size in stream[2]]
    kept = KeptBytes((WORD, LONG))
    kept.want(spans)
    for block in cut(data, stream[1]):
        kept.feed(block)
    assert kept.size == len(data)
    for span in spans:
        expected = data[span.start : span.end]
        if span.end <= len(data):
            assert kept.at(span) == expected
    expected_texts = [
        data[at : at + sought.reach]
        for sought in (WORD, LONG)
        for at in range(len(data))
        if data.startswith(sought.text, at)
    ]
    assert sorted(kept.texts(Span(0, len(data)))) == sorted(expected_texts)


def test_what_went_by_unwanted_is_not_kept() -> None:
    kept = KeptBytes()
    kept.want([Span(2, 4)])
    assert not kept.is_complete
    kept.feed(b"0123456789")
    assert kept.is_complete
    assert kept.at(Span(2, 4)) == b"23"
    assert kept.at(Span(3, 4)) == b"3"
    assert kept.at(Span(1, 4)) is None
    assert kept.at(Span(3, 5)) is None


def test_a_second_time_adds_to_what_was_kept() -> None:
    kept = KeptBytes((WORD,))
    kept.want([Span(0, 2)])
    for _ in range(2):
        kept.feed(b"xxababxx")
        kept.again([Span(6, 8)])
    assert list(kept.texts(Span(0, 8))) == [b"ababxx"]
    assert (kept.at(Span(0, 2)), kept.at(Span(6, 8))) == (b"xx", b"xx")


def test_texts_end_where_the_span_does_and_begin_in_it() -> None:
    kept = KeptBytes((WORD,))
    kept.feed(b"xxababxx")
    assert list(kept.texts(Span(0, 7))) == [b"ababx"]
    assert list(kept.texts(Span(3, 8))) == []


def test_a_text_repeated_without_end_is_kept_a_few_times() -> None:
    kept = KeptBytes((Sought(b"ab", 2, most=3),))
    for _ in range(100):
        kept.feed(b"ab" * 1000)
    assert len(list(kept.texts(Span(0, kept.size)))) == 3
