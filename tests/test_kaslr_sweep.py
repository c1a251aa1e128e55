"""The sweep over all slots, against the rules themselves at every one of them."""

from __future__ import annotations

import tracemalloc
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kaslr_cases import CASES, early_boot, slots_within
from recorded import DATA, kernel, load_json

from smecheck.analysis import analyze
from smecheck.answer import Basis, Verdict
from smecheck.asked import BootRequest, Paging, Path, Switch, asked_by_options
from smecheck.boot.kaslr.slots import KaslrSweep
from smecheck.case import Case
from smecheck.checks import needs
from smecheck.checks.catalogue import RULES
from smecheck.checks.families import rules_of_places
from smecheck.checks.finding import Effect
from smecheck.checks.ram import not_mapped_at_entry
from smecheck.evidence import Known, Unknown
from smecheck.kernel.constants import EXECUTE_LEN, PAGE_SIZE
from smecheck.load.request import Machine
from smecheck.load.segments import Loader, Mode, Segment, SegmentList, SegmentOrigin, SegmentRole
from smecheck.machine.host import Host
from smecheck.machine.memory import MemoryMap, Missing
from smecheck.read.load.segments import read_segments
from smecheck.read.machine.boot_description import read_boot_description
from smecheck.read.machine.iomem import parse_iomem
from smecheck.record import replace
from smecheck.span import Span, align_up

MIB, GIB = 1 << 20, 1 << 30


def founding(name: str) -> Case:
    folder = DATA / "founding" / name
    segments = read_segments(str(folder / "segments.txt"))
    memory = parse_iomem((folder / "iomem.txt").read_text(), "iomem.txt")
    image = kernel(load_json("founding", name, "result.json")["kernel"])
    return Case(image, BootRequest(), segments, memory)


def swept(question: Case) -> KaslrSweep:
    sweep = analyze(question).kaslr
    assert sweep is not None
    return sweep


def collides(question: Case, address: int) -> bool:
    """Ask the rules about one address."""
    request = replace(question.asked, load_address=address, kaslr=Switch.ON)
    report = analyze(replace(question, asked=request))
    return any(finding.effect is Effect.COLLISION for finding in report.findings)


def every_slot(sweep: KaslrSweep) -> list[int]:
    step = sweep.slots.alignment
    return [
        area.start + number * step for area in sweep.slots.areas for number in range(area.count)
    ]


def colliding_slots(question: Case, sweep: KaslrSweep) -> list[int]:
    return [address for address in every_slot(sweep) if collides(question, address)]


def assert_agrees(question: Case) -> KaslrSweep:
    sweep = swept(question)
    found = colliding_slots(question, sweep)
    assert sweep.collisions is not None
    assert sweep.collisions.count == len(found), [f"{address:#x}" for address in found]
    assert sweep.collisions.lowest == min(found, default=None)
    assert sweep.collisions.highest == max(found, default=None)
    runs = [run for collision in sweep.collisions.by_rule for run in collision.runs]
    assert {run.first + n * run.step for run in runs for n in range(run.count)} == set(found)
    for collision in sweep.collisions.by_rule:
        assert sum(run.count for run in collision.runs) == collision.count
    return sweep


@pytest.mark.parametrize(
    ("name", "slots", "highest"),
    [
        ("old-l-c-2g-kaslr-last", 755, 0x7E400000),
        ("old-l-c-2g-kaslr1", 755, 0x7E400000),
        ("old-p-c-2g-kaslr1", 114, 0x7C400000),
    ],
)
def test_founding_failure_under_kaslr(name: str, slots: int, highest: int) -> None:
    question = founding(name)
    sweep = assert_agrees(question)
    assert sweep.slots.count == slots
    assert sweep.slots.highest == highest
    assert sweep.collisions is not None
    assert sweep.collisions.highest == highest
    assert {collision.other for collision in sweep.collisions.by_rule} == {"initrd"}
    result: dict[str, Any] = load_json("founding", name, "result.json")
    ran_at = int(result["text"], 16)
    assert ran_at in sweep.slots
    assert collides(question, ran_at) == (result["outcome"] == "DEAD")


def test_the_verdict_counts_the_places() -> None:
    report = analyze(founding("old-l-c-2g-kaslr-last"))
    assert report.verdict is Verdict.COLLISION
    assert report.basis is Basis.MACHINE
    assert report.headline.startswith(
        "if SME is on, at 2 of 755 possible KASLR positions the workarea col"
    )
    assert report.boot.kernel_base == Known(
        0x7E400000, "a colliding one of 755 possible KASLR positions"
    )
    assert not report.boot.base_is_certain
    hits = [finding for finding in report.findings if finding.effect is Effect.COLLISION]
    assert hits
    assert all(finding.condition is not None for finding in hits)


