"""What a kernel log tells of the boot that is asked about, and of the machine that loads."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from recorded import DATA, kernel, segment_list

from smecheck.analysis import analyze
from smecheck.asked import BootRequest, GivenInitrd, Switch, asked_by_options
from smecheck.boot import boot as boots
from smecheck.case import Case
from smecheck.evidence import Known, Unknown, value_of
from smecheck.load.segments import Loader, Mode
from smecheck.read.log.dmesg import read_dmesg
from smecheck.read.source import NamedStream
from smecheck.record import replace
from smecheck.span import Span

LOGS = DATA / "machine-logs"
UEFI = "k612-2g-ovmf-kaslr-exec-s-k2kaslr"
KERNEL = kernel("6.12.117+deb12-amd64")
SPANS = {
    "kernel": Span.sized(0x7B200000, 0x37EE000),
    "boot_params": Span.sized(0x7FEED000, 0x2000),
}


def until(name: str, line: int, folder: Path) -> str:
    """Return the file of a recorded console, cut off behind a line."""
    rows = (LOGS / f"{name}.console.txt").read_text().splitlines(keepends=True)
    path = folder / "console.txt"
    path.write_text("".join(rows[:line]))
    return str(path)


@pytest.mark.parametrize(("line", "moved"), [(73, False), (72, None)])
def test_a_decompressor_says_that_kaslr_moved_nothing(
    line: int, moved: bool | None, tmp_path: Path
) -> None:
    """Physical KASLR found no place in that guest, and its kernel stayed at its segment."""
    log = read_dmesg(until(UEFI, line, tmp_path))
    segments = segment_list(**SPANS)
    boot = analyze(Case(KERNEL, BootRequest(), segments, log=log)).boot
    assert value_of(boot.kaslr) is moved
    if moved is False:
        assert boot.base_is_certain
        assert isinstance(boot.kaslr, Known)
        assert "console.txt:73: Physical KASLR disabled" in boot.kaslr.origin
    stated = BootRequest(kaslr=Switch.ON)
    assert value_of(analyze(Case(KERNEL, stated, segments, log=log)).boot.kaslr) is True


def test_virtual_addresses_do_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "console.txt"
    path.write_text("Virtual KASLR disabled: no suitable memory region!\n")
    boot = analyze(Case(KERNEL, BootRequest(), segment_list(**SPANS), log=read_dmesg(str(path))))
    assert isinstance(boot.boot.kaslr, Unknown)


def test_a_first_boot_has_the_logs_command_line() -> None:
    log = read_dmesg(str(LOGS / "k612-1g-bios-nokaslr-crash-s.boot1.dmesg.txt"))
    first = BootRequest(path=boots.Path.FIRST_BOOT)
    boot = analyze(Case(KERNEL, first, log=log)).boot
    assert "crashkernel=192M" in (value_of(boot.cmdline) or "")
    assert value_of(boot.kaslr) is False
    other = replace(KERNEL, release=Known("6.12.118+deb12-amd64", "a test"))
    assert isinstance(analyze(Case(other, first, log=log)).boot.cmdline, Unknown)
    kexec = asked_by_options(loader=Loader.KEXEC_FILE_LOAD, mode=Mode.LOAD)
    told = analyze(Case(KERNEL, kexec, log=log)).boot.cmdline
    assert "crashkernel" not in (value_of(told) or "")
    # It reserves memory for a crash kernel: that is what is asked about where nobody says.
    assert analyze(Case(KERNEL, BootRequest(), log=log)).boot.path is boots.Path.KDUMP


@pytest.mark.parametrize(
    ("name", "is_efi"), [(UEFI, True), ("k612-1g-bios-nokaslr-crash-s", False)]
)
def test_that_the_size_of_the_runtime_map_is_assumed_is_said(name: str, is_efi: bool) -> None:
    log = read_dmesg(str(LOGS / f"{name}.boot1.dmesg.txt"))
    for loader in Loader:
        request = asked_by_options(loader=loader, mode=Mode.LOAD, initrd=GivenInitrd(0))
        said = analyze(Case(KERNEL, request, log=log)).assumptions
        told = [text for text in said if "the EFI runtime map that kexec hands over" in text]
        assert bool(told) is is_efi
        assert all("dmesg.txt:21 mentions EFI" in text for text in told)


BIOS = (LOGS / "k612-1g-bios-nokaslr-crash-s.boot1.dmesg.txt").read_text().splitlines()
LEAVES_EFI_OPEN = "the e820 table stands for the EFI memory map"


def places_of_first_boot(lines: list[str]) -> tuple[int, bool]:
    """Return how many places KASLR has, and whether it is open if there is an EFI memory map."""
    log = read_dmesg(NamedStream.of("dmesg", "\n".join(lines).encode()))
    asked = asked_by_options(path=boots.Path.FIRST_BOOT, cmdline="")
    report = analyze(Case(kernel("6.1.0-56-amd64"), asked, log=log))
    assert report.kaslr is not None
    return report.kaslr.slots.count, any(LEAVES_EFI_OPEN in text for text in report.not_checked)


def test_a_whole_log_without_efi_shows_that_there_is_none() -> None:
    assert places_of_first_boot(BIOS) == (433, False)


@pytest.mark.parametrize("left_out", ["Linux version", "smp: Brought up|Freeing unused|as init"])
def test_a_log_that_is_cut_off_shows_no_such_thing(left_out: str) -> None:
    lines = [line for line in BIOS if not re.search(left_out, line)]
    assert len(lines) < len(BIOS)
    assert places_of_first_boot(lines) == (433, True)


def test_the_ramdisk_of_the_log_is_avoided() -> None:
    lines = [line for line in BIOS if "RAMDISK" not in line]
    assert places_of_first_boot(lines) == (440, False)
