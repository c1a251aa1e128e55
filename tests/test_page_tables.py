"""How many page-table pages are written: the rule against building the tables entry by entry."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from recorded import kernel, segment_list

from smecheck.analysis import analyze
from smecheck.asked import BootRequest, GivenInitrd, Paging, Path, Switch, asked_by_options
from smecheck.case import Case
from smecheck.kernel.image import KernelImage, SetupHeader
from smecheck.machine.memory import MemoryMap
from smecheck.read.machine.iomem import parse_iomem
from smecheck.record import replace
from smecheck.span import Span
from smecheck.workarea.page_tables import (
    count_tables,
    fewest_tables,
    page_aligned_initrd,
    partial_frames,
)
from smecheck.workarea.placement import Placement

PAGE, FRAME, GIB = 0x1000, 2 << 20, 1 << 30


def entries(span: Span) -> Iterator[tuple[int, int]]:
    """Walk a range as __sme_map_range() does; yield each entry: address, and what it maps."""
    address = span.start
    while address < span.end:
        whole = address % FRAME == 0 and address + FRAME <= span.end
        yield address, FRAME if whole else PAGE
        address += FRAME if whole else PAGE


def built(kernel: Span, workarea: Span, initrd: Span | None, levels: int) -> int:
    """Build the tree of sme_encrypt_kernel(); return the number of its tables."""
    top = 48 if levels == 5 else 39
    furthest = max(span.end >> top for span in (workarea, initrd) if span is not None)
    decrypted = ((furthest + 1) & 511) << top
    ranges = [(kernel, 0), (kernel, decrypted), (workarea, 0), (workarea, decrypted)]
    ranges += [(initrd, 0), (initrd, decrypted)] if initrd else []
    tables = {("PGD", 0)}
    for span, offset in ranges:
        for physical, size in entries(span):
            address = physical + offset
            tables |= {("PUD", address >> 39), ("PMD", address >> 30)}
            if levels == 5:
                tables.add(("P4D", address >> 48))
            if size == PAGE:
                tables.add(("PTE", address >> 21))
    return len(tables)


frames = st.integers(0, 1 << 20).map(lambda number: number * FRAME)
borders = st.sampled_from([GIB, 4 * GIB, 1 << 39, 1 << 40]).flatmap(
    lambda border: st.integers(0, 40).map(lambda number: border - number * FRAME)
)
initrds = st.none() | st.builds(
    Span.sized,
    st.integers(0, 1 << 30).map(lambda number: number * PAGE)
    | borders.map(lambda border: border - 3 * PAGE),
    st.integers(1, 3000).map(lambda number: number * PAGE),
)


@given(frames | borders, st.integers(1, 20), initrds, st.sampled_from([4, 5]))
@example(GIB - FRAME, 1, None, 4)
@example((1 << 39) - FRAME, 1, Span.sized((1 << 39) - PAGE, 2 * PAGE), 4)
@example((1 << 48) - FRAME, 1, Span.sized(1 << 41, PAGE), 5)
def test_count_against_the_tree(
    base: int, kernel_frames: int, initrd: Span | None, levels: int
) -> None:
    kernel = Span.sized(base, kernel_frames * FRAME)
    workarea = Span.sized(kernel.end, 2 * FRAME)
    if initrd and initrd.overlaps(Span(base, workarea.end)):
        initrd = None  # on no machine
    count = count_tables(kernel, workarea, initrd, levels=levels)
    assert count.pages == built(kernel, workarea, initrd, levels)


@given(frames | borders, st.integers(1, 600), initrds, st.sampled_from([4, 5]))
def test_the_fewest_are_never_more(
    base: int, kernel_frames: int, initrd: Span | None, levels: int
) -> None:
    kernel = Span.sized(base, kernel_frames * FRAME)
    workarea = Span.sized(kernel.end, 2 * FRAME)
    here = count_tables(kernel, workarea, initrd, levels=levels)
    fewest = fewest_tables(kernel.size, workarea.size, levels=levels)
    assert fewest.pages <= here.pages
    at_zero = count_tables(kernel.moved(-base), workarea.moved(-base), None, levels=levels)
    assert fewest == at_zero


def test_the_fewest_of_all() -> None:
    assert fewest_tables(FRAME, 2 * FRAME, levels=4).pages == 5
    assert fewest_tables(FRAME, 2 * FRAME, levels=5).pages == 7
    assert fewest_tables(GIB, 2 * FRAME, levels=4).pages == 7


@pytest.mark.parametrize(
    ("span", "expected"),
    [
        (Span(0, FRAME), set()),
        (Span(0, FRAME - PAGE), {0}),
        (Span(PAGE, FRAME), {0}),
        (Span(PAGE, FRAME - PAGE), {0}),
        (Span(FRAME - PAGE, FRAME + PAGE), {0, 1}),
        (Span(FRAME - PAGE, 3 * FRAME + PAGE), {0, 3}),
        (Span(FRAME, 3 * FRAME), set()),
        (Span(FRAME - 1, FRAME), {0}),
    ],
)
def test_partial_frames(span: Span, expected: set[int]) -> None:
    assert partial_frames(span) == expected


@given(st.integers(0, 1 << 20), st.integers(1, 2000))
def test_partial_frames_by_counting_pages(first: int, count: int) -> None:
    covered: dict[int, int] = {}
    for number in range(first, first + count):
        covered[number // 512] = covered.get(number // 512, 0) + 1
    span = Span.sized(first * PAGE, count * PAGE)
    assert partial_frames(span) == {frame for frame, pages in covered.items() if pages < 512}


def test_only_the_end_of_an_initrd_is_rounded() -> None:
    assert page_aligned_initrd(Span(0x1001, 0x2001)) == Span(0x1001, 0x3000)
    assert page_aligned_initrd(Span(0x1000, 0x2000)) == Span(0x1000, 0x2000)


def test_formula_names_the_tables() -> None:
    kernel, workarea = Span(0, FRAME), Span(FRAME, 3 * FRAME)
    count = count_tables(kernel, workarea, Span(PAGE, 2 * PAGE), levels=5)
    assert count.formula == "1 PGD + 2 P4D + 2 PUD + 2 PMD + 2 PTE tables"
    assert count.pages == 9


# When the count is exact: the tables at entry already reach the workarea.

OLD, NEW = kernel("5.0-old"), kernel("6.1.0-56-amd64")
MACHINE = parse_iomem(
    "00000000-00000fff : Reserved\n00001000-7fffffff : System RAM\n",
    "iomem",
)
HOLE = parse_iomem("00000000-00000fff : Reserved\n00100000-3fffffff : System RAM\n", "iomem")
UNMOVED = BootRequest(kaslr=Switch.OFF)
IN_NEXT_FRAME = 0x3F200000
"""Its workarea ends at 0x40200000, its segment at 0x3ff41000."""


def place(
    request: BootRequest = UNMOVED,
    *,
    at: int = 0x10000000,
    image: KernelImage = OLD,
    memory: MemoryMap | None = MACHINE,
    **others: Span,
) -> Placement:
    spans = {"kernel": Span.sized(at, 0xD41000), "boot_params": Span.sized(0x98000, 0x2000)}
    actual = analyze(Case(image, request, segment_list(**spans | others), memory)).actual
    assert actual is not None
    return actual


def test_exact_in_the_frame_of_the_kernel() -> None:
    placement = place(memory=None)
    assert placement.written_is_exact
    assert "no further page tables are written" in placement.reason


def test_exact_where_kexec_maps_all_memory() -> None:
    assert place(at=IN_NEXT_FRAME).written_is_exact
    assert not place(at=IN_NEXT_FRAME, memory=None).written_is_exact
    assert not place(at=IN_NEXT_FRAME, memory=HOLE).written_is_exact


def test_exact_where_the_section_was_unpacked() -> None:
    base = GIB - 0x3600000
    four = replace(UNMOVED, paging=Paging.FOUR)
    assert place(four, at=base, image=NEW, memory=None).written_is_exact
    nobits = tuple(
        replace(section, type="NOBITS") if section.name == ".init.scratch" else section
        for section in NEW.sections
    )
    image = replace(NEW, sections=nobits)
    assert not place(four, at=base, image=image, memory=None).written_is_exact


def test_not_exact_where_another_built_the_tables() -> None:
    first = replace(UNMOVED, path=Path.FIRST_BOOT)
    assert not place(first, at=IN_NEXT_FRAME).written_is_exact
    moved = BootRequest(load_address=IN_NEXT_FRAME, kaslr=Switch.ON)
    assert not place(moved).written_is_exact
    kaslr = BootRequest(kaslr=Switch.ON)
    assert not place(kaslr, at=IN_NEXT_FRAME).written_is_exact


def test_not_exact_where_facts_are_missing() -> None:
    unaligned = Span.sized(0x20000001, PAGE)
    assert not place(initrd=unaligned).written_is_exact
    sized = asked_by_options(initrd=GivenInitrd(PAGE)).completed(by=UNMOVED)
    assert not place(sized).written_is_exact
    assert not place(other=Span.sized(0x20000000, PAGE)).written_is_exact
    assert place(initrd=Span.sized(0x20000000, PAGE)).written_is_exact
    assert not place(image=NEW).written_is_exact  # 4 or 5 levels
    assert place(replace(UNMOVED, paging=Paging.FIVE), image=NEW).written_is_exact
    # v5.0 builds 4-level tables under 5-level paging.
    assert not place(replace(UNMOVED, paging=Paging.FIVE)).written_is_exact


def test_exactness_does_not_need_the_header() -> None:
    assert place(image=replace(OLD, header=SetupHeader())).written_is_exact
