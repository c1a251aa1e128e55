"""Fleets of what was collected: archives, folders of them, single files; Parquet."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from archive_writer import PACKERS
from collected import LAYOUTS, report, unpacked
from commandline import run, start
from fleet_machines import KERNELS, OLD, Layout, machines, write_inventory
from test_fleet import rows_of
from test_triage import CAPTURES, founding, machine_of

import smecheck

ASKED = (KERNELS / "6.1.0-56-amd64.yaml", KERNELS / "6.12.117+deb12-amd64.yaml")


def fleet(*arguments: str, kernel: Path = OLD[0]) -> list[dict[str, Any]]:
    return rows_of(run("fleet", "--kernel", str(kernel), *arguments, "-q").out)


def test_300_archives_have_the_verdicts_of_triage(tmp_path: Path) -> None:
    for name in CAPTURES:
        for layout in LAYOUTS:
            for packing in PACKERS:
                folder = tmp_path / f"{name} {layout} {packing}"
                folder.mkdir()
                report(machine_of(name), layout, folder, packing)
    kernels = [word for kernel in ASKED for word in ("--kernel", str(kernel))]
    done = run("fleet", *kernels, str(tmp_path), "-q", "-o", str(tmp_path.parent / "rows.jsonl"))
    rows = rows_of((tmp_path.parent / "rows.jsonl").read_text())
    assert len(rows) == 2 * 300
    images = {str(path): smecheck.read_kernel(path) for path in ASKED}
    for number, row in enumerate(rows):
        if number // 2 % len(PACKERS) != number // 2 // len(PACKERS) % len(PACKERS):
            # The same files in another archive: one packing of each is asked of triage.
            same = rows[number - 2 * (number // 2 % len(PACKERS))]
            keys = ("verdict", "basis", "exit_code", "rules", "class", "kernel")
            assert [row[key] for key in keys] == [same[key] for key in keys]
            continue
        found = smecheck.triage(row["machine"], kernel=images[row["kernel"]]).to_dict()
        assert (row["verdict"], row["exit_code"]) == (found["verdict"], found["exit_code"])
        assert row["headline"] == found["headline"]
        assert row["basis"] == found["report"]["basis"]
    assert {row["verdict"] for row in rows} == {"clear", "undecided"}
    assert done.status == max(row["exit_code"] for row in rows if row["exit_code"] != 4)


def test_a_folder_is_one_machine_or_holds_them(tmp_path: Path) -> None:
    machine = founding()
    for number in range(2):
        unpacked(machine, "4.9", tmp_path / "unpacked" / f"{number}")
    packed = tmp_path / "packed"
    packed.mkdir()
    report(machine, "4.12", packed)
    crash = tmp_path / "crash" / "127.0.0.1-2026-11-28"
    crash.mkdir(parents=True)
    (crash / "vmcore-dmesg.txt").write_bytes(b"[    0.000000] Linux version 5.0.0 (x)\n")
    (tmp_path / "single").mkdir()
    (tmp_path / "single" / "iomem").write_text(Layout(1, (64, 64)).iomem())
    (tmp_path / "several").mkdir()
    for number in range(2):
        (tmp_path / "several" / f"{number}.txt").write_text(Layout(number, (64, 64)).iomem())
    write_inventory(tmp_path / "inventory.jsonl", machines(2, 2, ranges=(64, 64)))
    (tmp_path / "nothing").mkdir()
    found = [row["machine"] for row in fleet(str(tmp_path))]
    assert [name.replace(str(tmp_path), "") for name in found] == [
        "/crash/127.0.0.1-2026-11-28",
        "machine-0",
        "machine-1",
        "/nothing",
        "/packed/sosreport-epyc17-2026-11-28-abcdefg.tar.xz",
        "/several/0.txt",
        "/several/1.txt",
        "/single",
        "/unpacked/0/report",
        "/unpacked/1/report",
    ]
    assert found == [row["machine"] for row in fleet(f"{tmp_path}/*")]


def test_a_broken_archive_is_a_row(tmp_path: Path) -> None:
    good = report(founding(), "4.12", tmp_path)
    (tmp_path / "cut.tar.xz").write_bytes(good.read_bytes()[:300])
    (tmp_path / "empty.tar").write_bytes(b"")
    found = (str(tmp_path / "*.tar*"), str(tmp_path / "gone.tar"))
    done = run("fleet", "--kernel", str(OLD[0]), *found, "-o", str(tmp_path / "rows.jsonl"))
    assert "\n       2 distinct cases analyzed; 0 machines" in done.out  # of four
    rows = rows_of((tmp_path / "rows.jsonl").read_text())
    cut, *others = rows
    assert cut["verdict"] == "undecided"
    assert any("cut" in remark or "ends" in remark for remark in cut["remarks"])
    assert [row["verdict"] for row in others] == [None, "collision", None]
    assert all(row["error"]["help"] for row in rows if row["error"])


def test_options_count_for_archives(tmp_path: Path) -> None:
    path = str(report(founding(), "4.12", tmp_path))
    assert fleet(path)[0]["verdict"] == "collision"
    assert fleet(path, "--sme", "off")[0]["verdict"] == "not-applicable"


# Parquet -----------------------------------------------------------------------------------------


def test_parquet_is_read_and_written_as_json_lines_are(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed: extra parquet")
    parquet = pytest.importorskip("pyarrow.parquet")
    found = [*machines(6, 6, ranges=(64, 70))]
    found[2] = {"id": "host", **found[2], "host": {"kexec_tools": "2.0.18", "cpus": 8}}
    found[4] = {**found[4], "loader": "grub"}
    write_inventory(tmp_path / "a.jsonl", iter(found))
    parquet.write_table(pyarrow.Table.from_pylist(_alike(found)), tmp_path / "machines")
    plain = fleet(str(tmp_path / "a.jsonl"))
    rows = fleet(str(tmp_path / "machines"))
    place = str(tmp_path / "machines")
    assert rows == json.loads(json.dumps(plain).replace(str(tmp_path / "a.jsonl"), place))
    out = tmp_path / "rows.parquet"
    run("fleet", "--kernel", str(OLD[0]), str(tmp_path / "a.jsonl"), "-q", "-o", str(out))
    written = parquet.read_table(out).to_pylist()
    assert [{"schema": "smecheck/fleet-row-v1", **row} for row in written] == plain
    (tmp_path / "cut.parquet").write_bytes((tmp_path / "machines").read_bytes()[:900])
    (broken,) = fleet(str(tmp_path / "cut.parquet"))
    assert broken["error"]["message"].startswith("is not a Parquet file that can be read")


def _alike(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return objects that all have the same keys, as the rows of a table do."""
    keys = {key: None for one in found for key in one}
    return [{**keys, **one} for one in found]


def test_without_pyarrow_it_is_said_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "pyarrow.py").write_text("raise ImportError\n")
    (tmp_path / "machines").write_bytes(b"PAR1")
    write_inventory(tmp_path / "a.jsonl", machines(1, 1, ranges=(64, 64)))
    for arguments in (["machines"], ["a.jsonl", "-o", "rows.parquet"]):
        done = start(
            *("fleet", "--kernel", str(OLD[0]), *arguments),
            cwd=tmp_path,
            env={"PYTHONPATH": str(tmp_path)},
        )
        assert done.status == 2
        assert "pip install 'smecheck[parquet]'" in done.err
