"""What users give of a machine beside its iomem, on the command line."""

from __future__ import annotations

from pathlib import Path

import pytest
from commandline import run
from recorded import DATA

LOGS = DATA / "machine-logs"
KERNEL = str(DATA / "kernels" / "6.12.117+deb12-amd64.yaml")
CONSOLE = LOGS / "k612-1g-bios-nokaslr-crash-s.console.txt"
SECOND_BOOT = "[    0.000000] Linux version"


def first_boot(folder: Path) -> Path:
    """Return the log of the kernel that loaded the crash kernel, as it is without what follows."""
    before, _, rest = CONSOLE.read_text().partition(SECOND_BOOT)
    path = folder / "dmesg.txt"
    path.write_text(before + SECOND_BOOT + rest.split(SECOND_BOOT)[0])
    return path


def inputs(document: dict[str, list[dict[str, object]]]) -> dict[object, object]:
    return {source["kind"]: source["used"] for source in document["inputs"]}


def test_a_log_tells_machine_and_load(tmp_path: Path) -> None:
    log = first_boot(tmp_path)
    found = run("analyze", KERNEL, "--dmesg", str(log), "--format", "json").document
    assert (found["verdict"], found["basis"]) == ("clear", "proof")
    assert found["boot"]["path"] == "kdump"
    assert found["boot"]["load_address"] == "0x3a800000"
    assert {segment["name"] for segment in found["segments"]} >= {"kernel", "initrd", "elfcorehdr"}
    assert inputs(found)["dmesg"] == [
        "release",
        "cmdline",
        "cpus",
        "e820",
        "crash_reservation",
        "ramdisk",
    ]
    assert f"the segments are those that {log} tells" in found["assumptions"]


def test_segments_of_an_earlier_boot_are_not_taken() -> None:
    found = run("analyze", KERNEL, "--dmesg", str(CONSOLE), "--format", "json").document
    assert found["segments"] == []
    assert any("2 boots" in text for text in found["assumptions"])


def test_segments_of_another_loader_are_not_taken(tmp_path: Path) -> None:
    options = ("--dmesg", str(first_boot(tmp_path)), "--loader", "kexec_load")
    found = run("analyze", KERNEL, *options, "--format", "json").document
    assert not [segment for segment in found["segments"] if segment["origin"] == "log"]
    assert any("are not of kexec_load" in text for text in found["assumptions"])


def test_a_list_that_is_cut_off_is_said(tmp_path: Path) -> None:
    log = first_boot(tmp_path)
    rows = [row for row in log.read_text().splitlines(True) if "segment[4]" not in row]
    log.write_text("".join(rows))
    found = run("analyze", KERNEL, "--dmesg", str(log), "--format", "json").document
    assert not [segment for segment in found["segments"] if segment["origin"] == "log"]
    assert any("no segments are taken from it" in text for text in found["assumptions"])


def test_a_log_through_a_pipe(tmp_path: Path) -> None:
    text = first_boot(tmp_path).read_bytes()
    found = run("analyze", KERNEL, "--dmesg", "-", "--format", "json", stdin=text).document
    assert inputs(found)["dmesg"]
    assert any("it came by a pipe" in text for text in found["assumptions"])


@pytest.mark.parametrize("option", ["--memmap", "--dmesg"])
def test_a_map_without_iomem(option: str, tmp_path: Path) -> None:
    name = "k612-1g-bios-nokaslr-crash-s.boot1"
    path = LOGS / f"{name}.{option.removeprefix('--')}.txt"
    found = run("analyze", KERNEL, option, str(path), "--format", "json").document
    assert option.removeprefix("--") in inputs(found)
    assert any("no iomem" in text for text in found["assumptions"])
    assert any(f"memory that {path} does not show" in text for text in found["not_checked"])


def test_only_one_input_is_standard_input() -> None:
    found = run("analyze", KERNEL, "--dmesg", "-", "--memmap", "-", stdin=b"")
    assert found.status == 2
