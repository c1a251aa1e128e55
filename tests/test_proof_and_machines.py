"""The proof and the machine never contradict each other.

Where a way of loading is proven, no machine and no load that keeps to it collides; where it is not,
there is one that does, and it is shown.
"""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest
from commandline import run
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from recorded import DATA, kernel, segment_list

from smecheck.analysis import analyze
from smecheck.answer import Basis, Report, Verdict
from smecheck.asked import BootRequest, GivenInitrd, Path, Switch, asked_by_options
from smecheck.boot.boot import SME_IS_ON
from smecheck.case import Case
from smecheck.checks.finding import Effect
from smecheck.evidence import Known
from smecheck.kernel.identity import identify
from smecheck.kernel.image import KernelImage
from smecheck.load.segments import SegmentList
from smecheck.machine.memory import MemoryMap, Missing, Region, usable_ram
from smecheck.read.load.segments_description import read_segments_description
from smecheck.read.machine.iomem import parse_iomem
from smecheck.record import replace
from smecheck.report.counterexample_files import counterexample_files
from smecheck.span import Span, SpanSet, align_up
from smecheck.workarea.proof import reservations
from smecheck.workarea.proven import Counterexample, ProofPath, Way

NAMES = sorted(path.stem for path in (DATA / "kernels").iterdir())
IMAGES = {name: kernel(name) for name in NAMES}
PAGE, FRAME, GIB = 0x1000, 2 << 20, 1 << 30


def with_sizes(image: KernelImage, init_size: int, output_len: int) -> KernelImage:
    header = replace(
        image.header,
        init_size=Known(init_size, "a test"),
        output_len=Known(output_len, "a test"),
    )
    return replace(image, header=header)


def an_image(random: Random) -> KernelImage:
    """Make a kernel with sizes around those that decide."""
    image = IMAGES[random.choice(NAMES)]
    facts = identify(image)
    assert isinstance(facts.text, Known)
    assert isinstance(facts.end, Known)
    size = facts.end.value - facts.text.value
    around = align_up(size, FRAME) + 2 * FRAME

    def near() -> int:
        anywhere = random.randint(around - 3 * FRAME, around + FRAME)
        deciding = random.choice([around - 1, around, around - PAGE, around - FRAME])
        return random.choice([anywhere, deciding])

    # header.S: the buffer holds at least what is unpacked.
    output_len = near()
    return with_sizes(image, max(size, output_len, near()), output_len)