def test_a_proof_needs_no_places() -> None:
    report = analyze(founding("rfc-l-c-2g-kaslr1"))
    assert (report.verdict, report.basis) == (Verdict.CLEAR, Basis.PROOF)
    assert report.kaslr is not None
    assert report.kaslr.slots.count > 700
    assert report.kaslr.collisions is not None
    assert report.kaslr.collisions.count == 0


def machine(ram: list[Span], initrd: Span | None, base: int, crash: Span | None) -> Case:
    """Make a load of the v5.0 kernel of the after-end scheme at ``base``."""
    image = kernel("5.0-old")
    spans = [
        (SegmentRole.KERNEL, Span.sized(base, 0xD41000)),
        (SegmentRole.BOOT_PARAMS, Span.sized(base + 0xD41000, 0x4000)),
        (SegmentRole.PURGATORY, Span.sized(base + 0xD45000, 0x9000)),
        *([(SegmentRole.INITRD, initrd)] if initrd is not None else []),
    ]
    segments = [Segment(r, s, s.size, SegmentOrigin.LOG, "test") for r, s in spans]
    lines = [f"{span.start:08x}-{span.end - 1:08x} : System RAM" for span in ram]
    if crash is not None:
        holder = next(number for number, span in enumerate(ram) if span.covers(crash))
        lines.insert(holder + 1, f"  {crash.start:08x}-{crash.end - 1:08x} : Crash kernel")
    memory: MemoryMap = parse_iomem("\n".join(["00000000-00000fff : Reserved", *lines]), "iomem")
    mode = Mode.LOAD if crash is None else Mode.CRASH
    load = SegmentList(
        "load",
        tuple(sorted(segments, key=lambda segment: segment.span)),
        Known(Loader.KEXEC_LOAD, "test"),
        Known(mode, "test"),
        Known("mem_encrypt=on", "test"),
        Unknown("test"),
    )
    return Case(image, BootRequest(), load, replace(memory, missing=Missing.NOTHING))


