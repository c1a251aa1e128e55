"""The span algebra against a bitmap."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smecheck.span import Span, SpanSet, align_down, align_up, ceil_div

TOP = 64
spans = st.tuples(st.integers(0, TOP), st.integers(0, TOP)).map(lambda pair: Span(*sorted(pair)))
span_lists = st.lists(spans, max_size=8)


def bits(items: list[Span] | SpanSet) -> set[int]:
    return {address for item in items for address in range(item.start, item.end)}


@given(span_lists, span_lists)
def test_set_operations_agree_with_a_bitmap(left: list[Span], right: list[Span]) -> None:
    a, b = SpanSet(left), SpanSet(right)
    assert bits(a) == bits(left)
    assert bits(a | b) == bits(left) | bits(right)
    assert bits(a & b) == bits(left) & bits(right)
    assert bits(a - b) == bits(left) - bits(right)
    assert a.size == len(bits(left))


@given(span_lists)
def test_spans_of_a_set_are_sorted_apart_and_not_empty(items: list[Span]) -> None:
    kept = list(SpanSet(items))
    assert all(kept)
    assert all(low.end < high.start for low, high in pairwise(kept))


@pytest.mark.parametrize("items", [[Span(2, 5)], [Span(2, 5), Span(6, 8)], []])
def test_what_only_touches_is_not_reached(items: list[Span]) -> None:
    kept = SpanSet(items)
    for start in range(10):
        for end in range(start, 10):
            probe = Span(start, end)
            assert kept.reached_by(probe) == tuple(span for span in items if span.overlaps(probe))


@given(span_lists, spans)
def test_covers_and_overlaps(items: list[Span], probe: Span) -> None:
    inside = set(range(probe.start, probe.end))
    assert SpanSet(items).covers(probe) == (inside <= bits(items))
    assert SpanSet(items).overlaps(probe) == bool(inside & bits(items))


@given(span_lists, spans)
def test_spans_that_are_reached(items: list[Span], probe: Span) -> None:
    kept = SpanSet(items)
    assert kept.reached_by(probe) == tuple(span for span in kept if span.overlaps(probe))


@given(span_lists, span_lists)
def test_equal_sets_have_equal_spans(left: list[Span], right: list[Span]) -> None:
    a, b = SpanSet(left), SpanSet(right)
    assert (a == b) == (bits(left) == bits(right))
    if a == b:
        assert hash(a) == hash(b)


@given(spans, spans)
def test_two_spans(a: Span, b: Span) -> None:
    both = bits([a]) & bits([b])
    assert bits([a & b]) == both
    assert a.overlaps(b) == bool(both)
    assert a.covers(b) == (bits([b]) <= bits([a]))


@given(spans, st.integers(1, 9))
def test_frames(item: Span, size: int) -> None:
    assert set(item.frames(size)) == {address // size for address in bits([item])}
    assert bits([item]) <= bits([item.aligned_out(size)])


@given(st.integers(0, 1 << 64), st.integers(1, 1 << 40))
def test_alignment(value: int, alignment: int) -> None:
    up, down = align_up(value, alignment), align_down(value, alignment)
    assert down <= value <= up
    assert up % alignment == down % alignment == 0
    assert up - down in (0, alignment)
    assert ceil_div(value, alignment) * alignment == up


@pytest.mark.parametrize(("start", "end"), [(2, 1), (-1, 3)])
def test_no_span_runs_backwards(start: int, end: int) -> None:
    with pytest.raises(ValueError, match="not a span"):
        Span(start, end)


def test_hex_in_failures() -> None:
    assert repr(SpanSet([Span(0x1000, 0x2000)])) == "{[0x1000, 0x2000)}"
