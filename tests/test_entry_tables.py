"""The page tables at entry: what mapping the workarea takes, and where the kernel faults."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recorded import kernel, load_json, segment_list

from smecheck.analysis import analyze
from smecheck.answer import Report, Verdict
from smecheck.asked import BootRequest, Paging, Path, Switch
from smecheck.case import Case
from smecheck.checks.finding import Finding
from smecheck.evidence import Known, Unknown, value_of
from smecheck.kernel.image import KernelImage
from smecheck.load.request import Machine
from smecheck.machine.host import Host
from smecheck.machine.memory import MemoryMap
from smecheck.read.machine.iomem import parse_iomem
from smecheck.record import replace
from smecheck.span import Span, SpanSet, align_down, align_up
from smecheck.workarea.entry_tables import meet
from smecheck.workarea.placement import TablesAtEntry

PAGE, FRAME, GIB = 0x1000, 2 << 20, 1 << 30
SIZES = {4: (1 << 39, 1 << 30), 5: (1 << 48, 1 << 39, 1 << 30)}


# Against the kernels' own compiled code.

MACHINE_CODE = [
    pytest.param(name, case, id=f"{name}-{number}")
    for name in ("5.0-old", "6.1.0-56-cloud-amd64", "7.3.4+deb13-cloud-amd64")
    for number, case in enumerate(load_json("machine-code", f"{name}.json")["cases"])
    # v5.0 builds 4-level tables under LA57: what it does then follows no rule.
    if not (case["la57"] and name == "5.0-old")
]


def tables_of(case: dict[str, Any]) -> SpanSet:
    """Return what the emulator's tables mapped at entry, by their name."""
    base, start, end = (int(case[key], 16) for key in ("base", "start", "end"))
    in_image = case["end"] if case["in_section"] else case["start"]
    image = Span(base, int(in_image, 16)).aligned_out(FRAME)
    around = Span(align_down(base, GIB), align_up(end + 512 * FRAME, GIB))
    low, first_16m = Span(0, 4 * GIB), Span(0, 16 << 20)
    return SpanSet(
        {
            "empty": [],
            "boot": [low, image],
            "image": [first_16m, image],
            "endonly": [first_16m, Span(base, start)],
            "ram2m": [low, around],
            "ram1g": [low, around],
        }[case["variant"]]
    )


@pytest.mark.parametrize(("name", "case"), MACHINE_CODE)
def test_tables_are_added_and_the_kernel_faults_as_its_code_did(
    name: str, case: dict[str, Any]
) -> None:
    workarea = Span(int(case["start"], 16), int(case["end"], 16))
    mapped = tables_of(case | {"in_section": name != "5.0-old"})
    met = meet(mapped, workarea, levels=5 if case["la57"] else 4)
    assert met.added == case["tables_added"]
    assert met.faults is case["faults"]
    assert bool(met.unreached) is (case["tables_added"] > 0)


def test_the_runs_hold_both_kinds() -> None:
    added = [case["tables_added"] for _, case in (param.values for param in MACHINE_CODE)]
    assert len(added) == 380 - 9
    assert sorted(set(added)) == [0, 2, 3, 4]


# Against the code's own steps, frame by frame.


