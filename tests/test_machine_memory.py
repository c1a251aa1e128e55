"""A machine without its /proc/iomem: what a log or a firmware's table tells is what iomem shows."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from recorded import DATA, kernel, segment_list

from smecheck.analysis import analyze
from smecheck.answer import Basis, Report, Verdict
from smecheck.asked import asked_by_options
from smecheck.case import Case
from smecheck.evidence import Known
from smecheck.load.segments import Mode
from smecheck.machine.e820 import without_overlaps
from smecheck.machine.firmware import (
    EFI_MEMORY_RUNTIME,
    EFI_MEMORY_SP,
    E820Type,
    EfiMap,
    EfiRange,
    EfiType,
    FirmwareMap,
    FirmwareMapKind,
    FirmwareRange,
)
from smecheck.machine.kernel_log import CrashReservation, E820Change, KernelLog, LoggedBoot, LogSpan
from smecheck.machine.map_premises import premises
from smecheck.machine.map_without_iomem import machine_memory
from smecheck.machine.memory import MapKind, MemoryMap
from smecheck.machine.reservation_line import is_exact
from smecheck.read.log.dmesg import read_dmesg
from smecheck.read.machine.iomem import read_iomem
from smecheck.read.machine.memmap import read_memmap
from smecheck.record import replace
from smecheck.span import Span, SpanSet

LOGS = DATA / "machine-logs"
BOOTS = sorted(path.name.removesuffix(".iomem.txt") for path in LOGS.glob("*.iomem.txt"))
MIB, GIB, WB = 1 << 20, 1 << 30, 1 << 3


def firmware(*rows: tuple[int, int, int]) -> FirmwareMap:
    ranges = tuple(FirmwareRange(Span(a, b), kind, f"m:{a:x}") for a, b, kind in rows)
    return FirmwareMap("m", FirmwareMapKind.HOST, ranges)


def made(boot: LoggedBoot | None = None, given: FirmwareMap | None = None) -> MemoryMap:
    log = None if boot is None else KernelLog("dmesg", boot)
    found = machine_memory(log, given)
    assert found is not None
    return found


def logged(*rows: tuple[int, int, int], **facts: object) -> LoggedBoot:
    boot = LoggedBoot(1, begins=True, is_up=True, kernel_map=firmware(*rows))
    return replace(boot, **facts)


TWO_GIB = ((0, 0x9FC00, 1), (0x9FC00, 0xA0000, 2), (MIB, 0x7FFE0000, 1), (0x7FFE0000, 2 * GIB, 2))


@pytest.mark.parametrize("boot", BOOTS)
def test_as_iomem_shows_it(boot: str) -> None:
    """Twelve boots: loaded by firmware and by kexec, with two reservations, crash kernels."""
    iomem = read_iomem(str(LOGS / f"{boot}.iomem.txt"))
    log = read_dmesg(str(LOGS / f"{boot}.dmesg.txt"))
    listed = read_memmap(str(LOGS / f"{boot}.memmap.txt"))
    by_log, by_list = made(log.boot), made(None, listed)
    assert (by_log.kind, by_list.kind) == (MapKind.KERNEL_LOG, MapKind.FIRMWARE)
    for found in (by_log, by_list, made(replace(log.boot, kernel_map=None), listed)):
        assert found.system_ram == iomem.system_ram
        assert found.complete
    assert by_log.ram_buffer == iomem.ram_buffer
    crash = [region.span for region in iomem.crash_kernel]
    assert [region.span for region in by_log.crash_kernel] == crash
    assert by_list.crash_kernel == ()
    assert all(is_exact(reservation, log.boot) for reservation in log.boot.crash_reservations)


@pytest.mark.parametrize(
    "name", ["k61-2g-bios-nokaslr-exec-c", "k612-2g-ovmf-kaslr-exec-s-k2kaslr"]
)
def test_a_console_without_debug_messages_tells_the_same(name: str) -> None:
    """On a console the lines "e820: update" and "e820: remove" are not shown."""
    log = read_dmesg(str(LOGS / f"{name}.console.txt"))
    assert log.boot.changes == ()
    memory = made(log.boot)
    assert not memory.system_ram.overlaps(Span(0, 0x1000))
    assert not memory.system_ram.overlaps(Span(0xA0000, MIB))


def test_a_kernels_own_table_comes_first() -> None:
    boot = logged((0, 0x9FC00, 1), (MIB, GIB, 1))
    memory = made(boot, firmware(*TWO_GIB))
    assert memory.system_ram == SpanSet([Span(0x1000, 0x9FC00), Span(MIB, GIB)])


def test_changes_count() -> None:
    changes = (
        E820Change(Span(0x200000, 0x300000), 1, 2, "d:9"),
        E820Change(Span(0x9FC00, 0xA0000), 2, None, "d:10"),
        E820Change(Span(0x400000, 0x400010), 1, 128, "d:11"),
        E820Change(Span(0x500000, 0x600000), 3, 2, "d:12"),
    )
    memory = made(logged(*TWO_GIB, changes=changes))
    expected = [Span(0x1000, 0x9FC00), Span(MIB, 0x200000), Span(0x300000, 0x7FFE0000)]
    assert memory.system_ram == SpanSet(expected)
    region = memory.innermost(0x200000)
    assert region is not None
    assert (region.name, memory.where(region)) == ("Reserved", "d:9")
    assert memory.innermost(0x9FC00) is None


def test_overlaps_go_to_the_higher_type() -> None:
    table = firmware((0, 10, 1), (4, 6, 2), (5, 12, 1), (20, 30, 1), (20, 30, 7), (8, 9, 12))
    parts = [(e.span.start, e.span.end, e.type) for e in without_overlaps(table.ranges)]
    truth = {}
    for byte in range(40):
        kinds = [e.type for e in table.ranges if byte in e.span]
        if kinds:
            truth[byte] = max(kinds)
    assert {byte: kind for a, b, kind in parts for byte in range(a, b)} == truth
    assert all(one[1] <= two[0] for one, two in pairwise(parts))


def test_efi_memory_as_the_kernel_takes_it() -> None:
    rows = (
        (EfiType.CONVENTIONAL_MEMORY, WB, True),
        (EfiType.BOOT_SERVICES_DATA, WB | EFI_MEMORY_RUNTIME, True),
        (EfiType.LOADER_CODE, WB, True),
        (EfiType.CONVENTIONAL_MEMORY, 0, False),
        (EfiType.CONVENTIONAL_MEMORY, WB | EFI_MEMORY_SP, False),
        (EfiType.RUNTIME_SERVICES_DATA, WB | EFI_MEMORY_RUNTIME, False),
        (EfiType.ACPI_MEMORY_NVS, WB, False),
        (EfiType.PERSISTENT_MEMORY, WB, False),
        (11, 0, False),
    )
    spans = [Span.sized(GIB + n * MIB, MIB) for n in range(len(rows))]
    ranges = [
        EfiRange(s, kind, bits, "d:1") for s, (kind, bits, _) in zip(spans, rows, strict=True)
    ]
    boot = LoggedBoot(1, begins=False, is_up=False, efi_map=EfiMap("d", tuple(ranges)))
    memory = made(boot)
    assert memory.kind is MapKind.EFI
    ram = [span for span, (_, _, is_ram) in zip(spans, rows, strict=True) if is_ram]
    assert memory.system_ram == SpanSet(ram)
    assert not memory.complete


def test_a_ram_buffer_is_what_is_nothing_else() -> None:
    buffer = LogSpan(Span(0x7FFD0000, 0x80000000), "d:5")
    memory = made(logged((0, 0x9FC00, 1), (MIB, 0x7FFE0000, 1), ram_buffers=(buffer,)))
    assert memory.ram_buffer == SpanSet([Span(0x7FFE0000, 0x80000000)])


@pytest.mark.parametrize(
    ("cmdline", "exact"),
    [
        ("crashkernel=256M", True),
        ("crashkernel=1G-4G:160M,4G-:256M", True),
        ("crashkernel=256M,high crashkernel=72M,low", True),
        ("crashkernel=260100K", False),
        ("crashkernel=0x10000001", False),
        ("crashkernel=256M@0x1000000", False),
        ("crashkernel=auto", False),
        ("ro", False),
    ],
)
def test_when_mebibytes_are_exact(cmdline: str, exact: bool) -> None:
    told = CrashReservation(Span(GIB, GIB + 256 * MIB), False, True, "d:7")
    boot = logged(*TWO_GIB, cmdline=Known(cmdline, "d:2"), crash_reservations=(told,))
    assert is_exact(told, boot) is exact
    assert is_exact(replace(told, in_mib=False), boot)
    said = premises(made(boot), KernelLog("d", boot), None)
    assert any("up to 1 MiB higher" in text for text in said) is not exact


def answer(memory: MemoryMap | None = None, log: KernelLog | None = None) -> Report:
    spans = {
        "kernel": Span.sized(0x6F400000, 0xD41000),
        "boot_params": Span.sized(0x98000, 0x2000),
    }
    request = asked_by_options(cmdline="nokaslr mem_encrypt=on", mode=Mode.LOAD)
    return analyze(Case(kernel("5.0-old"), request, segment_list(**spans), memory, log=log))


def test_the_checks_of_a_machine_run_on_a_log_alone() -> None:
    ends_below = logged((0, 0x9FC00, 1), (MIB, 0x70200000, 1))
    found = answer(log=KernelLog("dmesg.txt", ends_below))
    assert [f.rule for f in found.findings if f.rule == "SME004"]
    assert found.verdict is Verdict.COLLISION
    clear = answer(log=KernelLog("dmesg.txt", logged(*TWO_GIB)))
    assert (clear.verdict, clear.basis) == (Verdict.CLEAR, Basis.MACHINE)
    assert any("no iomem" in text for text in clear.assumptions)
    assert any("memory that m does not show: it is the e820 map" in t for t in clear.not_checked)


def test_without_a_map_the_verdict_stays_open() -> None:
    empty = KernelLog("dmesg.txt", LoggedBoot(1, begins=False, is_up=False))
    assert answer(log=empty).verdict is Verdict.UNDECIDED
    assert "--dmesg" in answer().next_step


def test_iomem_comes_first(tmp_path: Path) -> None:
    path = tmp_path / "iomem.txt"
    path.write_text("00000000-00000fff : Reserved\n00001000-7fffffff : System RAM\n")
    small = KernelLog("dmesg.txt", logged((0, 0x9FC00, 1), (MIB, 0x70200000, 1)))
    found = answer(read_iomem(str(path)), small)
    assert found.memory is not None
    assert found.memory.kind is MapKind.IOMEM
    assert not [f for f in found.findings if f.rule == "SME004"]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("k612-2g-bios-nokaslr-exec-c-SMEemul.boot1", "SME is active in the kernel that wrote"),
        ("k612-1g-bios-nokaslr-crash-s.boot1", "SME is not active in the kernel that wrote"),
    ],
)
def test_sme_of_the_log_is_the_running_kernels(name: str, said: str) -> None:
    report = answer(log=read_dmesg(str(LOGS / f"{name}.dmesg.txt")))
    assert said in report.boot.sme_evidence[-1]
    assert report.boot.sme_evidence[0].startswith("mem_encrypt=on")


def test_reserved_kern_is_ram() -> None:
    memory = made(logged((MIB, GIB, E820Type.RESERVED_KERN)))
    assert memory.system_ram == SpanSet([Span(MIB, GIB)])
