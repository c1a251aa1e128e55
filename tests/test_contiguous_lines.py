"""What a log says of contiguous memory: whose each area is, and which words meant nothing."""

from __future__ import annotations

import pytest

from smecheck.evidence import value_of
from smecheck.load.hidden_places import logged_cma, logged_handover
from smecheck.machine.kernel_log import KernelLog, LoggedBoot
from smecheck.read.log.dmesg import read_dmesg
from smecheck.read.source import NamedStream
from smecheck.span import Span

VERSION = "Linux version 7.3.4 (x@y) (gcc 14)"
UP = "Run /init as init process"
AREA = "cma: Reserved 128 MiB at 0x0000000076e00000"
OLDER = "cma: Reserved 128 MiB at 0x0000000076e00000 on node -1"
FIRST = "cma: Reserved 256 MiB at 0x0000000062000000"
SECOND = "cma: Reserved 256 MiB at 0x0000000042000000"
CRASH = "crashkernel CMA reserved: 512 MB in 2 ranges"
SHORT = "crashkernel CMA reservation failed: 1024 MB requested, 512 MB reserved in 2 ranges"
IGNORED = (
    'Unknown kernel command line parameters "BOOT_IMAGE=/v kho=on cma=128M", will be passed to '
    "user space."
)


def log_of(*lines: str) -> KernelLog:
    text = "".join(f"[    0.000000] {line}\n" for line in lines)
    return read_dmesg(NamedStream.of("d", text.encode()))


def boot_of(*lines: str) -> LoggedBoot:
    return log_of(VERSION, "Command line: x", *lines).boot


@pytest.mark.parametrize("line", [AREA, OLDER])
def test_an_area(line: str) -> None:
    boot = boot_of(line)
    assert [(area.span, area.where) for area in boot.cma_areas] == [
        (Span(0x76E00000, 0x7EE00000), "d:3")
    ]
    assert boot.crash_cma is None


@pytest.mark.parametrize("summary", [CRASH, SHORT])
def test_areas_of_a_crash_kernel_are_no_others(summary: str) -> None:
    boot = boot_of(AREA, FIRST, SECOND, summary)
    assert [area.span.start for area in boot.cma_areas] == [0x76E00000]
    assert boot.crash_cma is not None
    assert boot.crash_cma.where == "d:6"
    assert boot.crash_cma.spans == (Span(0x62000000, 0x72000000), Span(0x42000000, 0x52000000))


@pytest.mark.parametrize("lines", [(SECOND,), (), (AREA, SECOND)])
def test_areas_that_do_not_add_up_are_not_known(lines: tuple[str, ...]) -> None:
    boot = boot_of(*lines, CRASH)
    assert boot.crash_cma is not None
    assert boot.crash_cma.spans is None
    assert len(boot.cma_areas) == len(lines)


def test_areas_of_huge_pages_are_no_others() -> None:
    boot = boot_of(AREA, FIRST, "hugetlb_cma: reserved 256 MiB on node 0")
    assert [area.span.start for area in boot.cma_areas] == [0x76E00000]


def asked(words: str, *lines: str) -> tuple[bool | None, bool | None]:
    log = log_of(VERSION, f"Command line: {words}", *lines)
    cmdline = log.boot.cmdline
    return value_of(logged_cma(log, cmdline)), value_of(logged_handover(log, cmdline))


@pytest.mark.parametrize(
    ("words", "lines", "cma"),
    [
        ("quiet", (), None),
        ("quiet", (UP,), False),
        ("quiet", (AREA,), True),
        ("quiet", (AREA, UP), True),
        ("quiet", (FIRST, SECOND, CRASH, UP), False),
        ("cma=128M", (), True),
        ("cma=128M", (UP,), True),
        ("cma=0x8000000@1G-4G", (), True),
        ("cma=128M cma=0", (), False),
        ("cma=0", (AREA,), True),
        ("cma=0x0", (), False),
        ("cma=0M", (), False),
        ("cma=128M", (IGNORED,), False),
        ("xcma=128M", (UP,), False),
    ],
)
def test_whether_there_is_an_area(words: str, lines: tuple[str, ...], cma: bool | None) -> None:
    assert asked(words, *lines)[0] is cma


@pytest.mark.parametrize(
    ("words", "lines", "kho"),
    [
        ("quiet", (UP,), None),
        ("kho=on", (), True),
        ("kho=1", (), True),
        ("kho=Y", (), True),
        ("kho=off", (), False),
        ("kho=0", (), False),
        ("kho=off kho=on", (), True),
        ("kho=on", (IGNORED,), False),
    ],
)
def test_whether_handover_is_active(words: str, lines: tuple[str, ...], kho: bool | None) -> None:
    assert asked(words, *lines)[1] is kho
