"""Kernels of today that really loaded and started others: predicted from the first one's log alone.

Every load that was recorded in a guest, from ``dmesg`` of its first kernel and from what kexec was
given; where the second kernel was, and its workarea. tests/data/guests/README.md says what ran.
"""

from __future__ import annotations

from typing import Any

import pytest
from kaslr_cases import slots_within
from recorded import DATA, kernel, load_json

from smecheck.analysis import analyze, answer
from smecheck.answer import Report
from smecheck.asked import BootRequest, GivenInitrd, asked_by_options
from smecheck.boot.case_as_asked import with_memory
from smecheck.case import Case
from smecheck.evidence import Known, value_of
from smecheck.load.load_of_case import predicted_load
from smecheck.load.request import Machine
from smecheck.load.segments import Loader, Mode, Segment, SegmentList
from smecheck.machine.host import Host
from smecheck.read.load.segments import read_segments
from smecheck.read.log.dmesg import read_dmesg
from smecheck.span import Span

FOLDER = DATA / "guests"
GUESTS = sorted(path.name for path in FOLDER.iterdir() if path.is_dir())
RESULTS = {name: load_json("guests", name, "result.json") for name in GUESTS}
LOADS = [(name, load) for name in GUESTS for load in RESULTS[name]["loads"]]
CMA = "k73cloud-2g-bios-nokaslr-exec-s-cma"


def question(name: str, load: dict[str, Any]) -> Case:
    """Ask for a load: the log of the first kernel, and what kexec was given."""
    return Case(
        image=kernel(RESULTS[name]["second"]),
        asked=asked_by_options(
            loader=Loader(load["loader"]),
            mode=Mode(load["mode"]),
            initrd=GivenInitrd(load["initrd_size"]),
            cmdline=load["cmdline"],
        ),
        log=read_dmesg(str(FOLDER / name / "dmesg.txt")),
        machine=Machine(host=Host(kexec_tools=Known(load["tools"], "--kexec-tools"))),
    )


def recorded(name: str, load: str) -> SegmentList:
    return read_segments(str(FOLDER / name / f"{load}.load.txt"))


def shown(segments: SegmentList) -> list[tuple[str, Span]]:
    return [(one.role.value, one.span) for one in segments.segments]


def contents(one: Segment, guest: str) -> int | None:
    """Return what of the segment is filled; a log does not tell how much EFI adds to it."""
    return None if "-ovmf-" in guest else one.buffer_size


def test_all_guests_are_there() -> None:
    assert (len(GUESTS), len(LOADS)) == (8, 33)


@pytest.mark.parametrize(
    ("name", "load"),
    [(name, load) for name, load in LOADS if name != CMA],
    ids=[f"{name} {load['name']}" for name, load in LOADS if name != CMA],
)
def test_load_from_the_log_alone(name: str, load: dict[str, Any]) -> None:
    predicted = answer(question(name, load)).segments
    assert predicted is not None
    assert predicted.predicted
    real = recorded(name, load["name"])
    assert shown(predicted) == shown(real)
    for guess, found in zip(predicted.segments, real.segments, strict=True):
        assert contents(guess, name) in (None, found.buffer_size), guess.role


def test_the_load_into_a_cma_area_is_not_predicted() -> None:
    (load,) = RESULTS[CMA]["loads"]
    predicted = predicted_load(with_memory(question(CMA, load)))
    assert predicted is not None
    assert predicted.segments is None
    reason = predicted.prediction.unknown or ""
    assert "area for contiguous memory" in reason
    assert "dmesg.txt:" in reason
    assert all(one.span.start >= 0x76E00000 for one in recorded(CMA, load["name"]).segments)


def second_boot(name: str) -> tuple[Report, dict[str, Any]]:
    """Ask where the second kernel ran: of its load as it was recorded, and the first one's log."""
    boot2 = RESULTS[name]["boot2"]
    report = analyze(
        Case(
            kernel(RESULTS[name]["second"]),
            asked_by_options(cmdline=boot2["cmdline"]),
            recorded(name, boot2["load"]),
            log=read_dmesg(str(FOLDER / name / "dmesg.txt")),
        )
    )
    return report, boot2


MOVED = [
    "k73cloud-2g-bios-kaslr-crash-s-cma",
    "mix-k510cloud-to-k73cloud-2g-bios-kaslr-crash-s",
]
"""KASLR of the second kernel chose another place."""


@pytest.mark.parametrize("name", MOVED)
def test_where_kaslr_put_it_is_in_the_set(name: str) -> None:
    report, boot2 = second_boot(name)
    assert report.kaslr is not None
    assert int(boot2["text"], 16) in report.kaslr.slots
    assert not report.boot.base_is_certain


def test_areas_that_kexec_file_load_hands_over_are_in_the_set() -> None:
    """It ran at 0x61000000, outside Crash kernel: with the table of the load, and without."""
    name = MOVED[0]
    told, boot2 = second_boot(name)
    predicted = answer(question(name, RESULTS[name]["loads"][0]))
    for report in (told, predicted):
        assert report.kaslr is not None
        assert int(boot2["text"], 16) in report.kaslr.slots
        assert slots_within(report.kaslr.slots, Span(0x52000000, 0x72000000)) > 0
    assert told.kaslr is not None
    assert predicted.kaslr is not None
    assert told.kaslr.slots.areas == predicted.kaslr.slots.areas


@pytest.mark.parametrize("name", [name for name in GUESTS if name not in MOVED])
def test_where_it_ran_and_its_workarea(name: str) -> None:
    report, boot2 = second_boot(name)
    assert report.boot.base_is_certain
    assert value_of(report.boot.kernel_base) == int(boot2["text"], 16)
    assert report.actual is not None
    assert report.actual.extents is not None
    assert report.actual.extents.start == int(boot2["workarea"], 16)


@pytest.mark.parametrize("name", MOVED)
def test_the_workarea_of_a_kernel_that_was_moved(name: str) -> None:
    boot2 = RESULTS[name]["boot2"]
    image = kernel(RESULTS[name]["second"])
    report = analyze(Case(image, BootRequest(load_address=int(boot2["text"], 16))))
    assert report.actual is not None
    assert report.actual.extents is not None
    assert report.actual.extents.start == int(boot2["workarea"], 16)