def neighbours(random: Random, kept: SpanSet, around: Span) -> dict[str, Span]:
    """Place boot_params, an initrd and a purgatory, near the kernel but not in what it keeps."""
    free = SpanSet([around]) - kept
    placed: dict[str, Span] = {}
    for name, most in (("boot_params", 4), ("initrd", 900), ("purgatory", 9)):
        gap = random.choice(list(free))
        pages = random.randint(1, min(most, gap.size // PAGE))
        room = (gap.size - pages * PAGE) // PAGE
        # Directly at an edge more often than not: that is where loaders put things.
        page = random.choice([0, room, random.randint(0, room)])
        placed[name] = Span.sized(gap.start + page * PAGE, pages * PAGE)
        free = free - SpanSet([placed[name]])
    return placed


def a_load(random: Random) -> Case:
    """Make a kernel, and a load of it on some machine that keeps what its way of loading keeps."""
    image = an_image(random)
    facts = identify(image)
    kept = reservations(image, facts)
    assert isinstance(kept.init_size, Known)
    assert isinstance(kept.needed_size, Known)
    assert isinstance(image.header.kernel_alignment, Known)
    alignment = image.header.kernel_alignment.value
    lowest, highest = 0x1000000 // alignment, (64 * GIB) // alignment
    base = random.choice([lowest, random.randint(lowest, highest)]) * alignment
    segment = Span.sized(base, align_up(kept.init_size.value, PAGE))
    spans, own, request = {"kernel": segment}, [segment], BootRequest(kaslr=Switch.OFF)
    if random.choice([True, False]):
        room = align_up(segment.size, alignment)
        output = base + random.choice([-4, -1, 1, 4]) * room
        if output < 0x1000000:
            output = base + room
        own.append(Span.sized(output, align_up(kept.needed_size.value, PAGE)))
        request = BootRequest(kaslr=Switch.ON, load_address=output)
    around = Span(
        max(0x100000, min(span.start for span in own) - 8 * FRAME),
        align_up(max(span.end for span in own), FRAME) + random.randint(3, 8) * FRAME,
    )
    spans |= neighbours(random, SpanSet(own), around)
    last = max(span.end for span in (*own, *spans.values()))
    ram_end = random.choice([last, around.end])
    return Case(image, request, segment_list(**spans), machine(ram_end))


def machine(ram_end: int) -> MemoryMap:
    regions = (
        Region("Reserved", Span(0, PAGE), 0, 1),
        Region("System RAM", Span(PAGE, 0xA0000), 0, 2),
        Region("System RAM", Span(0x100000, ram_end), 0, 3),
    )
    return MemoryMap("a test", regions, Missing.NOTHING, usable_ram(regions))


def way_of(question: Case) -> Way:
    return Way.KASLR if question.asked.kaslr is Switch.ON else Way.KEXEC


def path_of(report: Report, way: Way) -> ProofPath:
    assert report.proof is not None
    (only,) = (path for path in report.proof.paths if path.path is way)
    return only


COVERED = {"proven": 0, "colliding": 0}


# Hypothesis draws the number that all of a load is made of: a tenth of what drawing every choice
# takes. A number that fails is shown, and tried first in the next run.
@settings(max_examples=2000)
@given(st.randoms(use_true_random=True))
def test_what_is_proven_never_collides(random: Random) -> None:
    question = a_load(random)
    found = analyze(question)
    # KASLR chooses no place over boot_params, the initrd or the packed kernel.
    assume("SME024" not in {finding.rule for finding in found.findings})
    colliding = [f for f in found.findings if f.effect is Effect.COLLISION]
    if path_of(found, way_of(question)).holds:
        COVERED["proven"] += 1
        assert not colliding
        assert found.verdict is Verdict.CLEAR
    COVERED["colliding"] += bool(colliding)


def test_both_kinds_were_drawn() -> None:
    if sum(COVERED.values()) == 0:
        pytest.skip("the machines were not drawn: this test was run alone")
    assert COVERED["proven"] > 100
    assert COVERED["colliding"] > 100


def read_back(example: Counterexample) -> tuple[MemoryMap, SegmentList, int]:
    files: dict[str, Any] = counterexample_files(example)
    return (
        parse_iomem(files["iomem"], "iomem.txt"),
        read_segments_description(json.dumps(files["segments"]), "segments.yaml"),
        int(files["load_address"], 16),
    )


def confirm(image: KernelImage, example: Counterexample) -> None:
    memory, segments, load_address = read_back(example)
    request = BootRequest(load_address=load_address)
    found = analyze(Case(image, request, segments, memory))
    assert found.verdict is Verdict.COLLISION
    assert found.basis is Basis.MACHINE
    contradictions = {f.rule for f in found.findings if f.effect is Effect.CONTRADICTION}
    assert not contradictions
    assert any(f.effect is Effect.COLLISION and f.condition == SME_IS_ON for f in found.findings)


SIZES = [None, *map(GivenInitrd, (0, PAGE, 40 << 20))]


@settings(max_examples=300)
@given(st.randoms(use_true_random=True))
def test_each_counterexample_collides(random: Random) -> None:
    image = an_image(random)
    initrd, boot = random.choice(SIZES), random.choice(list(Path))
    found = analyze(Case(image, asked_by_options(path=boot, initrd=initrd)))
    assert found.proof is not None
    for path in found.proof.paths:
        if path.counterexample is not None:
            assert not path.holds
            confirm(image, path.counterexample)
        elif not path.holds:
            # KASLR rounds up to 2 MiB, or leaves a gap: so little beyond does no harm.
            assert path.path is Way.KASLR
            assert path.margin > -FRAME


@pytest.mark.parametrize("size", [236 << 30, 300 << 30])
def test_a_section_outgrown_by_its_initrd_has_a_counterexample(size: int) -> None:
    image = IMAGES["6.1.0-56-amd64"]
    found = analyze(Case(image, asked_by_options(initrd=GivenInitrd(size))))
    (elf,) = (path for path in found.proof.paths if path.path is Way.ELF)  # type: ignore[union-attr]
    assert not elf.holds
    assert elf.counterexample is not None
    confirm(image, elf.counterexample)


def test_what_a_bound_leaves_open_is_a_condition() -> None:
    found = analyze(Case(IMAGES["5.0-lucky"], BootRequest()))
    example = path_of(found, Way.KASLR).counterexample
    assert example is not None
    # 0x15f270c, or 0x1600000 where it is rounded up: that would be the whole workarea.
    assert example.condition is not None
    assert "rounds up to 2 MiB" in example.condition
    assert path_of(found, Way.ELF).counterexample.condition is None  # type: ignore[union-attr]


@pytest.mark.parametrize("way", ["kexec", "boot-loader", "kaslr", "elf"])
def test_the_files_of_a_counterexample_are_taken_by_the_command(way: str, tmp_path: Any) -> None:
    image = str(DATA / "kernels" / "5.0-old.yaml")
    report = run("analyze", image, "--format", "json").document
    (path,) = (path for path in report["proof"]["paths"] if path["path"] == way)
    example = path["counterexample"]
    iomem, segments = tmp_path / "iomem.txt", tmp_path / "segments.yaml"
    iomem.write_text(example["iomem"])
    segments.write_text(json.dumps(example["segments"]))
    found = run(
        *("analyze", image, "--format", "json", "--iomem", str(iomem)),
        *("--segments", str(segments), "--load-address", example["load_address"]),
    )
    assert found.status == 1
    assert found.document["verdict"] == "collision"
