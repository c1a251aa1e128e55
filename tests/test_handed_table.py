"""The e820 table that a load hands over, as its own text shows it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from recorded import DATA, kernel

from smecheck.analysis import analyze
from smecheck.answer import Report
from smecheck.asked import BootRequest, Switch, asked_by_options
from smecheck.case import Case
from smecheck.load.segments import SegmentList
from smecheck.machine.memory import MapKind
from smecheck.read.load.segments import read_segments
from smecheck.read.log.dmesg import read_dmesg
from smecheck.read.source import NamedStream
from smecheck.span import Span

CMA = DATA / "evidence" / "captures" / "k73cloud-2g-bios-nokaslr-exec-s-cma.load.txt"
TOOLS = DATA / "guests" / "k73cloud-2g-bios-nokaslr-exec-c" / "load-c.v32.load.txt"


def table_of(load: SegmentList) -> list[tuple[int, int, int]]:
    assert load.table is not None
    return [(entry.span.start, entry.span.end, entry.type) for entry in load.table.ranges]


def test_of_kexec_file_load() -> None:
    found = table_of(read_segments(str(CMA)))
    assert found[0] == (0, 0x9FC00, 1)
    assert found[3] == (0x100000, 0x7FFE0000, 1)
    assert found[-1] == (0xFD00000000, 0x10000000000, 2)
    assert len(found) == 9


def test_of_kexec_tools(tmp_path: Path) -> None:
    text = TOOLS.read_text()
    assert text.count("E820 memmap:") == 1
    found = table_of(read_segments(str(TOOLS)))
    assert found[0][2] == 1
    assert len(found) == len(set(found))
    # What a service adds in front does not matter.
    log = tmp_path / "journal"
    log.write_text(
        "".join(f"Nov 03 10:00:00 host kexec[7]: {line}\n" for line in text.splitlines())
    )
    assert table_of(read_segments(str(log))) == found


def test_kexecs_own_list_of_ranges_is_another_one() -> None:
    """MEMORY RANGES look the same, and number their types otherwise."""
    text = TOOLS.read_text()
    assert "MEMORY RANGES" in text
    assert all(kind != 0 for _, _, kind in table_of(read_segments(str(TOOLS))))


def test_a_load_without_one() -> None:
    name = "k61-2g-bios-kaslr-exec-s"
    assert read_segments(str(DATA / "captures" / name / "segments.txt")).table is None


def text_with(*rows: str) -> SegmentList:
    """Return a load whose table is made of other lines."""
    lines = TOOLS.read_text().splitlines()
    heading = lines.index("E820 memmap:")
    end = next(n for n in range(heading + 1, len(lines)) if not lines[n].startswith("0"))
    text = "\n".join([*lines[: heading + 1], *rows, *lines[end:], ""])
    return read_segments(NamedStream.of("kexec.log", text.encode()))


ROW = "0000000000001000-000000000009ffff (1)"


def test_one_line() -> None:
    assert table_of(text_with(ROW)) == [(0x1000, 0xA0000, 1)]


@pytest.mark.parametrize(
    "rows",
    [
        (),
        (ROW, "0000000000101000-0000000000100fff (1)"),
        (ROW, "0000000000100000-000000007ffdffff (1"),
    ],
)
def test_a_table_that_is_not_whole_is_none(rows: tuple[str, ...]) -> None:
    assert text_with(*rows).table is None


def test_no_more_lines_than_boot_params_hold() -> None:
    rows = [f"{n << 20:016x}-{(n << 20) + 0xFFF:016x} (1)" for n in range(1, 200)]
    assert len(table_of(text_with(*rows))) == 128


GUESTS = DATA / "guests"
NEW = kernel("7.3.4+deb13-cloud-amd64")


def alone(guest: str, load: str) -> Report:
    """Ask about a load with nothing but its own text."""
    recorded = read_segments(str(GUESTS / guest / f"{load}.load.txt"))
    return analyze(Case(NEW, asked_by_options(cmdline="nokaslr"), recorded))


def test_it_is_the_memory_where_nothing_else_tells() -> None:
    report = alone("k73cloud-2g-bios-nokaslr-exec-c", "load-c.v32")
    assert report.memory is not None
    assert report.memory.kind is MapKind.LOAD
    assert report.memory.complete
    assert report.memory.system_ram.covers(Span(0x100000, 0x7FFE0000))
    assert any("the load's own e820 map" in text for text in report.assumptions)


def test_of_a_crash_kernel_it_is_the_reservation() -> None:
    """And what crashkernel=…,cma keeps, which touches it here."""
    report = alone("k73cloud-2g-bios-kaslr-crash-s-cma", "final-panic-s.v32")
    assert report.memory is not None
    assert not report.memory.complete
    assert [region.span for region in report.memory.crash_kernel] == [Span(0x52000000, 0x7E000000)]
    other = alone("k73cloud-2g-bios-nokaslr-exec-c", "panic-s.v32")
    assert other.memory is not None
    assert [region.span for region in other.memory.crash_kernel] == [Span(0x6E000000, 0x7E000000)]
    by_tools = alone("k73cloud-2g-bios-nokaslr-exec-c", "panic-c.v32")
    assert by_tools.memory is not None
    assert [one.span for one in by_tools.memory.crash_kernel] == [Span(0x6E000000, 0x7E000000)]
    # It is known from the table, which begins there.
    lines = (GUESTS / "k73cloud-2g-bios-nokaslr-exec-c" / "panic-c.v32.load.txt").read_text()
    first = lines.splitlines().index("E820 memmap:") + 2
    (reserved,) = by_tools.memory.crash_kernel
    assert by_tools.memory.where(reserved).endswith(f"panic-c.v32.load.txt:{first}")


@pytest.mark.parametrize(
    "row", ["0000000032000000-0000000051ffffff (1)", "0000000100000000-000000011fffffff (1)"]
)
def test_what_cma_keeps_is_not_another_reservation(row: str, tmp_path: Path) -> None:
    folder = GUESTS / "k73cloud-2g-bios-kaslr-crash-s-cma"
    lines = (folder / "final-panic-s.v32.load.txt").read_text().splitlines()
    (area,) = [number for number, line in enumerate(lines) if "0000000052000000-" in line]
    lines[area] = re.sub(r"[0-9a-f]{16}-[0-9a-f]{16} \(1\)", row, lines[area])
    (tmp_path / "load.txt").write_text("\n".join(lines) + "\n")
    load = read_segments(str(tmp_path / "load.txt"))
    report = analyze(Case(NEW, asked_by_options(cmdline="nokaslr", sme=Switch.ON), load))
    assert not [finding for finding in report.findings if finding.rule in ("SME025", "SME050")]


def test_it_is_not_the_memory_of_the_kernel_that_loads() -> None:
    recorded = read_segments(
        str(GUESTS / "k73cloud-2g-bios-nokaslr-exec-c" / "load-s.v32.load.txt")
    )
    report = analyze(Case(NEW, BootRequest(), recorded, cross_check=True))
    assert report.cross_check is not None
    assert "no memory map of the machine" in (report.cross_check.unknown or "")


def test_a_map_that_is_given_counts() -> None:
    name = GUESTS / "k73cloud-2g-bios-nokaslr-exec-c"
    recorded = read_segments(str(name / "load-s.v32.load.txt"))
    log = read_dmesg(str(name / "dmesg.txt"))
    report = analyze(Case(NEW, BootRequest(), recorded, log=log))
    assert report.memory is not None
    assert report.memory.kind is MapKind.KERNEL_LOG
