"""Predicted loads on machines that nobody has: each place against a slow search written here.

The search tries every page, from the bottom or from the top, in a list of the free pages. It shares
no arithmetic with smecheck.placement.
"""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from recorded_loads import image_of

from smecheck.evidence import Known
from smecheck.load.candidates import candidates_of, ram_ranges
from smecheck.load.holes import Wanted, find_hole, free_pieces
from smecheck.load.predict import predict
from smecheck.load.request import LoadRequest, Prediction
from smecheck.load.segments import Loader, Mode, Segment, SegmentRole
from smecheck.machine.firmware import E820Type, FirmwareMap, FirmwareMapKind, FirmwareRange
from smecheck.machine.host import Host
from smecheck.machine.memory import MemoryMap, Missing, Region, usable_ram
from smecheck.record import replace
from smecheck.span import Span, SpanSet

PAGE = 0x1000
MIB = 1 << 20
HEADER = {
    "protocol": 0x20F,
    "xloadflags": 0x7F,
    "loadflags": 1,
    "setup_sects": 39,
    "cmdline_size": 2047,
    "initrd_addr_max": 0x7FFFFFFF,
    "file_size": 3 * MIB,
    "init_size": 5 * MIB + 0x3000,
    "kernel_alignment": 2 * MIB,
    "pref_address": 16 * MIB,
    "relocatable": 1,
}
HOST = Host(
    kexec_tools=Known("2.0.25", "test"),
    kernel_release=Known("6.12.0", "test"),
    cpus=Known(4, "test"),
    efi_runtime_entries=Known(3, "test"),
    acpi_rsdp=Known(0, "test"),
    rng_seed=Known(True, "test"),
)
GENERATIONS = (
    Host(kexec_tools=Known("2.0.5", "t"), kernel_release=Known("4.14.0", "t")),
    Host(kexec_tools=Known("2.0.20", "t"), kernel_release=Known("5.4.0", "t")),
    HOST,
    Host(kexec_tools=Known("2.0.30", "t"), kernel_release=Known("6.1.0", "t")),
)


def memory_of(ram: list[Span], crash: Span | None = None) -> MemoryMap:
    regions = []
    for line, span in enumerate(ram, 1):
        regions.append(Region("System RAM", span, 0, line))
        if crash is not None and span.covers(crash):
            regions.append(Region("Crash kernel", crash, 1, line))
    code = Region("Kernel code", Span.sized(ram[-1].end + MIB, MIB), 0, len(ram) + 1)
    return MemoryMap("machine", (*regions, code), Missing.NOTHING, usable_ram(regions))


