"""An iomem that ends too early: what it does not show may be where kexec or KASLR put something."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from commandline import SAMPLES, Run, call

from smecheck.machine.map_differences import ram_without
from smecheck.read.machine.iomem import parse_iomem

KERNEL = ("analyze", str(SAMPLES / "founding-failure" / "kernel.yaml"))
FIRST = "00000000-00000fff : Reserved\n00001000-0009fbff : System RAM\n"
LOW = f"""\
{FIRST}\
0009fc00-0009ffff : Reserved
000f0000-000fffff : Reserved
00100000-7fe7ffff : System RAM
  01000000-01400911 : Kernel code
  018d7000-019fffff : Kernel bss
"""
CRASH = "  5e000000-6defffff : Crash kernel\n"
"""255 MiB, in which kexec_file_load places this kernel so that nothing is hit."""
DEVICES = """\
7fe80000-7fffffff : Reserved
80000000-febfffff : PCI Bus 0000:00
fec00000-fec003ff : IOAPIC 0
fee00000-fee00fff : Local APIC
"""
HIGH = "100000000-87fe7ffff : System RAM\n"
CRASH_ABOVE = "  86f000000-87eefffff : Crash kernel\n"
END = "fd00000000-ffffffffff : Reserved\n"

TABLE = (
    "BIOS-e820: [mem 0x0000000000000000-0x000000000009fbff] usable",
    "BIOS-e820: [mem 0x0000000000100000-0x000000007fe7ffff] usable",
    "BIOS-e820: [mem 0x000000007fe80000-0x000000007fffffff] reserved",
)
ABOVE = "BIOS-e820: [mem 0x0000000100000000-0x000000087fe7ffff] usable"
COUNTED = "Memory: 33000000K/33551484K available (4098K kernel code)"
FEW = "Memory: 1990000K/2095100K available (4098K kernel code)"
ONE = "Reserving 255MB of memory at 1504MB for crashkernel (System RAM: 32767MB)"
TWO = (
    "Reserving 255MB of low memory at 1504MB for crashkernel (System low RAM: 2047MB)",
    "Reserving 255MB of memory at 34544MB for crashkernel (System RAM: 32767MB)",
)


def log(*lines: str, cmdline: str = "root=/dev/sda1") -> str:
    rows = ("Linux version 5.0.0 (a@b) (gcc) #1 SMP", f"Command line: {cmdline}", *lines)
    return "".join(f"[    0.000000] {row}\n" for row in rows)


def answer(tmp_path: Path, iomem: str, dmesg: str | None, *asked: str) -> Run:
    given = []
    for name, text in (("iomem", iomem), ("dmesg", dmesg)):
        if text is not None:
            (tmp_path / name).write_text(text)
            given += [f"--{name}", str(tmp_path / name)]
    return call(*KERNEL, *given, *asked, "--format", "json")


PLAIN = "crashkernel=255M"
BOTH = "crashkernel=255M,high crashkernel=255M,low"
CUT, CUT_LATE = LOW + CRASH, LOW + CRASH + DEVICES
COMPLETE = LOW + CRASH + DEVICES + HIGH + END


@pytest.mark.parametrize(
    ("iomem", "dmesg", "verdict"),
    [
        # Complete, or nothing shows that it is not.
        (COMPLETE, None, "clear"),
        (COMPLETE, log(*TABLE, ABOVE, COUNTED, ONE, cmdline=PLAIN), "clear"),
        (CUT_LATE, None, "clear"),
        (CUT_LATE, log(*TABLE, FEW), "clear"),
        (CUT_LATE + END, log(*TABLE, ABOVE, cmdline="mem=2G crashkernel=255M"), "clear"),
        # Cut off, and a Crash kernel may follow.
        (CUT, None, "undecided"),
        (CUT, log(cmdline=BOTH), "undecided"),
        (CUT, log(cmdline="crashkernel=auto"), "undecided"),
        (CUT, log(cmdline="crashkernel=1G-8G:255M,8G-:512M crashkernel=255M,low"), "undecided"),
        (CUT, log(cmdline="crashkernel=192M,high crashkernel=255M,low"), "undecided"),
        (CUT_LATE, log(*TABLE, ABOVE), "undecided"),
        (CUT_LATE, log(COUNTED), "undecided"),
        (CUT_LATE, log(*TABLE, ABOVE, cmdline=BOTH), "undecided"),
        (CUT_LATE, log(*TABLE, ABOVE, *TWO, cmdline=BOTH), "undecided"),
        # Cut off, but the reservation is shown to be the one.
        (CUT, log(ONE), "clear"),
        (CUT, log(cmdline=PLAIN), "clear"),
        (CUT_LATE, log(*TABLE, ABOVE, ONE), "clear"),
        (CUT_LATE, log(*TABLE, ABOVE, cmdline=PLAIN), "clear"),
        (LOW + HIGH + CRASH_ABOVE, log(ONE.replace("1504MB", "34544MB")), "clear"),
    ],
)
def test_a_crash_kernel_goes_into_the_last_reservation(
    iomem: str, dmesg: str | None, verdict: str, tmp_path: Path
) -> None:
    asked = ("--mode", "crash", "--loader", "kexec_file_load", "--initrd", "0")
    run = answer(tmp_path, iomem, dmesg, *asked, "--cmdline", "nokaslr mem_encrypt=on")
    assert run.document["verdict"] == verdict
    of_size = [one for one in run.document["findings"] if one["rule"] == "SME049"]
    assert {one["severity"] for one in of_size} <= {"note"}
    told = any("past the end of" in gap for gap in run.document["not_checked"])
    assert told is ("IOAPIC" not in iomem and "fd00000000" not in iomem and HIGH not in iomem)


# Two ranges of memory, in neither of which any place of KASLR is in the way of anything: they end
# where the last one's workarea fits, and in the GiB in which the kernel begins.
NEAR = "00100000-3fe7ffff : System RAM\nfec00000-fec003ff : IOAPIC 0\n"
FAR = "100000000-13fe7ffff : System RAM\n"
IN_NEAR = "BIOS-e820: [mem 0x0000000000100000-0x000000003fe7ffff] usable"
IN_FAR = "BIOS-e820: [mem 0x0000000100000000-0x000000013fe7ffff] usable"
OF_ONE = "Memory: 1000000K/1046524K available (4098K kernel code)"
OF_BOTH = "Memory: 2000000K/2093564K available (4098K kernel code)"
RECORDED = """\
schema: smecheck/segments-v1
loader: kexec_load
mode: load
segments:
  - {name: kernel, start: 0x20000000, size: 0xd41000}
  - {name: boot_params, start: 0x9a000, size: 0x3000}
  - {name: purgatory, start: 0x90000, size: 0x9000}
