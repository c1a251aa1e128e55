"""What crashkernel= asks for, beside what was reserved: what cannot be of one boot is said."""

from __future__ import annotations

from pathlib import Path

import pytest
from commandline import SAMPLES, call

from smecheck.boot.crashkernel_option import asked_reservation
from smecheck.evidence import Known, Unknown

MIB = 1 << 20


@pytest.mark.parametrize(
    ("words", "sizes", "base"),
    [
        ("crashkernel=256M", [256], None),
        ("crashkernel=0x10000000", [256], None),
        ("crashkernel=262144K", [256], None),
        ("crashkernel=256m@16m", [256], 16),
        ("crashkernel=256M@0", [256], None),
        ("crashkernel=128M crashkernel=256M", [256], None),
        ("crashkernel=1G-4G:192M,4G-64G:256M,64G-:512M", [192, 256, 512], None),
        ("crashkernel=0M-2G:128M,2G-:256M@16M", [128, 256], 16),
        ("crashkernel=512M,high crashkernel=72M,low", [512], None),
        ("crashkernel=72M,low crashkernel=512M,high crashkernel=256M,cma", [512], None),
        ("crashkernel=256M crashkernel=512M,high", [256], None),
    ],
)
def test_a_size_that_is_asked_for(words: str, sizes: list[int], base: int | None) -> None:
    asked = asked_reservation(f"root=/dev/sda1 {words} quiet")
    assert isinstance(asked, Known)
    assert asked.value is not None
    assert asked.value.sizes == tuple(size * MIB for size in sizes)
    assert asked.value.base == (None if base is None else base * MIB)


@pytest.mark.parametrize("words", ["", "xcrashkernel=1M", "crashkernel=72M,low crashkernel=1G,cma"])
def test_nothing_that_is_asked_for(words: str) -> None:
    asked = asked_reservation(words)
    assert isinstance(asked, Known)
    assert asked.value is None


@pytest.mark.parametrize(
    "value", ["auto", "", "lots", "256MB", "1G-4G", "1G-4G:256M,auto", "256M@x", "256M,high,nofail"]
)
def test_what_is_not_known(value: str) -> None:
    assert isinstance(asked_reservation(f"crashkernel={value}"), Unknown)


@pytest.mark.parametrize("plain", ["0", "4G-:512M", "1G-4G:0,4G-:256M"])
def test_one_that_may_come_to_nothing_leaves_it_to_the_high_one(plain: str) -> None:
    asked = asked_reservation(f"crashkernel={plain} crashkernel=192M,high")
    assert isinstance(asked, Unknown)
    assert "may come to nothing" in asked.reason


SAMPLE = SAMPLES / "dead-kdump"
IOMEM = (SAMPLE / "iomem.txt").read_text()
"""Crash kernel: 256 MiB at 1760 MiB."""
SHRUNK = IOMEM.replace("6e000000-7dffffff : Crash", "6e000000-75ffffff : Crash")
ABOVE = IOMEM.replace("  6e000000-7dffffff : Crash kernel\n", "").replace(
    "b080000000-",
    "100000000-4ffffffff : System RAM\n  4e0000000-4efffffff : Crash kernel\nb080000000-",
)
RESERVED = "Reserving 256MB of memory at 1760MB for crashkernel (System RAM: 2047MB)"
BY_ADDRESS = "crashkernel reserved: 0x000000006e000000 - 0x000000007e000000 (256 MB)"
ODD = "Reserving 244MB of memory at 1760MB for crashkernel (System RAM: 2047MB)"
HIGH = "Reserving 256MB of memory at 19968MB for crashkernel (System RAM: 18431MB)"
LOW = "Reserving 72MB of low memory at 1504MB for crashkernel (System low RAM: 2047MB)"


