"""The failure of June 2019 without a segment list: iomem and kernel alone tell where it collides.

Every experiment of tests/data/founding, predicted from its machine's iomem and what kexec was told.
"""

from __future__ import annotations

import re
from typing import Any

import pytest
from recorded import DATA, kernel, load_json
from test_founding_failure import EXPERIMENTS, expected_verdict, result

from smecheck.analysis import analyze
from smecheck.answer import Basis, Report, Verdict
from smecheck.asked import GivenInitrd, asked_by_options
from smecheck.case import Case
from smecheck.evidence import Known
from smecheck.load.naming import name_segments
from smecheck.load.request import Machine
from smecheck.load.segments import Loader, Mode, Segment, SegmentList, SegmentOrigin, SegmentRole
from smecheck.machine.host import Host
from smecheck.read.load.segments import read_segments
from smecheck.read.machine.iomem import read_iomem
from smecheck.record import replace
from smecheck.span import Span

INITRD_SIZE = 1032939
"""Of the initrd of all experiments (initrd2-small.gz); some took a second, larger one."""

HOST = Host(
    kexec_tools=Known("2.0.25", "recorded"),
    kernel_release=Known("6.1.0-56-amd64", "recorded"),
    cpus=Known(1, "recorded"),
    purgatory_size=Known(0x9000, "recorded"),
)


def command(name: str) -> dict[str, Any]:
    """Return what kexec was told, from the first line of the experiment's log."""
    line = (DATA / "founding" / name / "segments.txt").read_text().splitlines()[0]
    last = re.search(r"--mem-max=(\S+)", line)
    appended = re.search(r"--append=(.*?) {3}", line)
    assert appended is not None
    return {
        "loader": Loader.KEXEC_FILE_LOAD if " -s " in line else Loader.KEXEC_LOAD,
        "mode": Mode.CRASH if " -p " in line else Mode.LOAD,
        "window": Span(0, int(last[1], 0) + 1 if last else 1 << 64),
        "cmdline": appended[1],
    }


def predicted(name: str, **changes: Any) -> Report:
    told, recorded = command(name), result(name)
    moved = "nokaslr" not in recorded["cmdline"]
    boot = asked_by_options(
        loader=told["loader"],
        mode=told["mode"],
        cmdline=told["cmdline"],
        initrd=GivenInitrd(INITRD_SIZE),
        load_address=int(recorded["text"], 16) if moved else None,
    )
    image = kernel(changes.pop("kernel", recorded["kernel"]))
    memory = read_iomem(str(DATA / "founding" / name / "iomem.txt"))
    return analyze(
        Case(
            image,
            replace(boot, **changes),
            None,
            memory,
            machine=Machine(HOST, window=told["window"]),
        )
    )


def spans(segments: SegmentList | None) -> list[tuple[SegmentRole, Span]]:
    assert segments is not None
    return [(segment.role, segment.span) for segment in segments.segments]


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_segment_lies_where_kexec_put_it(name: str) -> None:
    recorded = read_segments(str(DATA / "founding" / name / "segments.txt"))
    loader = command(name)["loader"]
    named = name_segments(recorded.segments, loader, kernel(result(name)["kernel"]))
    assert spans(predicted(name).segments) == spans(replace(recorded, segments=named))


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_the_verdict_is_the_outcome(name: str) -> None:
    answer = predicted(name)
    assert answer.verdict is expected_verdict(name)
    if answer.verdict is Verdict.COLLISION:
        assert answer.basis is Basis.MACHINE
    assert any("predicted" in text for text in answer.not_checked)


def test_the_founding_story() -> None:
    """Old scheme, kdump, nokaslr: collision. The RFC's section: clear. The hack: clear."""
    name = "old-p-c-2g"
    old = predicted(name)
    assert (old.verdict, old.basis) == (Verdict.COLLISION, Basis.MACHINE)
    assert {finding.other.name for finding in old.findings if finding.other} >= {"boot_params"}
    fixed = predicted(name, kernel="5.0-rfc")
    assert fixed.verdict is Verdict.CLEAR
    assert analyze(hacked(old)).verdict is Verdict.CLEAR


def hacked(old: Report) -> Case:
    """Move boot_params and all above it 4 MiB away from the kernel's end, as Baoquan He did."""
    assert old.segments is not None
    kernel_end = old.segments.of(SegmentRole.KERNEL)[0].span.end
    distance = 4 << 20

    def moved(segment: Segment) -> Segment:
        span = segment.span
        if segment.role is SegmentRole.RNG_SEED:
            return segment
        below = span if span.start >= kernel_end else span.moved(-distance)
        return replace(segment, span=below, origin=SegmentOrigin.DESCRIPTION)

    segments = tuple(sorted(map(moved, old.segments.segments), key=lambda one: one.span))
    given = replace(old.segments, segments=segments, predicted=False, source="hack.yaml")
    boot = asked_by_options(cmdline="nokaslr mem_encrypt=on", mode=Mode.CRASH)
    return Case(kernel("5.0-old"), boot, given, old.memory)


def test_where_the_recorded_answers_are() -> None:
    assert load_json("founding", "old-p-c-2g", "result.json")["outcome"] == "DEAD"