def walk(mapped: SpanSet, workarea: Span, levels: int) -> tuple[int, bool]:
    """Map the workarea as sme_prepare_pgd() does, in tables that are sets of entries."""
    entries = {
        (size, at // size) for size in SIZES[levels] for span in mapped for at in frames(span)
    }
    present = {at for span in mapped for at in frames(span)}
    area, faulted, added = workarea.start + 0x202000, False, 0
    for at in range(workarea.start, workarea.end, FRAME):
        for size in SIZES[levels]:
            if (size, at // size) not in entries:
                faulted |= align_down(area, FRAME) not in present
                entries.add((size, at // size))
                area, added = area + PAGE, added + 1
        present.add(at)
    return added, faulted


def frames(span: Span) -> range:
    return range(span.start, span.end, FRAME)


borders = st.sampled_from([4 * GIB, 512 * GIB, 513 * GIB, 1 << 48])


@settings(max_examples=400)
@given(
    borders,
    st.integers(-6, 6),
    st.integers(2, 4),
    st.sets(st.integers(-1024, 1024), max_size=3) | st.sets(st.integers(-6, 6), max_size=4),
    st.sampled_from([4, 5]),
)
def test_meeting_is_what_the_steps_come_to(
    border: int, first: int, count: int, mapped: set[int], levels: int
) -> None:
    workarea = Span.sized(border + first * FRAME, count * FRAME)
    spans = SpanSet(Span.sized(border + frame * FRAME, FRAME) for frame in mapped)
    met = meet(spans, workarea, levels=levels)
    assert (met.added, met.faults) == walk(spans, workarea, levels)
    assert not met.faults or met.added


# Which tables a boot starts from.

OLD, NEW = kernel("5.0-old"), kernel("6.1.0-56-amd64")
FOUR = BootRequest(kaslr=Switch.OFF, paging=Paging.FOUR, sme=Switch.ON)
CROSSING = 0x3F200000
"""The v5.0 kernel's workarea is [0x3fe00000, 0x40200000) there, its segment ends at 0x3ff41000."""
LAST = Span(GIB, GIB + FRAME)
BELOW = Span.sized(0x98000, 0x2000)
NOBITS = replace(
    NEW,
    sections=tuple(
        replace(section, type="NOBITS") if section.name == ".init.scratch" else section
        for section in NEW.sections
    ),
)


def machine(*others: str, ram_end: int = GIB) -> MemoryMap:
    lines = (
        "00000000-00000fff : Reserved",
        "00001000-0009ffff : System RAM",
        f"00100000-{ram_end - 1:08x} : System RAM",
        *others,
    )
    return parse_iomem("\n".join(lines) + "\n", "iomem")


def answer(
    memory: MemoryMap | None = None,
    request: BootRequest = FOUR,
    *,
    image: KernelImage = OLD,
    at: int = CROSSING,
    size: int = 0xD41000,
    **others: Span,
) -> Report:
    spans = {"kernel": Span.sized(at, size), "boot_params": BELOW} | others
    return analyze(Case(image, request, segment_list(**spans), memory))


def tables(report: Report) -> TablesAtEntry:
    assert report.actual is not None
    assert report.actual.tables is not None
    return report.actual.tables


def faults(report: Report) -> list[Finding]:
    return [finding for finding in report.findings if finding.rule == "SME020"]


def test_kexec_does_not_map_what_is_no_memory() -> None:
    found = answer(machine())
    (fault,) = faults(found)
    assert fault.span == LAST
    assert fault.condition is None
    assert found.verdict is Verdict.COLLISION
    assert isinstance(tables(found).added, Unknown)
    assert found.actual is not None
    assert not found.actual.written_is_exact


def test_kexec_maps_memory_and_segments() -> None:
    for reached in (
        answer(machine(ram_end=2 * GIB)),
        answer(machine("7fe00000-7fffffff : System RAM")),
        answer(machine(), initrd=Span.sized(0x7FE00000, PAGE)),
    ):
        assert not faults(reached)
        assert value_of(tables(reached).added) == 0
    # Some memory anywhere in that GiB is enough: there is a table then.
    assert answer(machine("7fe00000-7fffffff : System RAM")).verdict is Verdict.COLLISION  # SME004


@pytest.mark.parametrize("name", ["Reserved", "ACPI Tables", "ACPI Non-volatile Storage"])
def test_firmware_tables_in_that_frame_make_it_conditional(name: str) -> None:
    (fault,) = faults(answer(machine(f"50000000-50000fff : {name}")))
    assert "ACPI or EFI table" in (fault.condition or "")
    (fault,) = faults(answer(machine(f"90000000-90000fff : {name}")))
    assert fault.condition is None
    bus = machine(
        "50000000-5fffffff : PCI MMCONFIG 0000 [bus 00-ff]", "  50000000-5fffffff : Reserved"
    )
    (fault,) = faults(answer(bus))
    assert fault.condition is None


def test_without_the_machine_nothing_is_claimed() -> None:
    fragment = parse_iomem("00100000-3fffffff : System RAM\n", "iomem")
    for found in (answer(None), answer(fragment)):
        assert not faults(found)
        assert isinstance(tables(found).added, Unknown)


def test_a_kernel_that_is_entered_at_startup_32_has_its_tables() -> None:
    spans = {"kernel": Span.sized(CROSSING, 0xD41000), "boot_params": BELOW}
    for option, reached in (("--entry-32bit", True), ("--real-mode", True), ("--noefi", False)):
        host = Machine(Host("host.yaml", kexec_options=(option,)))
        load = segment_list(**spans)
        found = analyze(Case(OLD, FOUR, load, machine(), machine=host))
        assert bool(faults(found)) is not reached
        # It is no memory all the same.
        assert found.verdict is Verdict.COLLISION


@pytest.mark.parametrize("gbpages", [True, False])
def test_the_size_of_kexecs_pages_changes_nothing_for_a_frame_without_memory(gbpages: bool) -> None:
    host = Machine(Host("host.yaml", gbpages=Known(gbpages, "host.yaml:2")))
    spans = {"kernel": Span.sized(CROSSING, 0xD41000), "boot_params": BELOW}
    found = analyze(Case(OLD, FOUR, segment_list(**spans), machine(), machine=host))
    assert [fault.condition for fault in faults(found)] == [None]


def test_what_a_fragment_of_a_map_shows_is_mapped() -> None:
    fragment = parse_iomem("00100000-7fffffff : System RAM\n", "iomem")
    assert not fragment.complete
    assert value_of(tables(answer(fragment)).added) == 0


def test_a_table_whose_place_is_mapped_by_then_is_one_more_page() -> None:
    # A workarea of 6 MiB, for an initrd of 236 GiB; its third frame begins a GiB without a table.
    memory = machine("100000000-3fffffffff : System RAM")
    initrd = Span.sized(0x100000000, 236 * GIB)
    found = answer(memory, at=GIB - 0x1000000, initrd=initrd).actual
    beside = answer(memory, at=GIB - 0x1200000, initrd=initrd).actual
    assert found is not None
    assert beside is not None
    assert found.extents is not None
    assert beside.extents is not None
    assert found.extents.mapped_end == GIB + FRAME
    assert value_of(found.tables.added) == 1  # type: ignore[union-attr]
    assert value_of(beside.tables.added) == 0  # type: ignore[union-attr]
    assert found.written_is_exact
    # The GiB costs a table in the tree that is built as well, and twice.
    assert found.extents.written.size == beside.extents.written.size + 3 * PAGE
    assert found.derivation[-1].value == found.extents.written_end


def test_a_decompressor_that_moves_the_kernel_maps_little() -> None:
    moved = BootRequest(load_address=CROSSING, kaslr=Switch.ON)
    found = answer(machine(ram_end=2 * GIB), moved, at=0x20000000)
    (fault,) = faults(found)
    assert "KASLR chose the place" in (fault.condition or "")
    # Its own place, boot_params or the command line may lie there; it ends with its buffer.
    beside = answer(machine(ram_end=2 * GIB), moved, at=0x60000000)
    assert not faults(beside)
    assert not faults(
        answer(
            machine(ram_end=2 * GIB), moved, at=0x20000000, boot_params=Span.sized(0x50000000, PAGE)
        )
    )
    reaching_back = answer(machine(ram_end=3 * GIB), moved, at=2 * GIB - 0x400000)
    assert faults(reaching_back)


def test_a_decompressor_maps_what_kaslr_reserved() -> None:
    moved = BootRequest(load_address=CROSSING, kaslr=Switch.ON)
    for reserved, reached in ((0xE00000, False), (0xE00001, True)):
        header = replace(OLD.header, output_len=Known(reserved, "a test"))
        image = replace(OLD, header=header)
        found = answer(machine(ram_end=2 * GIB), moved, image=image, at=0x20000000)
        assert bool(faults(found)) is not reached


def test_kaslr_that_may_move_it_leaves_it_open() -> None:
    found = answer(machine(ram_end=2 * GIB), BootRequest(kaslr=Switch.ON))
    assert not faults(found)
    assert isinstance(tables(found).added, Unknown)


def test_a_section_in_the_file_is_mapped_since_it_was_unpacked() -> None:
    base = GIB - 0x3800000
    found = answer(machine(ram_end=2 * GIB), image=NEW, at=base, size=0x3800000)
    assert tables(found).added == Known(0, "the section was unpacked there with the image")
    for output_len, reached in ((0x3800000, False), (0x3800001, True)):
        header = replace(NEW.header, output_len=Known(output_len, "a test"))
        image = replace(NOBITS, header=header)
        nobits = answer(machine(ram_end=2 * GIB), image=image, at=base, size=0x3800000)
        assert bool(faults(nobits)) is not reached
    header = replace(NEW.header, output_len=Unknown("a test"))
    unknown = replace(NOBITS, header=header)
    (fault,) = faults(answer(machine(ram_end=2 * GIB), image=unknown, at=base, size=0x3800000))
    assert "tables of its own (v5.10)" in (fault.condition or "")


@pytest.mark.parametrize(
    ("release", "is_exact"), [("5.9.0", True), ("5.10.0", False), ("6.1.0", False)]
)
def test_a_decompressor_may_map_less_than_kexec_since_v5_10(release: str, is_exact: bool) -> None:
    """Of a workarea after the end: here it would lie past all that is unpacked."""
    header = replace(NEW.header, output_len=Known(0x3600000, "a test"))
    image = replace(NEW, header=header, release=Known(release, "a test"))
    found = answer(machine(ram_end=2 * GIB), image=image, at=GIB - 0x3600000, size=0x3600000)
    after_end, _ = found.placements
    assert after_end.written_is_exact is is_exact


def test_a_vmlinux_starts_from_kexecs_tables() -> None:
    image = replace(
        OLD,
        loads=tuple(replace(load, paddr=load.paddr + CROSSING - 0x1000000) for load in OLD.loads),
    )
    spans = sorted(Span.sized(load.paddr, load.memsz) for load in image.loads)
    parts = [segment_list(kernel=span).segments[0] for span in spans]
    load = replace(segment_list(boot_params=BELOW), segments=())
    load = replace(load, segments=(*segment_list(boot_params=BELOW).segments, *parts))
    found = analyze(Case(image, BootRequest(), load, machine()))
    assert [fault.span for fault in faults(found)] == [LAST]
    reached = analyze(Case(image, BootRequest(), load, machine(ram_end=2 * GIB)))
    assert not faults(reached)


def test_a_first_boot_claims_only_what_every_loader_does() -> None:
    first = replace(FOUR, path=Path.FIRST_BOOT)
    found = answer(machine(ram_end=2 * GIB), first)
    assert not faults(found)
    assert "64-bit boot loader" in tables(found).added.reason  # type: ignore[union-attr]
    assert value_of(tables(answer(machine(), first, at=0x10000000)).added) == 0