def pages(lowest: int, highest: int) -> st.SearchStrategy[list[Span]]:
    """Return lists of RAM, in pages, with holes between."""
    steps = st.tuples(st.integers(1, 300), st.integers(1, 5000))

    def laid_out(parts: list[tuple[int, int]], base: int) -> list[Span]:
        ram, at = [], base
        for gap, size in parts:
            at += gap * PAGE
            ram.append(Span.sized(at, size * PAGE))
            at += size * PAGE
        return ram

    base = st.integers(lowest // PAGE, highest // PAGE).map(lambda page: page * PAGE)
    return st.builds(laid_out, st.lists(steps, min_size=1, max_size=6), base)


def request_of(
    ram: list[Span], loader: Loader, host: Host = HOST, **changes: object
) -> LoadRequest:
    made = LoadRequest(
        image=image_of(HEADER),
        loader=loader,
        mode=Mode.LOAD,
        memory=memory_of(ram),
        host=host,
        initrd_size=MIB + 5,
        cmdline="nokaslr",
    )
    return replace(made, **changes)


def slow_search(free: list[Span], wanted: Wanted) -> int | None:
    """Try every page that is a multiple of the alignment, one after the other."""
    starts = [
        page * PAGE
        for span in free
        for page in range(-(-span.start // PAGE), span.end // PAGE)
        if page * PAGE % wanted.alignment == 0
        and wanted.within.start <= page * PAGE
        and page * PAGE + wanted.size <= min(span.end, wanted.within.end)
    ]
    if not starts:
        return None
    return max(starts) if wanted.from_top else min(starts)


small_spans = st.lists(
    st.tuples(st.integers(0, 0x60), st.integers(1, 0x18000)), min_size=1, max_size=8
)


@given(
    parts=small_spans,
    taken=st.sets(st.integers(0, 200), max_size=12),
    size=st.integers(1, 9),
    alignment=st.sampled_from([1, 2, 4, 16]),
    low=st.integers(0, 80),
    high=st.integers(1, 220),
    from_top=st.booleans(),
)
def test_a_hole_is_where_the_slow_search_finds_it(
    parts: list[tuple[int, int]],
    taken: set[int],
    size: int,
    alignment: int,
    low: int,
    high: int,
    from_top: bool,
) -> None:
    ram, at = [], 0
    for gap, length in parts:
        at += gap * 0x123
        ram.append(Span.sized(at, length))
        at += length
    taken_spans = [
        Span.sized(page * PAGE, PAGE)
        for page in sorted(taken)
        if any(span.covers(Span.sized(page * PAGE, PAGE)) for span in ram)
    ]
    within = Span(low * PAGE, max(low, high) * PAGE)
    wanted = Wanted(size * PAGE, alignment * PAGE, within, from_top)
    found = find_hole(free_pieces(ram, taken_spans), wanted)
    # RAM that touches stays two ranges: no segment lies across.
    free = [piece for span in ram for piece in SpanSet([span]) - SpanSet(taken_spans)]
    assert (None if found is None else found.start) == slow_search(free, wanted)


@pytest.mark.parametrize("loader", Loader)
@pytest.mark.parametrize("host", GENERATIONS)
@settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow])
@given(ram=pages(MIB, 8 << 30), crash=st.booleans(), cut=st.integers(0, 20))
def test_segments_lie_in_ram_and_apart(
    ram: list[Span], crash: bool, cut: int, loader: Loader, host: Host
) -> None:
    reserved = max(ram, key=lambda span: span.size)
    inner = Span(reserved.start + min(cut, reserved.size // PAGE - 1) * PAGE, reserved.end)
    memory = memory_of(ram, inner if crash else None)
    mode = Mode.CRASH if crash else Mode.LOAD
    window = Span(0, ram[-1].end - cut * PAGE)
    prediction = predict(request_of(ram, loader, host, memory=memory, mode=mode, window=window))
    assert prediction.unknown is None
    spans = [segment.span for segment in prediction.segments]
    for index, upper in enumerate(spans):
        assert any(span.covers(upper) for span in ram)
        assert not any(upper.overlaps(lower) for lower in spans[:index])
        if crash:
            assert inner.covers(upper)
        if loader is Loader.KEXEC_LOAD:
            assert window.covers(upper)
    if prediction.refusal is not None and prediction.refusal.size is not None:
        largest = prediction.refusal.largest
        assert largest is None or largest.size <= prediction.refusal.size + 2 * MIB


ORDER = (SegmentRole.PURGATORY, SegmentRole.BOOT_PARAMS, SegmentRole.KERNEL, SegmentRole.INITRD)
"""How both loaders place what goes to the top; kexec-tools adds the rest afterwards, upwards."""

FROM_TOP = {
    SegmentRole.PURGATORY: (PAGE, 0x3000),
    SegmentRole.BOOT_PARAMS: (PAGE, 0x3000),
    SegmentRole.KERNEL: (2 * MIB, MIB),
    SegmentRole.INITRD: (PAGE, 16 * MIB),
}
"""Alignment and the lowest place of each (kexec-tools 2.0.25)."""


def one(prediction: Prediction, role: SegmentRole) -> Segment:
    (found,) = [segment for segment in prediction.segments if segment.role is role]
    return found


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(ram=pages(MIB, 8 << 30))
def test_a_load_is_where_the_slow_search_puts_it(ram: list[Span]) -> None:
    """kexec_load: each segment in its order, among those that are there already."""
    prediction = predict(request_of(ram, Loader.KEXEC_LOAD))
    placed: list[Span] = []
    for role in ORDER:
        found = [segment for segment in prediction.segments if segment.role is role]
        alignment, lowest = FROM_TOP[role]
        free = [piece for span in ram for piece in SpanSet([span]) - SpanSet(placed)]
        size = found[0].span.size if found else prediction.refusal and prediction.refusal.size
        assert size
        expected = slow_search(free, Wanted(size, alignment, Span(lowest, 1 << 64), True))
        assert (found[0].span.start if found else None) == expected
        if not found:
            return
        placed.append(found[0].span)
    upwards = [segment for segment in prediction.segments if segment.role not in ORDER]
    for segment in sorted(upwards, key=lambda segment: segment.span):
        free = [piece for span in ram for piece in SpanSet([span]) - SpanSet(placed)]
        wanted = Wanted(segment.span.size, PAGE, Span(MIB, 1 << 64), False)
        assert segment.span.start == slow_search(free, wanted)
        placed.append(segment.span)


@pytest.mark.parametrize("loader", Loader)
@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(ram=pages(4 << 30, 16 << 30), steps=st.integers(-500, 500))
def test_above_4_gib_the_load_moves_with_the_memory(
    ram: list[Span], steps: int, loader: Loader
) -> None:
    distance = steps * 2 * MIB
    assume(ram[0].start + distance >= 4 << 30)
    here = predict(request_of(ram, loader))
    there = predict(request_of([span.moved(distance) for span in ram], loader))
    assert [(s.role, s.span.moved(distance)) for s in here.segments] == [
        (s.role, s.span) for s in there.segments
    ]


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(ram=pages(MIB, 8 << 30), more=st.integers(1, 100_000))
def test_more_memory_on_top_moves_nothing_that_goes_upwards(ram: list[Span], more: int) -> None:
    """As long as the number of ranges is the same, and the load is accepted at all."""
    grown = [*ram[:-1], Span(ram[-1].start, ram[-1].end + more * PAGE)]
    before = predict(request_of(ram, Loader.KEXEC_LOAD))
    after = predict(request_of(grown, Loader.KEXEC_LOAD))
    assume(before.placed and after.placed)
    upwards = (SegmentRole.SETUP_DATA, SegmentRole.EFI_MEMMAP, SegmentRole.RNG_SEED)
    from_top = (each.span.start for each in before.segments if each.role not in upwards)
    assume(max(one(before, role).span.end for role in upwards) <= min(from_top))
    for role in upwards:
        assert one(before, role).span == one(after, role).span


def test_ranges_that_lose_their_order_leave_an_old_copy() -> None:
    """fixup_memory_ranges(): one is dropped, and what follows moved down; a cut begins too high."""
    listed = [(16, 32), (16, 20), (64, 128), (96, 192), (100, 224)]
    ranges = [
        FirmwareRange(Span(start << 20, end << 20), E820Type.RAM, "memmap") for start, end in listed
    ]
    firmware = FirmwareMap("memmap", FirmwareMapKind.SYSFS, tuple(ranges))
    first, _, third, fourth, last = (one.span for one in ranges)
    cut = Span(third.end - 1, fourth.end)
    found = ram_ranges(candidates_of(None, firmware, (2, 0, 25)))
    assert found.spans == (first, third, cut, last, last)


@pytest.mark.parametrize("missing", [0, 1])
def test_the_kernel_takes_a_range_of_exactly_the_size(missing: int) -> None:
    """locate_mem_hole_top_down() gives up below the start of a range, not at it."""
    low = Span.sized(16 * MIB, 512 * MIB)

    def purgatory(ram: list[Span]) -> Span:
        load = predict(request_of(ram, Loader.KEXEC_FILE_LOAD))
        return next(one.span for one in load.segments if one.role is SegmentRole.PURGATORY)

    top = Span.sized(1 << 30, purgatory([low]).size - missing * PAGE)
    assert (purgatory([low, top]) == top) is (missing == 0)


@pytest.mark.parametrize(("room", "refused"), [(0, "elfcorehdr"), (PAGE, "purgatory")])
def test_the_kernel_goes_upwards_to_the_end_of_the_reservation(room: int, refused: str) -> None:
    """Backup and elfcorehdr, as kernels before v5.5 add them: locate_mem_hole_bottom_up()."""
    low = Span(0x1000, 0x9F000)
    ram = [low, Span(1 * MIB, 1024 * MIB)]
    crash = Span.sized(32 * MIB, low.size + room)
    load = predict(
        request_of(
            ram,
            Loader.KEXEC_FILE_LOAD,
            replace(HOST, kernel_release=Known("5.4.0", "t")),
            mode=Mode.CRASH,
            memory=memory_of(ram, crash),
        )
    )
    assert load.refusal is not None
    assert load.refusal.role == refused
    assert all(crash.covers(segment.span) for segment in load.segments)
