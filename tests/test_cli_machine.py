"""What users give of a machine beside its iomem, on the command line."""

from __future__ import annotations

import re
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
    assert f"the segments are those that {log} shows" in found["assumptions"]


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
    assert any("it came on standard input" in text for text in found["assumptions"])


@pytest.mark.parametrize("option", ["--memmap", "--dmesg"])
def test_a_map_without_iomem(option: str, tmp_path: Path) -> None:
    name = "k612-1g-bios-nokaslr-crash-s.boot1"
    path = LOGS / f"{name}.{option.removeprefix('--')}.txt"
    found = run("analyze", KERNEL, option, str(path), "--format", "json").document
    assert option.removeprefix("--") in inputs(found)
    assert any("no iomem" in text for text in found["assumptions"])
    assert any(f"memory that {path} does not show" in text for text in found["not_checked"])


def supportconfig(folder: Path) -> Path:
    """Return a text like boot.txt of supportconfig: the journal, then dmesg -T, of one boot."""
    rows = (LOGS / "k61-4.5g-bios-kaslr-crash-s-high.boot1.dmesg.txt").read_text().splitlines()
    journal = [re.sub(r"^\[.*?\]", "Nov 23 01:50:13 epyc17 kernel:", row) for row in rows]
    human = [re.sub(r"^\[.*?\]", "[Mon Nov 23 01:50:13 2026]", row) for row in rows]
    title = "#==[ Command ]======================================#"
    text = [title, "# /bin/journalctl -b 0", *journal, "", title, "# /bin/dmesg -T", *human]
    path = folder / "boot.txt"
    path.write_text("\n".join([*text, "", "# /proc/version", rows[0].partition("] ")[2], ""]))
    return path


def test_a_supportconfig_is_enough(tmp_path: Path) -> None:
    """The founding failure as a crash kernel, foreseen from boot.txt: as it is from iomem."""
    kernel = str(DATA / "kernels" / "5.0-old.yaml")
    load = ("--loader", "kexec_load", "--mode", "crash", "--initrd", "1M")
    asked = (*load, "--cmdline", "nokaslr mem_encrypt=on", "--kexec-tools", "2.0.25")
    iomem = str(LOGS / "k61-4.5g-bios-kaslr-crash-s-high.boot1.iomem.txt")
    logged, shown = (
        run("analyze", kernel, *asked, *machine, "--format", "json").document
        for machine in (("--dmesg", str(supportconfig(tmp_path))), ("--iomem", iomem))
    )
    assert logged["verdict"] == shown["verdict"] == "collision"
    assert logged["segments"] == shown["segments"]
    found = ([f for f in said["findings"] if f["rule"] != "SME021"] for said in (logged, shown))
    assert next(found) == next(found)
    # By its release, and by its layout.
    assert all("SME021" in {f["rule"] for f in said["findings"]} for said in (logged, shown))
    copies = [
        text for text in logged["assumptions"] if "says the same as the one that follows" in text
    ]
    assert len(copies) == 1
    assert not [text for text in logged["assumptions"] if "2 boots" in text]


def test_only_one_input_is_standard_input() -> None:
    found = run("analyze", KERNEL, "--dmesg", "-", "--memmap", "-", stdin=b"")
    assert found.status == 2
