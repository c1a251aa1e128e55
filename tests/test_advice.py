"""What would help: every change that is said to help is tried again from outside."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from commandline import ROOT, run, sample
from recorded import DATA, kernel, load_json

from smecheck.advice.advise import advise, is_safe
from smecheck.analysis import analyze
from smecheck.answer import Advice, Cost, Report, Verdict
from smecheck.asked import BootRequest, GivenInitrd, asked_by_options
from smecheck.case import Case
from smecheck.evidence import Known, Unknown
from smecheck.load.request import Machine
from smecheck.load.segments import Loader, Mode
from smecheck.machine.host import Host
from smecheck.read.load.segments import read_segments
from smecheck.read.machine.iomem import read_iomem
from smecheck.record import replace
from smecheck.span import Span


def recorded(name: str) -> Case:
    """Return the question of an experiment, as somebody who has its files would ask it."""
    folder = DATA / "founding" / name
    result = load_json("founding", name, "result.json")
    return Case(
        image=kernel(result["kernel"]),
        asked=asked_by_options(cmdline=result["cmdline"]),
        segments=read_segments(str(folder / "segments.txt")),
        memory=read_iomem(str(folder / "iomem.txt")),
    )


def predicted(name: str, loader: Loader, **host: object) -> Case:
    question = recorded(name)
    described = replace(Host(), **host)
    mode = question.segments.mode.value if isinstance(question.segments.mode, Known) else None
    boot = asked_by_options(loader=loader, mode=mode, initrd=GivenInitrd(1032939))
    boot = boot.completed(by=question.asked)
    return replace(question, segments=None, asked=boot, machine=Machine(host=described))


def advice_on(question: Case) -> tuple[Report, tuple[Advice, ...]]:
    report = analyze(question)
    return report, advise(question, report)


def the(advice: tuple[Advice, ...], words: str) -> Advice:
    (found,) = [one for one in advice if words in one.change]
    return found


@pytest.mark.parametrize(
    "name", ["old-l-c-2g", "old-l-c-2g-mmA", "old-l-s-2g", "old-p-c-2g", "old-p-s-2g"]
)
def test_cheapest_first_and_two_ways_out_of_every_failure(name: str) -> None:
    report, advice = advice_on(recorded(name))
    assert report.verdict is Verdict.COLLISION
    costs = [one.cost.rank for one in advice]
    assert costs == sorted(costs)
    assert the(advice, "mem_encrypt=off").helps
    assert the(advice, "its own section").helps
    assert the(advice, "its own section").verdict is Verdict.CLEAR


def test_nothing_is_tried_where_nothing_is_wrong() -> None:
    report, advice = advice_on(recorded("rfc-l-c-2g"))
    assert is_safe(report)
    assert advice == ()


def test_window_of_the_record_is_found_out() -> None:
    """The experiment was loaded with --mem-max=0x7015dfff, which its segments do not tell."""
    _, advice = advice_on(recorded("old-l-c-2g-mmA"))
    assert "with --mem-max=0x7015dfff, the prediction matches the record exactly" in (
        the(advice, "kexec_file_load").note
    )


def test_a_record_that_no_prediction_gives_is_said() -> None:
    question = recorded("old-p-s-2g")
    _, advice = advice_on(question)
    assert "with care" in the(advice, "kexec_load (").note
    as_it_was = Machine(host=replace(Host(), kernel_release=Known("6.1.0", "the experiment")))
    _, advice = advice_on(replace(question, machine=as_it_was))
    assert "the prediction matches the record exactly" in the(advice, "kexec_load (").note


def test_window_that_helps_is_the_highest_of_those_tried() -> None:
    question = predicted("old-l-c-2g", Loader.KEXEC_LOAD, kexec_tools=Known("2.0.25", "test"))
    report, advice = advice_on(question)
    assert report.verdict is Verdict.COLLISION
    helping = the(advice, "--mem-max")
    assert helping.helps
    found = re.search(r"--mem-max=(0x[0-9a-f]+)", helping.change)
    assert found is not None
    last = int(found[1], 16)
    for tried, is_clear in ((last, True), (last + 0x10000, False)):
        assert question.machine is not None
        windowed = replace(question.machine, window=Span(0, tried + 1))
        assert is_safe(analyze(replace(question, machine=windowed))) is is_clear


@pytest.mark.parametrize("loader", Loader)
def test_larger_reservation_moves_the_neighbours_along(loader: Loader) -> None:
    report, advice = advice_on(predicted("old-p-c-2g", loader))
    assert report.boot.mode == Known(Mode.CRASH, "--mode")
    reservation = the(advice, "crashkernel=")
    assert not reservation.helps
    assert reservation.cost is Cost.REBOOT
    assert "a larger crashkernel= does not help" in reservation.note
    assert "keeps its end" in reservation.note


def test_smallest_reservation_that_holds_a_load_which_is_refused() -> None:
    """64 MiB do not hold 6.1 with a 40 MiB initrd; the kernel itself is proven clear."""
    question = predicted("old-p-c-2g", Loader.KEXEC_LOAD, kexec_tools=Known("2.0.25", "test"))
    memory = question.memory
    assert memory is not None
    reserved = memory.crash_kernel[0]
    small = replace(reserved, span=Span(reserved.span.end - (64 << 20), reserved.span.end))
    regions = tuple(small if one is reserved else one for one in memory.regions)
    question = replace(
        question,
        image=kernel("6.1.0-56-amd64"),
        memory=replace(memory, regions=regions),
        asked=asked_by_options(initrd=GivenInitrd(40 << 20)).completed(by=question.asked),
    )
    report, advice = advice_on(question)
    assert not is_safe(report)
    helping = the(advice, "crashkernel=")
    assert helping.helps
    found = re.search(r"crashkernel=([0-9]+)M", helping.change)
    assert found is not None
    for size, holds in ((int(found[1]) << 20, True), ((int(found[1]) - 16) << 20, False)):
        resized = replace(reserved, span=Span(reserved.span.end - size, reserved.span.end))
        regions = tuple(resized if one is reserved else one for one in memory.regions)
        again = replace(question, memory=replace(memory, regions=regions))
        assert is_safe(analyze(again)) is holds


def test_without_a_machine_only_what_needs_none_is_tried() -> None:
    _, advice = advice_on(Case(kernel("5.0-old"), asked_by_options(cmdline="nokaslr")))
    assert {one.cost for one in advice} == {Cost.BOOT_OPTION, Cost.KERNEL}


def test_command_line_that_is_not_known_stays_unknown() -> None:
    question = recorded("old-l-c-2g-mmA")
    assert question.segments is not None
    nameless = replace(question.segments, cmdline=Unknown("a test"))
    report, advice = advice_on(replace(question, asked=BootRequest(), segments=nameless))
    assert report.verdict is Verdict.UNDECIDED
    assert the(advice, "mem_encrypt=off").verdict is Verdict.NOT_APPLICABLE
    assert not any("nokaslr" in one.change for one in advice)


@pytest.mark.parametrize("report_format", ["text", "plain", "json"])
def test_asked_for_on_the_command_line(report_format: str) -> None:
    found = run(*sample("founding-failure"), "--advise", "--format", report_format)
    assert found.status == 1
    assert "mem_encrypt=off" in found.out
    if report_format == "json":
        advice = found.document["advice"]
        assert [one["helps"] for one in advice if one["cost"] == "kernel"] == [True]
    not_asked = run(*sample("founding-failure"), "--format", "json")
    assert not_asked.document["advice"] is None


def test_docs_name_every_cost() -> None:
    page = Path(ROOT, "docs", "reading-the-answer.md").read_text()
    assert all(f"`{cost.value}`" in page for cost in Cost)
