"""Recorded loads beside the prediction of them: no difference, or the assumption that is wrong."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from commandline import Run, run
from recorded import DATA, load_json

from smecheck.load.compared_segments import ComparedSegment, Match
from smecheck.load.cross_check import as_given, compare
from smecheck.load.segments import Loader, Mode, Segment, SegmentOrigin, SegmentRole
from smecheck.span import Span

LOGS = DATA / "machine-logs"
EFI = "k61-8g-ovmf-kaslr-exec-c-high"
AGREEING = sorted(
    {path.name.partition(".boot")[0] for path in LOGS.glob("*.boot1.dmesg.txt")} - {EFI}
)
PAGE = 0x1000


def arguments(name: str, *, log: bool = True) -> tuple[str, ...]:
    kernel = load_json("captures", name, "result.json")["kernel"]
    files = [("--iomem", "iomem"), ("--memmap", "memmap"), *([("--dmesg", "dmesg")] if log else [])]
    given = [word for option, kind in files for word in (option, _log(name, kind))]
    segments = str(DATA / "captures" / name / "segments.txt")
    return ("analyze", str(DATA / "kernels" / f"{kernel}.yaml"), *given, "--segments", segments)


def _log(name: str, kind: str) -> str:
    return str(LOGS / f"{name}.boot1.{kind}.txt")


def checked(name: str, *options: str, log: bool = True) -> Any:
    asked = (*arguments(name, log=log), "--cross-check", "--format", "json", *options)
    found = run(*asked).document
    return found["cross_check"]


@pytest.mark.parametrize("name", AGREEING)
def test_recorded_loads_are_where_they_are_predicted(name: str) -> None:
    """Both system calls, -l and -p, BIOS and UEFI, below and above 4 GiB."""
    check = checked(name)
    assert check["agrees"]
    assert "no difference" in check["outcome"]
    assert {segment["match"] for segment in check["segments"]} == {"same"}
    assert check["explained_by"] == []


def test_a_wrong_assumption_is_found() -> None:
    """On a UEFI machine of which nobody said so, kexec-tools adds what was not predicted."""
    check = checked(EFI, log=False)
    assert not check["agrees"]
    matches = {segment["name"]: segment["match"] for segment in check["segments"]}
    assert matches["setup_data"] == matches["efi_memmap"] == "not-predicted"
    assert matches["rng_seed"] == "moved"
    assert matches["kernel"] == matches["initrd"] == "same"
    assert check["outcome"].startswith("3 of 7 segments differ")
    assert check["explained_by"] == ["efi_runtime_entries 12"]


def test_a_fact_that_is_given_settles_it(tmp_path: Path) -> None:
    host = tmp_path / "host.yaml"
    host.write_text("schema: smecheck/host-v1\nefi_runtime_entries: 12\n")
    assert checked(EFI, "--host", str(host), log=False)["agrees"]


def test_a_log_that_tells_of_efi_settles_it_as_well() -> None:
    """How many entries the runtime map has, it does not tell; any few of them take one page."""
    assert checked(EFI)["agrees"]


def test_a_wrong_fact_shows() -> None:
    check = checked("k612-2g-bios-nokaslr-exec-c-SMEemul", "--kexec-tools", "2.0.24")
    matches = {segment["name"]: segment["match"] for segment in check["segments"]}
    assert matches["rng_seed"] == "not-predicted"  # since 2.0.25


@pytest.mark.parametrize("form", ["text", "plain", "json"])
@pytest.mark.parametrize("name", [EFI, AGREEING[0]])
def test_it_changes_no_verdict(name: str, form: str) -> None:
    def verdict(found: Run) -> tuple[int, object]:
        key = (found.document["verdict"], found.document["findings"]) if form == "json" else ""
        return found.status, key or found.out.split("\n")[0]

    plain = run(*arguments(name), "--format", form)
    cross = run(*arguments(name), "--format", form, "--cross-check")
    assert verdict(plain) == verdict(cross)
    if form == "json":
        assert plain.document["cross_check"] is None


def test_people_read_it() -> None:
    asked = arguments(EFI, log=False)
    text = run(*asked, "--cross-check", "--format", "text", env={"COLUMNS": "140"}).out
    assert "CROSS-CHECK  3 of 7 segments differ from the prediction" in text
    assert "recorded 8 KiB (0x2000) higher than predicted" in text
    assert re.search("agrees with +efi_runtime_entries 12", text)
    assert "the machine has no EFI runtime map" in text
    plain = run(*asked, "--cross-check", "--format", "plain").out
    assert "cross-check.agrees: no\n" in plain
    moved = "[0x102000, 0x103000) [0x100000, 0x101000): recorded 8 KiB (0x2000) higher"
    assert f"cross-check.segment: rng_seed moved {moved}" in plain


def test_without_a_machine_nothing_is_predicted() -> None:
    name = AGREEING[0]
    *_, option, segments = arguments(name)
    found = run(*arguments(name)[:2], option, segments, "--cross-check", "--format", "json")
    check = found.document["cross_check"]
    assert not check["agrees"]
    assert "no memory map of the machine is known" in check["unknown"]


def test_without_a_load_there_is_nothing_to_check() -> None:
    found = run(*arguments(AGREEING[0])[:4], "--cross-check")
    assert found.status == 2
    assert "--segments" in found.problem[1]


def part(role: SegmentRole, start: int, size: int = PAGE) -> Segment:
    return Segment(role, Span.sized(start, size), None, SegmentOrigin.LOG, "a test")


def test_every_way_to_compare() -> None:
    recorded = [
        part(SegmentRole.RNG_SEED, 0x100000),
        part(SegmentRole.OTHER, 0x101000),
        part(SegmentRole.INITRD, 0x3000000, 4 * PAGE),
        part(SegmentRole.KERNEL, 0x4000000, 8 * PAGE),
        part(SegmentRole.BOOT_PARAMS, 0x5000000, 2 * PAGE),
        part(SegmentRole.BACKUP, 0x6000000),
    ]
    predicted = [
        part(SegmentRole.RNG_SEED, 0x100000),
        part(SegmentRole.EFI_MEMMAP, 0x101000),
        part(SegmentRole.INITRD, 0x2000000, 4 * PAGE),
        part(SegmentRole.KERNEL, 0x4000000, 9 * PAGE),
        part(SegmentRole.BOOT_PARAMS, 0x5001000, PAGE),
        part(SegmentRole.PURGATORY, 0x7000000),
    ]
    rows = compare(recorded, predicted)
    assert [(row.role, row.match) for row in rows] == [
        (SegmentRole.RNG_SEED, Match.SAME),
        (SegmentRole.EFI_MEMMAP, Match.SAME),
        (SegmentRole.INITRD, Match.MOVED),
        (SegmentRole.KERNEL, Match.RESIZED),
        (SegmentRole.BOOT_PARAMS, Match.OTHER),
        (SegmentRole.BACKUP, Match.NOT_PREDICTED),
        (SegmentRole.PURGATORY, Match.NOT_RECORDED),
    ]


def test_kernel_segments_of_an_elf_are_compared_one_by_one() -> None:
    recorded = [part(SegmentRole.KERNEL, 0x1000000), part(SegmentRole.KERNEL, 0x2C00000)]
    predicted = [part(SegmentRole.KERNEL, 0x1000000), part(SegmentRole.KERNEL, 0x2D00000)]
    assert [row.match for row in compare(recorded, predicted)] == [Match.SAME, Match.MOVED]
    moved: ComparedSegment = compare(recorded, predicted)[1]
    assert moved.recorded == Span.sized(0x2C00000, PAGE)


@pytest.mark.parametrize(
    ("loader", "mode", "told", "given"),
    [
        (Loader.KEXEC_FILE_LOAD, Mode.CRASH, "elfcorehdr=0x6e000000 ro quiet", "ro quiet"),
        (Loader.KEXEC_FILE_LOAD, Mode.LOAD, "ro elfcorehdr=0x1", "ro elfcorehdr=0x1"),
        (Loader.KEXEC_LOAD, Mode.CRASH, "ro acpi_rsdp=0xf59e0 elfcorehdr=1031540K", "ro"),
        (Loader.KEXEC_LOAD, Mode.CRASH, "ro elfcorehdr=1K memmap=1K@2K memmap=3K@4K", "ro"),
        (Loader.KEXEC_LOAD, Mode.CRASH, "ro", "ro"),
    ],
)
def test_what_kexec_added_to_a_command_line(
    loader: Loader, mode: Mode, told: str, given: str
) -> None:
    assert as_given(told, loader, mode) == given
