"""The e820 table that a load hands over, as its own text shows it."""

from __future__ import annotations

from pathlib import Path

import pytest
from recorded import DATA

from smecheck.load.segments import SegmentList
from smecheck.read.load.segments import read_segments
from smecheck.read.source import NamedStream

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
