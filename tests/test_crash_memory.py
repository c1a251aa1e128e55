"""What a crash kernel may use beside its reservation: from each of the ways to say it."""

from __future__ import annotations

from pathlib import Path

import pytest
from commandline import call
from kaslr_cases import slots_within
from recorded import DATA, kernel, segment_list

from smecheck.analysis import analyze
from smecheck.answer import Report
from smecheck.asked import BootRequest, Switch, asked_by_options
from smecheck.case import Case
from smecheck.errors import InputError
from smecheck.evidence import Known
from smecheck.load.request import Machine
from smecheck.load.segments import Loader, Mode
from smecheck.machine.host import Host
from smecheck.read.machine.crash_cma_ranges import read_crash_cma_ranges
from smecheck.read.machine.iomem import parse_iomem
from smecheck.read.source import NamedStream
from smecheck.record import replace
from smecheck.span import Span

OLD = kernel("5.0-old")
IOMEM = """\
00001000-0009ffff : System RAM
00100000-7ffdffff : System RAM
  20000000-2fffffff : Crash kernel
"""
AREA = Span(0x40000000, 0x50000000)
SEGMENTS = segment_list(
    kernel=Span.sized(0x20000000, 0xD41000),
    boot_params=Span(0x2FF00000, 0x2FF06000),
    elfcorehdr=Span(0x2FFF0000, 0x30000000),
)
CRASH = asked_by_options(mode=Mode.CRASH, sme=Switch.ON)
QUIET = asked_by_options(mode=Mode.CRASH, sme=Switch.ON, cmdline="quiet")


def asked(request: BootRequest, host: Host, loader: Loader) -> Report:
    segments = replace(SEGMENTS, loader=Known(loader, "t"))
    machine = Machine(host=host)
    return analyze(Case(OLD, request, segments, parse_iomem(IOMEM, "iomem"), machine=machine))


def with_area(*spans: Span) -> Host:
    return Host(source="h", crash_cma_ranges=Known(spans, "h: crash_cma_ranges"))


def test_the_vmcore_lacks_what_is_handed_over() -> None:
    there = replace(CRASH, load_address=AREA.start)
    for host, loader, is_outside in (
        (Host(), Loader.KEXEC_FILE_LOAD, True),
        (with_area(AREA), Loader.KEXEC_FILE_LOAD, False),
        (with_area(AREA), Loader.KEXEC_LOAD, True),
        (with_area(), Loader.KEXEC_FILE_LOAD, True),
    ):
        rules = {finding.rule for finding in asked(there, host, loader).findings}
        assert ("SME006" in rules) is is_outside


def test_only_what_leaves_both_is_outside() -> None:
    last = replace(CRASH, load_address=AREA.end - 0xD00000)
    report = asked(last, with_area(AREA), Loader.KEXEC_FILE_LOAD)
    spans = [finding.span for finding in report.findings if finding.rule == "SME006"]
    assert spans
    assert spans[0] is not None
    assert spans[0].start == AREA.end


@pytest.mark.parametrize(
    ("host", "loader", "reaches"),
    [
        (with_area(AREA), Loader.KEXEC_FILE_LOAD, True),
        (with_area(AREA), Loader.KEXEC_LOAD, False),
        (with_area(), Loader.KEXEC_FILE_LOAD, False),
        (Host(), Loader.KEXEC_FILE_LOAD, False),
    ],
)
def test_where_kaslr_may_go(host: Host, loader: Loader, reaches: bool) -> None:
    report = asked(QUIET, host, loader)
    assert report.kaslr is not None
    assert bool(slots_within(report.kaslr.slots, AREA)) is reaches
    is_premise = any("crashkernel=…,cma" in text for text in report.assumptions)
    assert is_premise is (host == Host() and loader is Loader.KEXEC_FILE_LOAD)


def test_areas_that_are_asked_for_and_not_told() -> None:
    host = Host(source="h", cmdline=Known("ro crashkernel=256M crashkernel=1G,cma", "h: cmdline"))
    report = asked(QUIET, host, Loader.KEXEC_FILE_LOAD)
    assert report.kaslr is None
    assert any("crashkernel=1G,cma" in text for text in report.not_checked)
    old = replace(host, kernel_release=Known("6.16.0", "h"))
    assert asked(QUIET, old, Loader.KEXEC_FILE_LOAD).kaslr is not None


def read(text: str) -> list[Span]:
    return list(read_crash_cma_ranges(NamedStream.of("r", text.encode())).value)


@pytest.mark.parametrize(
    ("text", "spans"),
    [
        ("52000000-71ffffff\n", [Span(0x52000000, 0x72000000)]),
        (
            "52000000-71ffffff\n100000000-13fffffff\n",
            [
                Span(0x52000000, 0x72000000),
                Span(0x100000000, 0x140000000),
            ],
        ),
        ("", []),
        ("\n", []),
    ],
)
def test_the_file(text: str, spans: list[Span]) -> None:
    assert read(text) == spans


@pytest.mark.parametrize("text", ["71ffffff-52000000", "52000000", "a: b", "0-1\n" * 2000, "0-\0"])
def test_what_is_no_such_file(text: str) -> None:
    with pytest.raises(InputError):
        read(text)


def test_the_option(tmp_path: Path) -> None:
    """The log of that guest without its lines about CMA, and the file instead."""
    log = DATA / "guests" / "k73cloud-2g-bios-kaslr-crash-s-cma" / "dmesg.txt"
    lines = [line for line in log.read_text().splitlines() if "cma: " not in line]
    cut = tmp_path / "dmesg.txt"
    cut.write_text("\n".join(line for line in lines if "CMA reserved" not in line) + "\n")
    ranges = tmp_path / "crash_cma_ranges"
    ranges.write_text("52000000-71ffffff\n")
    loaded = ("--mode", "crash", "--loader", "kexec_file_load", "--initrd", "0")
    old = str(DATA / "kernels" / "5.0-old.yaml")
    options = (old, "--dmesg", str(cut), *loaded, "--cmdline", "quiet")
    untold = call("analyze", *options, "--format", "json").document
    assert untold["kaslr"] is None
    told = call("analyze", *options, "--crash-cma", str(ranges), "--format", "json").document
    assert told["kaslr"]["slots"] == 338
    used = {"path": str(ranges), "kind": "crash-cma", "used": ["crash_cma_ranges"]}
    assert used in told["inputs"]


def test_a_folder_of_a_machine_that_holds_the_file(tmp_path: Path) -> None:
    """triage: KASLR of the crash kernel reaches into the areas that sysfs shows."""
    for path, text in (
        ("proc/iomem", f"00000000-00000fff : Reserved\n{IOMEM}"),
        ("proc/cmdline", "ro crashkernel=256M crashkernel=256M,cma\n"),
        ("sys/kernel/kexec/crash_cma_ranges", "40000000-4fffffff\n"),
    ):
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    old = str(DATA / "kernels" / "5.0-old.yaml")
    loaded = ("--loader", "kexec_file_load", "--initrd", "0", "--cmdline", "quiet")
    done = call("triage", str(tmp_path), "--kernel", old, *loaded, "--format", "json")
    areas = done.document["report"]["kaslr"]["areas"]
    assert {"start": "0x40000000", "count": 122} in areas
