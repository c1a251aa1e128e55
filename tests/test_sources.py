"""Real reports in which two sources of one machine said different things."""

from __future__ import annotations

from pathlib import Path

import pytest
from recorded import DATA, kernel, load_json

from smecheck.analysis import analyze
from smecheck.answer import Verdict
from smecheck.asked import BootRequest, asked_by_options
from smecheck.case import Case
from smecheck.checks.finding import Effect, Finding, Severity
from smecheck.load.segments import Mode
from smecheck.machine.firmware import FirmwareMap
from smecheck.machine.kernel_log import KernelLog
from smecheck.read.load.segments import read_segments
from smecheck.read.log.dmesg import read_dmesg
from smecheck.read.machine.iomem import parse_iomem, read_iomem
from smecheck.read.machine.memmap import read_memmap
from smecheck.span import Span

LOGS = DATA / "machine-logs"
MAIL = DATA / "iomem" / "mail-weiser-one-dump.txt"
SOURCES = {"SME040", "SME041", "SME042", "SME043"}
FIRST_LINE = "BIOS-e820: [mem 0x0000000000000000"


def of_sources(question: Case) -> list[Finding]:
    return [found for found in analyze(question).findings if found.rule in SOURCES]


@pytest.mark.parametrize(
    ("lines", "hit"),
    [
        # The load that the mail complains of, and the one that went well.
        ((5, 7), True),
        ((13, 15), False),
    ],
)
def test_kexec_file_overwrites_reserved_efi_esrt_memory(
    lines: tuple[int, int], hit: bool, tmp_path: Path
) -> None:
    """kexec list, 2019-11-22: the kernel's segment lies over the ESRT, which is System RAM."""
    rows = MAIL.read_text().splitlines(keepends=True)
    load = tmp_path / "load.txt"
    load.write_text("".join(rows[lines[0] - 1 : lines[1]]))
    first, second, _ = "".join(rows).split(FIRST_LINE)
    log = tmp_path / "dmesg.txt"
    log.write_text(first + FIRST_LINE + second)
    question = Case(
        kernel("6.1.0-56-amd64"),
        asked_by_options(cmdline="nokaslr", mode=Mode.LOAD),
        read_segments(str(load)),
        log=read_dmesg(str(log)),
    )
    found = [finding for finding in of_sources(question) if finding.severity is not Severity.NOTE]
    # The page that holds it is kept at run time, as the second list of EFI memory says.
    expected = [Span(0x74DD6000, 0x74DD7000), Span(0x74DD6F98, 0x74DD6FD0)] if hit else []
    assert [finding.span for finding in found] == expected
    assert all(finding.rule == "SME042" for finding in found)
    assert all("kernel lies over" in finding.message for finding in found)


TOLD = "[    0.0] crashkernel reserved: 0x00000000d0000000 - 0x00000000da000000 (160 MB)\n"
MACHINE = "00000000-00000fff : Reserved\n00001000-0009ffff : System RAM\n00100000-{} : System RAM\n"


def test_the_log_reserved_and_grep_crash_got_nothing(tmp_path: Path) -> None:
    """fc7f27cda843, on a T440s: two greps that contradict each other."""
    log = tmp_path / "dmesg.txt"
    log.write_text(TOLD)
    iomem = parse_iomem(MACHINE.format("dfffffff"), "iomem.txt")
    question = Case(
        kernel("5.0-old"),
        asked_by_options(cmdline="nokaslr", mode=Mode.CRASH),
        memory=iomem,
        log=read_dmesg(str(log)),
    )
    report = analyze(question)
    (found,) = [finding for finding in report.findings if finding.rule == "SME041"]
    assert (found.severity, found.effect) == (Severity.ERROR, Effect.CONTRADICTION)
    assert found.span == Span(0xD0000000, 0xDA000000)
    assert f"{log}:1" in found.message
    assert "iomem.txt has no line Crash kernel" in found.message
    assert report.verdict is Verdict.UNDECIDED


BOOTS = sorted(path.name.removesuffix(".iomem.txt") for path in LOGS.glob("*.iomem.txt"))


def recorded(boot: str) -> tuple[FirmwareMap, KernelLog]:
    return read_memmap(str(LOGS / f"{boot}.memmap.txt")), read_dmesg(
        str(LOGS / f"{boot}.dmesg.txt")
    )


@pytest.mark.parametrize("boot", BOOTS)
def test_sources_of_one_boot_agree(boot: str) -> None:
    name = boot.partition(".boot")[0]
    folder = DATA / "captures" / name
    result = load_json("captures", name, "result.json")
    firmware, log = recorded(boot)
    iomem = read_iomem(str(LOGS / f"{boot}.iomem.txt"))
    is_first = boot.endswith("boot1")
    segments = read_segments(str(folder / "segments.txt")) if is_first else None
    request = asked_by_options(cmdline=result["cmdline"])
    image = kernel(result["kernel"])
    for given in ({"firmware": firmware}, {"log": log}, {"firmware": firmware, "log": log}):
        found = of_sources(Case(image, request, segments, iomem, **given))
        # Where kexec put the kernel over tables of the firmware, it came up without them.
        assert all(f.severity is Severity.NOTE and f.rule == "SME042" for f in found)


def test_sources_of_two_boots_do_not(tmp_path: Path) -> None:
    first, second = (f"k612-1g-bios-nokaslr-crash-s.boot{number}" for number in (1, 2))
    iomem = read_iomem(str(LOGS / f"{first}.iomem.txt"))
    firmware, log = recorded(second)
    image = kernel("6.12.117+deb12-amd64")
    for given in ({"firmware": firmware}, {"log": log}):
        found = of_sources(Case(image, BootRequest(), None, iomem, **given))
        assert "SME040" in {finding.rule for finding in found}
    mixed = of_sources(Case(image, BootRequest(), firmware=recorded(first)[0], log=log))
    assert "SME040" in {finding.rule for finding in mixed}