@pytest.mark.parametrize(
    ("words", "lines", "iomem", "severity"),
    [
        # What is as it was asked for, or may be.
        ("crashkernel=256M", [RESERVED], IOMEM, None),
        ("crashkernel=256M", [BY_ADDRESS], IOMEM, None),
        ("crashkernel=256M", [], IOMEM, None),
        ("crashkernel=256M@1760M", [RESERVED], IOMEM, None),
        ("crashkernel=250000K", [ODD], None, None),
        ("crashkernel=auto", [RESERVED], IOMEM, None),
        ("crashkernel=1G-4G:256M,4G-:512M", [RESERVED], IOMEM, None),
        ("crashkernel=256M,high", [RESERVED], IOMEM, None),  # no room above 4 GiB
        ("crashkernel=256M", [LOW, HIGH], ABOVE, None),  # no room below it
        ("crashkernel=256M,high crashkernel=72M,low", [LOW, HIGH], ABOVE, None),
        ("crashkernel=256M crashkernel=1G,cma", [RESERVED], IOMEM, None),
        ("crashkernel=256M", [RESERVED], SHRUNK, None),
        # What may be so for another reason.
        ("crashkernel=256M", [], SHRUNK, "note"),
        ("quiet", [RESERVED], IOMEM, "note"),
        # What contradicts.
        ("crashkernel=512M", [RESERVED], IOMEM, "error"),
        ("crashkernel=257M", [BY_ADDRESS], None, "error"),
        ("crashkernel=128M", [], IOMEM, "error"),
        ("crashkernel=256M@1G", [RESERVED], IOMEM, "error"),
        ("crashkernel=256M@1G", [], IOMEM, "error"),
        ("crashkernel=1G-4G:192M,4G-:512M", [RESERVED], IOMEM, "error"),
        ("crashkernel=512M,high crashkernel=72M,low", [LOW, HIGH], ABOVE, "error"),
    ],
)
def test_the_reservation_beside_the_command_line(
    words: str, lines: list[str], iomem: str | None, severity: str | None, tmp_path: Path
) -> None:
    rows = [
        "Linux version 5.0.0 (a@b) (gcc) #1 SMP",
        f"Command line: root=/dev/sda1 {words}",
        *lines,
    ]
    log = tmp_path / "dmesg"
    log.write_text("".join(f"[    0.000000] {row}\n" for row in rows))
    given = ["--dmesg", str(log)]
    if iomem is not None:
        (tmp_path / "iomem").write_text(iomem)
        given += ["--iomem", str(tmp_path / "iomem")]
    asked = ("--mode", "crash", "--loader", "kexec_file_load", "--cmdline", "nokaslr")
    kernel = ("analyze", str(SAMPLE / "kernel.yaml"))
    report = call(*kernel, *given, *asked, "--format", "json").document
    found = [one["severity"] for one in report["findings"] if one["rule"] == "SME049"]
    assert found == ([] if severity is None else [severity])
    if severity == "error":
        assert report["verdict"] == "undecided"
        # A kernel that is not loaded into the reservation does not depend on it.
        of_load = ("--mode", "load", "--loader", "kexec_load", "--cmdline", "nokaslr")
        report = call(*kernel, *given, *of_load, "--format", "json").document
        found = [one["severity"] for one in report["findings"] if one["rule"] == "SME049"]
        assert found == ["warning"]


@pytest.mark.parametrize(("words", "count"), [("crashkernel=256M", 0), ("crashkernel=64M", 1)])
def test_the_command_line_of_the_host(words: str, count: int, tmp_path: Path) -> None:
    host = tmp_path / "host.yaml"
    host.write_text((SAMPLE / "host.yaml").read_text() + f'cmdline: "root=/dev/sda1 {words}"\n')
    given = ("--iomem", str(SAMPLE / "iomem.txt"), "--host", str(host), "--mode", "crash")
    report = call("analyze", str(SAMPLE / "kernel.yaml"), *given, "--format", "json").document
    assert sum(one["rule"] == "SME049" for one in report["findings"]) == count