"""


@pytest.mark.parametrize(
    ("iomem", "dmesg", "cmdline", "is_told"),
    [
        (NEAR, log(IN_NEAR, IN_FAR), "", True),
        (NEAR, log(OF_BOTH), "", True),
        # A line in the middle is missing.
        (NEAR + END, log(IN_NEAR, IN_FAR), "", True),
        (NEAR + END, log(IN_NEAR, OF_ONE), "", False),
        # What is something else there was taken by the kernel, or by a driver.
        (NEAR + FAR.replace("System RAM", "Reserved") + END, log(IN_NEAR, IN_FAR), "", False),
        (NEAR, log(IN_NEAR, OF_ONE), "", False),
        (NEAR + FAR + END, log(IN_NEAR, IN_FAR, OF_BOTH), "", False),
        # Hot-added memory is in no log of the boot.
        (NEAR + FAR + END, log(IN_NEAR, OF_ONE), "", False),
        # Where nothing is chosen, memory elsewhere does not count.
        (NEAR, log(IN_NEAR, IN_FAR, OF_BOTH), "nokaslr", False),
    ],
)
def test_kaslr_may_choose_what_an_iomem_lacks(
    iomem: str, dmesg: str, cmdline: str, is_told: bool, tmp_path: Path
) -> None:
    (tmp_path / "segments.yaml").write_text(RECORDED)
    asked = (
        "--segments",
        str(tmp_path / "segments.yaml"),
        "--cmdline",
        f"mem_encrypt=on {cmdline}",
    )
    report = answer(tmp_path, FIRST + iomem, dmesg, *asked).document
    assert report["verdict"] == ("undecided" if is_told else "clear")


def test_maps_of_thousands_of_ranges_are_compared_in_time() -> None:
    """Each range of the one is held against those of the other that may meet it, no others."""
    rows = [(at << 20, (at << 20) + 0x80000) for at in range(1, 6000)]
    ram = "".join(f"{start:08x}-{end - 1:08x} : System RAM\n" for start, end in rows)
    holes = "".join(f"{start:08x}-{end - 1:08x} : Reserved\n" for start, end in rows)
    one, other = (parse_iomem(FIRST + text, "iomem") for text in (ram, holes))
    begun = time.process_time()
    assert sum(1 for _ in ram_without(one, other)) == 4
    assert time.process_time() - begun < 4