@st.composite
def loads(draw: st.DrawFn) -> Case:
    """Draw a small machine, its ranges close to where the workarea may reach."""
    ram, position = [], 16 * MIB
    for _ in range(draw(st.integers(1, 4))):
        start = position + draw(st.integers(0, 3)) * MIB
        size = draw(st.integers(20, 160)) * MIB + draw(st.sampled_from([0, 0x1000, 0x9000]))
        ram.append(Span.sized(start, size))
        gap = draw(st.sampled_from([1, 2, 30, 700]))
        position = align_up(start + size, MIB) + gap * MIB
    home = draw(st.sampled_from([span for span in ram if span.size >= 18 * MIB]))
    base = align_up(home.start, 2 * MIB)
    crash = None
    if draw(st.booleans()):
        crash = Span(home.start, home.end - draw(st.integers(0, 2)) * MIB)
    above = base + 0xD4E000
    room = (home.end if crash is None else crash.end) - above
    initrd = None
    if room > MIB and draw(st.booleans()):
        start = above + draw(st.integers(0, room // 0x1000 - 1)) * 0x1000
        limit = (home.end if crash is None else crash.end) - start
        initrd = Span.sized(start, draw(st.integers(1, min(limit, 24 * MIB))))
    return machine(ram, initrd, base, crash)


@settings(
    max_examples=60,
    database=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
@given(loads())
def test_agrees_with_the_rules_on_small_machines(question: Case) -> None:
    assert_agrees(question)


def test_agrees_around_borders_of_gigabytes() -> None:
    base = 3 * GIB + 16 * MIB
    ram = [Span(GIB - 60 * MIB, GIB + 60 * MIB), Span(2 * GIB - 40 * MIB, 2 * GIB + 6 * MIB)]
    ram.append(Span(3 * GIB, 3 * GIB + 100 * MIB))
    ram += [Span(border - 60 * MIB, border + 60 * MIB) for border in (4 * GIB, 512 * GIB)]
    question = machine(ram, Span.sized(base + 40 * MIB, 3 * MIB + 5), base, None)
    sweep = assert_agrees(question)
    assert sweep.collisions is not None
    assert "SME020" in {collision.rule for collision in sweep.collisions.by_rule}


IMAGE = 12 * MIB
"""From _text of that kernel to its workarea."""


@pytest.mark.parametrize(
    ("clear", "colliding", "initrd", "tables", "options"),
    [
        pytest.param(2 * GIB, 5 * GIB - 6 * MIB, None, 5, (), id="1 GiB frames of the image"),
        pytest.param(
            3 * GIB + 64 * MIB, 5 * GIB, 3 * GIB + 48 * MIB, 5, (), id="1 GiB frame of the initrd"
        ),
        pytest.param(511 * GIB - IMAGE, 512 * GIB - IMAGE, None, 7, (), id="512 GiB frames"),
        pytest.param(
            *(512 * GIB - IMAGE, 1024 * GIB - IMAGE, 3 * GIB + 48 * MIB, 11, ()),
            id="512 GiB frame of the initrd, and the image",
        ),
        pytest.param(
            *(512 * GIB - IMAGE, 1536 * GIB - IMAGE, 600 * GIB + 48 * MIB, 11, ()),
            id="512 GiB frame of the initrd, and the workarea",
        ),
        pytest.param(
            GIB - IMAGE, 5 * GIB - IMAGE, None, 7, ("--entry-32bit",), id="mapped by startup_32()"
        ),
    ],
)
def test_agrees_where_places_differ_in_one_point(
    clear: int, colliding: int, initrd: int | None, tables: int, options: tuple[str, ...]
) -> None:
    question = with_two_places(clear, colliding, initrd, tables)
    question = replace(question, machine=Machine(Host(kexec_options=options)))
    assert_only_collides(question, clear, colliding)


@pytest.mark.parametrize(
    ("clear", "colliding", "initrd", "tables"),
    [
        pytest.param(512 * GIB, 1 << 48, None, 11, id="of the image"),
        pytest.param(1 << 48, 2 << 48, 3 * GIB, 17, id="of initrd and image"),
        pytest.param(1 << 48, 3 << 48, (1 << 48) + 3 * GIB, 17, id="of initrd and workarea"),
    ],
)
def test_agrees_where_places_differ_in_256_tib_frames(
    clear: int, colliding: int, initrd: int | None, tables: int
) -> None:
    """A kernel that was built for five levels, such as v4.15, has tables of these."""
    question = with_two_places(clear - IMAGE, colliding - IMAGE, initrd, tables)
    image = replace(question.image, release=Known("4.15.0", "a test"))
    request = replace(question.asked, paging=Paging.FIVE)
    question = replace(question, image=image, asked=request)
    assert_only_collides(question, clear - IMAGE, colliding - IMAGE)


def with_two_places(clear: int, colliding: int, initrd: int | None, tables: int) -> Case:
    """Return a machine whose two pieces of memory hold one slot each.

    They end with the page tables that the workarea has in the first.
    """
    home = 3 * GIB if initrd is None else initrd - 48 * MIB
    size = IMAGE + EXECUTE_LEN + tables * PAGE_SIZE
    ram = [Span.sized(home, 52 * MIB), Span.sized(clear, size), Span.sized(colliding, size)]
    loaded = Span.sized(initrd, 2 * MIB) if initrd is not None else None
    return machine(sorted(ram), loaded, home + 16 * MIB, None)


def assert_only_collides(question: Case, clear: int, colliding: int) -> None:
    sweep = assert_agrees(question)
    assert {clear, colliding} <= set(every_slot(sweep))
    assert (collides(question, clear), collides(question, colliding)) == (False, True)


def test_agrees_where_an_image_ends_with_its_gigabyte() -> None:
    """The decompressor maps the image, and nothing of the GiB in which the workarea lies."""
    whole, size = kernel("5.0-old"), 10 * MIB
    header = replace(whole.header, output_len=Known(size, "a test"))
    symbols = {**whole.symbols, "_end": whole.symbols["_text"] + size}
    question = machine(
        [Span(2 * GIB - 16 * MIB, 2 * GIB + 6 * MIB), Span.sized(5 * GIB, 52 * MIB)],
        None,
        5 * GIB + 16 * MIB,
        None,
    )
    question = replace(question, image=replace(whole, header=header, symbols=symbols))
    assert_agrees(question)
    slots = [2 * GIB - size + number * 2 * MIB for number in range(-2, 2)]
    assert [collides(question, address) for address in slots] == [False, True, True, False]


@pytest.mark.parametrize(
    ("role", "is_avoided"),
    [
        (SegmentRole.SETUP_DATA, True),
        (SegmentRole.RNG_SEED, True),
        (SegmentRole.E820_EXT, True),
        (SegmentRole.ELFCOREHDR, False),
    ],
)
def test_a_kernel_is_not_moved_over_setup_data(role: SegmentRole, is_avoided: bool) -> None:
    """Of whatever else is loaded the decompressor knows nothing."""
    there = Span.sized(80 * MIB + PAGE_SIZE, PAGE_SIZE)
    question = machine([Span.sized(32 * MIB, 128 * MIB)], None, 32 * MIB, None)
    assert question.segments is not None
    more = Segment(role, there, there.size, SegmentOrigin.LOG, "test")
    segments = replace(question.segments, segments=(*question.segments.segments, more))
    sweep = swept(replace(question, segments=segments))
    over = [
        address
        for address in every_slot(sweep)
        if Span.sized(address, sweep.slots.image_size).overlaps(there)
    ]
    assert bool(over) is not is_avoided


FIRST_BOOTS = ["002", "004", "016", "018", "060", "166"]


@pytest.mark.parametrize("case_id", FIRST_BOOTS)
def test_first_boots_agree_with_the_rules(case_id: str) -> None:
    """The memory of real boots: the kernel may land at the end of RAM, or below the initrd."""
    case = next(case for case in CASES if case["id"] == case_id)
    early = replace(early_boot(case), input=Unknown("a test"), cmdline=Known("", "a test"))
    assert isinstance(early.e820, Known)
    ranges = sorted(early.e820.value.ranges, key=lambda entry: entry.span)
    names = {1: "System RAM"}
    text = "\n".join(
        f"{entry.span.start:08x}-{entry.span.end - 1:08x} : {names.get(entry.type, 'Reserved')}"
        for entry in ranges
        if entry.span
    )
    memory = replace(parse_iomem(text, "iomem"), missing=Missing.NOTHING)
    request = asked_by_options(path=Path.FIRST_BOOT, cmdline="mem_encrypt=on")
    question = Case(kernel("5.0-old"), request, None, memory, early=early)
    sweep = swept(question)
    assert sweep.collisions is not None
    step, highest = sweep.slots.alignment, sweep.slots.highest
    assert highest is not None
    last = range(highest - 60 * step, highest + 1, step)
    found = [address for address in last if address in sweep.slots and collides(question, address)]
    assert (sweep.collisions.count, sweep.collisions.highest) == (
        len(found),
        max(found, default=None),
    )
    report = analyze(question)
    assert report.verdict is (Verdict.COLLISION if found else Verdict.CLEAR)


def test_maps_that_contradict_each_other_are_counted_without_looking_at_every_gigabyte() -> None:
    text = "schema: smecheck/boot-v1\ne820: [{start: 16M, end: 4096T, type: 1}]\nsetup_data: []\n"
    early = read_boot_description(text + "initrd: {start: 1M, size: 1M}\n", "boot.yaml")
    memory = replace(
        parse_iomem("00001000-7fffffff : System RAM", "iomem"), missing=Missing.NOTHING
    )
    request = asked_by_options(path=Path.FIRST_BOOT, cmdline="mem_encrypt=on")
    question = Case(kernel("5.0-old"), request, None, memory, early=early)
    sweep = swept(replace(question, early=replace(early, five_levels=Known(True, "a test"))))
    assert sweep.collisions is not None
    reaches_over = next(
        address
        for address in range(2 * GIB - 32 * MIB, 2 * GIB, 2 * MIB)
        if collides(question, address)
    )
    assert sweep.collisions.lowest == reaches_over
    below = slots_within(sweep.slots, Span(0, reaches_over))
    assert sweep.collisions.count == sweep.slots.count - below


def test_an_initrd_that_no_machine_holds_takes_no_memory() -> None:
    # As fuzzing found: 16 million frames of 512 GiB were kept in a set, 1.1 GiB of it.
    text = "schema: smecheck/boot-v1\ne820: [{start: 16M, end: 2G, type: 1}]\nsetup_data: []\n"
    text += f"initrd: {{start: 0x7f000000, size: {1 << 63}}}\n"
    early = read_boot_description(text, "boot.yaml")
    request = asked_by_options(path=Path.FIRST_BOOT, cmdline="mem_encrypt=on")
    question = Case(kernel("5.0-old"), request, None, None, early=early)
    tracemalloc.start()
    try:
        assert swept(question).slots.count
        assert tracemalloc.get_traced_memory()[1] < 64 * MIB
    finally:
        tracemalloc.stop()


def test_a_rule_about_the_place_says_once_what_it_forbids() -> None:
    """Whatever collides at one address is asked of all places."""
    about_places = {
        rule.id
        for rule in RULES.values()
        if rule.effect is Effect.COLLISION and {needs.places, needs.entry_tables} & {*rule.needs}
    }
    assert about_places == {rule.id for rule in RULES.values() if rule.is_of_places}
    asked = {rule.id for rule in rules_of_places()} | {not_mapped_at_entry.id}
    assert asked == about_places, "what is passed over at one address is asked of all places"
