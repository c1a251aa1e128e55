"""The arithmetic against a second derivation of it, for every generation, paging and initrd.

The kernels' own compiled code confirms it elsewhere (test_machine_code); here is what no recorded
run covers: v4.14 to v4.16, any size of kernel and initrd, any place.
"""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from recorded import kernel, segment_list

from smecheck.analysis import analyze
from smecheck.asked import BootRequest, Paging, Switch
from smecheck.boot.boot import Initrd
from smecheck.case import Case
from smecheck.evidence import Unknown
from smecheck.kernel.generations import AFTER_END_GENERATIONS, GENERATION_RULES, Generation
from smecheck.record import replace
from smecheck.span import Span
from smecheck.workarea.arithmetic import KernelLayout, pgtable_calc, reach_anywhere, reach_at

PAGE, FRAME, GIB = 0x1000, 2 << 20, 1 << 30
NO_INITRD = Initrd(None, 0, "a test")
WITH_PTES = set(Generation) - {Generation.V4_14_0}
"""They count two pages for PTEs, and encrypt the initrd."""
LEVELS = (4, 5)

generations = st.sampled_from(Generation)
levels = st.sampled_from(LEVELS)
page_counts = st.integers(1, GIB // PAGE)
"""Of a kernel, _text to _end: KERNEL_IMAGE_SIZE is 1 GiB."""
bases = st.integers(0, 1 << 31).map(lambda number: number * FRAME)
initrds = st.none() | st.builds(
    Span.sized,
    st.integers(0, 1 << 40).map(lambda number: number * PAGE) | st.integers(0, 1 << 52),
    st.integers(1, 1 << 28) | st.integers(1, 1 << 39),
)


def initrd_at(span: Span | None) -> Initrd:
    return Initrd(span, span.size, "a test") if span else NO_INITRD


def layout_of(pages: int, generation: Generation) -> KernelLayout:
    """Return a layout whose section, if it has one, follows _end as in every linker script."""
    rounded = (pages * PAGE + FRAME - 1) & ~(FRAME - 1)
    return KernelLayout(pages * PAGE, rounded if GENERATION_RULES[generation].in_section else None)


class Derivation:
    """sme_encrypt_kernel() once more, written from its description alone."""

    def __init__(self, generation: Generation, five: bool) -> None:
        self.ptes = 2 if generation in WITH_PTES else 0
        self.shifts = [48, 39, 30] if five else [39, 30]

    def tables(self, length: int) -> int:
        """Return sme_pgtable_calc() in pages: tables for the length, then tables for those."""
        pages = self.ptes
        for shift in self.shifts:
            pages += self._units(length, shift) + 1
        return pages + sum(self._units(pages << 12, shift) for shift in self.shifts)

    def length(self, kernel_frames: int, initrd: Span | None) -> int:
        """Return workarea_len."""
        execution = (1 + 1 + 512) << 12
        pages = 1 + 2 * self.tables((kernel_frames << 21) + execution)
        if initrd and self.ptes:
            last_page = (initrd.end + 0xFFF) >> 12
            pages += 2 * self.tables((last_page << 12) - initrd.start)
        pages += self.tables(execution + (pages << 12))
        return execution + (pages << 12)

    @staticmethod
    def _units(length: int, shift: int) -> int:
        units, rest = divmod(length, 1 << shift)
        return units + bool(rest)


@given(generations, levels, page_counts, bases, initrds)
@example(Generation.V4_14_0, 4, 1, 0, None)
@example(Generation.V5_3, 5, 512, 0, Span.sized(0, 228 * GIB + 1))
@example(Generation.V5_3, 4, 512, 0, Span.sized(0, 1 << 49))
def test_against_a_second_derivation(
    generation: Generation, levels: int, pages: int, base: int, initrd: Span | None
) -> None:
    layout, rules = layout_of(pages, generation), GENERATION_RULES[generation]
    extents = reach_at(base, layout, rules, levels=levels, initrd=initrd_at(initrd)).extents
    kernel_frames = -(-pages // 512)
    length = Derivation(generation, levels == 5).length(kernel_frames, initrd)
    assert extents.start == base + (kernel_frames << 21)
    assert extents.worst_end == extents.start + length
    assert extents.mapped_end == (extents.start + length + FRAME - 1) // FRAME * FRAME
    assert extents.in_place == Span(base + pages * PAGE, extents.start)


@given(generations, levels, page_counts, bases, initrds)
def test_order_and_alignment(
    generation: Generation, levels: int, pages: int, base: int, initrd: Span | None
) -> None:
    layout, rules = layout_of(pages, generation), GENERATION_RULES[generation]
    extents = reach_at(base, layout, rules, levels=levels, initrd=initrd_at(initrd)).extents
    assert extents.start + 0x207000 <= extents.written_end
    assert extents.written_end <= extents.worst_end <= extents.mapped_end
    assert extents.mapped_end - extents.start >= 4 << 20
    assert extents.mapped_end % FRAME == extents.start % FRAME == 0
    assert extents.in_place.size < FRAME
    assert extents.in_place.end == extents.start
    assert (extents.in_place.end - 1) // FRAME == (extents.start - 1) // FRAME
    assert extents.written.start == extents.worst.start == extents.mapped.start == extents.start


@given(generations, levels, page_counts, bases, initrds)
def test_what_holds_anywhere_holds_here(
    generation: Generation, levels: int, pages: int, base: int, initrd: Span | None
) -> None:
    layout, rules = layout_of(pages, generation), GENERATION_RULES[generation]
    initrd_here = initrd_at(initrd)
    here = reach_at(base, layout, rules, levels=levels, initrd=initrd_here).extents.moved(-base)
    anywhere = reach_anywhere(layout, rules, levels=levels, initrd=initrd_here).extents
    assert anywhere.written_end <= here.written_end
    assert (anywhere.worst_end, anywhere.mapped_end) == (here.worst_end, here.mapped_end)
    assert (anywhere.start, anywhere.in_place) == (here.start, here.in_place)


@given(generations, levels, page_counts, st.integers(1, 1 << 40))
def test_size_of_an_initrd_tells_what_its_place_does(
    generation: Generation, levels: int, pages: int, size: int
) -> None:
    layout, rules = layout_of(pages, generation), GENERATION_RULES[generation]
    placed = initrd_at(Span.sized(1 << 45, size))
    unplaced = Initrd(None, size, "a test")
    ends = {
        reach_at(0, layout, rules, levels=levels, initrd=initrd).extents.worst_end
        for initrd in (placed, unplaced)
    }
    assert len(ends) == 1


@given(levels, page_counts, bases, initrds)
def test_v4_14_0_leaves_the_initrd_alone(
    levels: int, pages: int, base: int, initrd: Span | None
) -> None:
    layout, rules = layout_of(pages, Generation.V4_14_0), GENERATION_RULES[Generation.V4_14_0]
    with_and_without = {
        reach_at(base, layout, rules, levels=levels, initrd=initrd_at(span)).extents
        for span in (initrd, None)
    }
    assert len(with_and_without) == 1


CALC = [
    (Generation.V4_14_0, 4, 0x6000),
    (Generation.V4_14_0, 5, 0x9000),
    *((generation, 4, 0x8000) for generation in sorted(WITH_PTES, key=lambda g: g.value)),
    *((generation, 5, 0xB000) for generation in sorted(WITH_PTES, key=lambda g: g.value)),
]


@pytest.mark.parametrize(("generation", "levels", "expected"), CALC)
def test_known_values_of_the_calculation(
    generation: Generation, levels: int, expected: int
) -> None:
    rules = GENERATION_RULES[generation]
    assert pgtable_calc(1, rules, levels=levels) == expected
    assert pgtable_calc(GIB, rules, levels=levels) == expected
    assert pgtable_calc(GIB + 1, rules, levels=levels) == expected + 0x1000
    assert pgtable_calc(5 * GIB, rules, levels=levels) == expected + 0x4000


LENGTHS = [
    (Generation.V4_14_0, 4, 0, 0x215000),
    (Generation.V4_14_0, 5, 0, 0x21E000),
    (Generation.V4_14_0, 4, 30 << 20, 0x215000),
    (Generation.V4_15, 4, 0, 0x21B000),
    (Generation.V4_17, 4, 0, 0x21B000),
    (Generation.V5_3, 4, 0, 0x21B000),
    (Generation.V4_17, 4, GIB, 0x22B000),
    (Generation.V5_3, 4, GIB, 0x22B000),
    (Generation.V5_3, 4, GIB + 1, 0x22D000),
    (Generation.V5_3, 5, 0, 0x224000),
    (Generation.V5_3, 5, GIB, 0x23A000),
    (Generation.V4_15, 5, GIB, 0x23A000),
    (Generation.RFC, 4, GIB, 0x22B000),
]


@pytest.mark.parametrize(("generation", "levels", "initrd", "expected"), LENGTHS)
def test_known_lengths(generation: Generation, levels: int, initrd: int, expected: int) -> None:
    layout, rules = layout_of(0xA16, generation), GENERATION_RULES[generation]
    size = Initrd(None, initrd, "a test")
    extents = reach_anywhere(layout, rules, levels=levels, initrd=size).extents
    assert extents.worst_end - extents.start == expected
    assert extents.mapped_end - extents.start == 4 << 20


@pytest.mark.parametrize(("levels", "limit"), [(4, 235 * GIB), (5, 228 * GIB)])
def test_size_of_an_initrd_from_which_on_more_than_4_mib_are_mapped(
    levels: int, limit: int
) -> None:
    layout, rules = layout_of(0x2830, Generation.V5_3), GENERATION_RULES[Generation.V5_3]
    for size, mapped in ((limit, 4 << 20), (limit + 1, 6 << 20)):
        initrd = Initrd(None, size, "a test")
        extents = reach_anywhere(layout, rules, levels=levels, initrd=initrd).extents
        assert extents.mapped_end - extents.start == mapped


def test_the_derivation_adds_up() -> None:
    segments = segment_list(kernel=Span.sized(0x10000000, 0xD41000))
    request = BootRequest(kaslr=Switch.OFF)
    report = analyze(Case(kernel("5.0-old"), request, segments, None))
    assert report.actual is not None
    assert report.actual.extents is not None
    value = {step.name: step.value for step in report.actual.derivation}
    extents = report.actual.extents
    assert value["kernel_end"] == value["workarea_start"] == extents.start == 0x10C00000
    assert value["phys_end"] == extents.in_place.start
    assert value["workarea_len"] == value["execute_len"] + value["pgtable_area_len"] == 0x21B000
    assert value["worst_end"] == extents.worst_end == extents.start + value["workarea_len"]
    assert value["mapped_end"] == extents.mapped_end
    assert value["written_end"] == extents.start + 0x202000 + value["pgtable_pages"] * PAGE
    assert all(step.formula and step.source for step in report.actual.derivation)


def test_candidates_are_taken_together() -> None:
    """What is sure is what all of them write, what is possible is what any of them may."""
    image = replace(kernel("5.0-old"), release=Unknown("a test"))
    segments = segment_list(
        kernel=Span.sized(0x10000000, 0xD41000), initrd=Span.sized(0x20000000, FRAME)
    )
    request = BootRequest(kaslr=Switch.OFF, paging=Paging.AUTO)
    report = analyze(Case(image, request, segments))
    assert report.facts.generations == AFTER_END_GENERATIONS
    assert report.actual is not None
    assert report.actual.extents is not None
    extents = report.actual.extents
    assert extents.written_end - extents.start == 0x202000 + 5 * PAGE
    assert extents.worst_end - extents.start == 0x23A000
    assert not report.actual.written_is_exact


def copied_pages(initrd: Span, workarea: Span) -> set[int]:
    """Copy the initrd as __enc_copy does, page by page; return the pages that are wrong then."""
    pages = {number: number for number in initrd.frames(PAGE)}
    pages |= dict.fromkeys(workarea.frames(PAGE), -1)
    buffer = workarea.start // PAGE + 2
    for chunk in range(initrd.start // PAGE, initrd.end // PAGE, 512):
        length = min(512, initrd.end // PAGE - chunk)
        for source, target in ((chunk, buffer), (buffer, chunk)):
            for number in range(length):
                pages[target + number] = pages[source + number]
    return {number for number in initrd.frames(PAGE) if pages[number] != number}


@pytest.mark.parametrize("distance", [0, 1, 7, 255, 256, 257, 511])
@pytest.mark.parametrize("size", [1, 100, 255, 256, 300, 512, 513, 1300])
def test_damage_of_an_initrd_that_begins_in_the_copy_buffer(distance: int, size: int) -> None:
    initrd = Span.sized(0x10C02000 + distance * PAGE, size * PAGE)
    segments = segment_list(kernel=Span.sized(0x10000000, 0xD41000), initrd=initrd)
    report = analyze(Case(kernel("5.0-old"), BootRequest(kaslr=Switch.OFF), segments))
    assert report.actual is not None
    assert report.actual.extents is not None
    written = report.actual.extents.written
    spans = [f.span for f in report.findings if f.rule == "SME001" and f.span is not None]
    found = {number for span in spans for number in span.frames(PAGE)}
    assert found == copied_pages(initrd, written) | set((written & initrd).frames(PAGE))
