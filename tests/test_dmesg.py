"""Kernel logs: what they say of the machine, in every wording, whatever stands before it."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
from recorded import DATA

from smecheck.errors import InputError, MalformedInput, UnreadableInput, WrongKind
from smecheck.evidence import Unknown, value_of
from smecheck.machine.firmware import EFI_MEMORY_RUNTIME, E820Type, EfiType
from smecheck.machine.kernel_log import KernelLog, LoggedBoot
from smecheck.machine.map_without_iomem import machine_memory
from smecheck.read.log.dmesg import read_dmesg
from smecheck.read.log.efi_lines import RANGES_LIMIT
from smecheck.span import Span

LOGS = DATA / "machine-logs"
UEFI = LOGS / "k612-2g-ovmf-kaslr-exec-s-k2kaslr.console.txt"
MAIL = DATA / "iomem" / "mail-weiser-one-dump.txt"
VERSION = "Linux version 6.4.0-150600.23-default (geeko@buildhost) (gcc (SUSE Linux) 7.5.0)"
MAP = """\
BIOS-provided physical RAM map:
BIOS-e820: [mem 0x0000000000000000-0x000000000009fbff] usable
BIOS-e820: [mem 0x000000000009fc00-0x000000000009ffff] reserved
BIOS-e820: [mem 0x0000000000100000-0x000000007ffdffff] usable
"""


def log_of(text: str, folder: Path) -> KernelLog:
    path = folder / "dmesg.txt"
    path.write_text(text, encoding="utf-8")
    return read_dmesg(str(path))


def boot_of(text: str, folder: Path) -> LoggedBoot:
    return log_of(text, folder).boot


def entries(boot: LoggedBoot) -> list[tuple[Span, int]]:
    assert boot.firmware_map is not None
    return [(entry.span, entry.type) for entry in boot.firmware_map.ranges]


WHOLE = [
    (Span(0, 0x9FC00), E820Type.RAM),
    (Span(0x9FC00, 0xA0000), E820Type.RESERVED),
    (Span(0x100000, 0x7FFE0000), E820Type.RAM),
]


@pytest.mark.parametrize(
    "prefix",
    [
        "",
        "[    0.000000] ",
        "[    0.000000][    T0] ",
        "<6>[    0.000000] ",
        "[Mon Nov 23 01:50:13 2026] ",
        "Nov 23 01:50:13 host kernel: ",
        "2026-11-23T01:50:13+0000 host kernel: ",
        "> > [    0.000000] ",
        ">",
        "\t",
        "\x1b[32m[    0.000000] \x1b[0m",
    ],
)
def test_any_prefix(prefix: str, tmp_path: Path) -> None:
    text = "".join(f"{prefix}{line}\n" for line in [VERSION, *MAP.splitlines()])
    boot = boot_of(text, tmp_path)
    assert entries(boot) == WHOLE
    assert value_of(boot.release) == "6.4.0-150600.23-default"
    assert boot.begins


@pytest.mark.parametrize(
    ("words", "number"),
    [
        ("usable", 1),
        ("reserved", 2),
        ("soft reserved", 0xEFFFFFFF),
        ("ACPI data", 3),
        ("ACPI NVS", 4),
        ("unusable", 5),
        ("persistent (type 7)", 7),
        ("persistent (type 12)", 12),
        ("type 20", 20),
        ("usable            # all of it", 1),
        # Kernels since late 2025.
        (" System RAM", 1),
        (" device reserved", 2),
        (" persistent RAM (type 12)", 12),
        ("  12   GB System RAM", 1),
        (" 1.9 GB System RAM", 1),
        (" 639   KB reserved", 2),
    ],
)
def test_types(words: str, number: int, tmp_path: Path) -> None:
    line = f"BIOS-e820: [mem 0x0000000000001000-0x0000000000001fff] {words}\n"
    gap = "BIOS-e820: [gap 0x0000000000002000-0x0000000000002fff]\n"
    assert entries(boot_of(line + gap, tmp_path)) == [(Span(0x1000, 0x2000), number)]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("BIOS-e820: [mem 0x0000000000100000-0x000000007ffd", "is broken"),
        ("BIOS-e820: [mem 0x0000000000100000-0x000000007ffdffff] usab", "is broken"),
        ("BIOS-e820: [mem 0x0000000000100000-0x000000007ffdffff]", "is broken"),
        ("BIOS-e820: [mem 0x0000000000100000-0x00000000000fffff] usable", "ends before"),
    ],
)
def test_a_broken_line_of_the_map_is_not_passed_over(
    line: str, message: str, tmp_path: Path
) -> None:
    with pytest.raises(MalformedInput, match=message) as caught:
        log_of(MAP + line + "\n", tmp_path)
    assert caught.value.where is not None
    assert caught.value.where.endswith("dmesg.txt:5")


def test_which_map_is_the_firmwares(tmp_path: Path) -> None:
    extended = MAP.replace("BIOS-provided", "extended").replace("BIOS-e820", "extended")
    more = "extended: [mem 0x0000000100000000-0x000000017fffffff] usable\n"
    later = (
        "extended physical RAM map:\n"
        "reserve setup_data: [mem 0x0000000000000000-0x000000000009fbff] usable\n"
        "user-defined physical RAM map:\n"
        "user: [mem 0x0000000000001000-0x000000003fffffff] usable\n"
    )
    boot = boot_of(MAP + extended + more + later, tmp_path)
    assert entries(boot) == [*WHOLE, (Span(1 << 32, 0x180000000), E820Type.RAM)]
    assert boot.kernel_map is not None
    assert [entry.span for entry in boot.kernel_map.ranges] == [Span(0x1000, 0x40000000)]


def test_changes_count_from_the_last_table_on(tmp_path: Path) -> None:
    update = "e820: update [mem 0x00100000-0x0010000f] usable ==> usable\n"
    table = "reserve setup_data: [mem 0x0000000000000000-0x000000000009fbff] usable\n"
    late = (
        "e820: update [mem 0x00000000-0x00000fff] usable ==> reserved\n"
        "e820: remove [mem 0x000a0000-0x000fffff] usable\n"
        "e820: remove [mem 0xffc00000-0xffffffff] reserved\n"
        "e820: reserve RAM buffer [mem 0x7ffe0000-0x7fffffff]\n"
    )
    boot = boot_of(MAP + update + update + table + late, tmp_path)
    assert [(c.span, c.old, c.new) for c in boot.changes] == [
        (Span(0, 0x1000), 1, 2),
        (Span(0xA0000, 0x100000), 1, None),
        (Span(0xFFC00000, 0x100000000), 2, None),
    ]
    assert [entry.span for entry in boot.setup_data] == [Span(0x100000, 0x100010)]
    assert [entry.span for entry in boot.ram_buffers] == [Span(0x7FFE0000, 0x80000000)]


CRASH = {
    "Reserving 256MB of memory at 3392MB for crashkernel (System RAM: 16271MB)": (
        (0xD4000000, 0xE4000000, False, True),
    ),
    "Reserving 256MB of low memory at 2832MB for crashkernel (low RAM limit: 4095MB)": (),
    "Reserving 72MB of low memory at 2832MB for crashkernel (System low RAM: 2047MB)": (),
    "crashkernel reserved: 0x00000000d0000000 - 0x00000000da000000 (160 MB)": (
        (0xD0000000, 0xDA000000, False, False),
    ),
    "crashkernel low memory reserved: 0x7d000000 - 0x8d000000 (256 MB)": (),
    "crashkernel CMA reserved: 64 MB in 1 ranges": (),
    "crashkernel reserved: 0xda000000 - 0xd0000000 (160 MB)": (),
    "Reserving Intel graphics memory at [mem 0x7c000000-0x7fffffff]": (),
}


@pytest.mark.parametrize("line", CRASH)
def test_crash_reservations(line: str, tmp_path: Path) -> None:
    boot = boot_of(f"{MAP}[    0.1] {line}\n", tmp_path)
    found = [(r.span.start, r.span.end, r.is_low, r.in_mib) for r in boot.crash_reservations]
    assert tuple(found) == CRASH[line]
    assert all(r.where.endswith(":5") for r in boot.crash_reservations)


LOW = {
    "Reserving 256MB of low memory at 2832MB for crashkernel (low RAM limit: 4095MB)": (
        Span(0xB1000000, 0xC1000000)
    ),
    "Reserving 72MB of low memory at 2832MB for crashkernel (System low RAM: 2047MB)": (
        Span(0xB1000000, 0xB5800000)
    ),
    "crashkernel low memory reserved: 0x7d000000 - 0x8d000000 (256 MB)": (
        Span(0x7D000000, 0x8D000000)
    ),
}


@pytest.mark.parametrize("line", LOW)
def test_the_low_part_of_a_reservation_is_not_the_reservation(line: str, tmp_path: Path) -> None:
    alone = boot_of(f"{MAP}[    0.1] {line}\n", tmp_path)
    assert alone.crash_reservations == ()
    assert alone.broken_reservation is not None
    assert "only the low part" in alone.broken_reservation.text
    main = "crashkernel reserved: 0x0000000810000000 - 0x0000000830000000 (512 MB)"
    both = boot_of(f"{MAP}[    0.1] {line}\n[    0.1] {main}\n", tmp_path)
    assert [(one.span, one.is_low) for one in both.crash_reservations] == [
        (Span(0x810000000, 0x830000000), False),
        (LOW[line], True),
    ]


@pytest.mark.parametrize(
    "line",
    [
        "crashkernel reservation failed - memory is in use.",
        "crashkernel reservation failed - No suitable area found.",
        "cannot allocate crashkernel (size:0x10000000)",
        "cannot allocate crashkernel low memory (size:0x10000000)",
        "Cannot reserve 256MB crashkernel low memory, please try smaller size.",
        "crashkernel low reservation failed - No suitable area found.",
        "crashkernel: memory value expected",
    ],
)
def test_failed_reservations(line: str, tmp_path: Path) -> None:
    boot = boot_of(f"{MAP}[    0.1] {line}\n", tmp_path)
    assert [failure.text for failure in boot.crash_failures] == [line]
    assert boot.crash_reservations == ()


@pytest.mark.parametrize(
    ("lines", "features"),
    [
        ("AMD Secure Memory Encryption (SME) active", ("SME",)),
        ("AMD Secure Encrypted Virtualization (SEV) active", ("SEV",)),
        ("AMD Memory Encryption Features active: SME", ("SME",)),
        ("AMD Memory Encryption Features active: SEV SEV-ES", ("SEV", "SEV-ES")),
        ("Memory Encryption Features active: AMD SME", ("SME",)),
        ("Memory Encryption Features active: AMD SEV SEV-ES SEV-SNP", ("SEV", "SEV-ES", "SEV-SNP")),
        ("Memory Encryption Features active: Intel TDX", ("TDX",)),
        # Printed in pieces, with another message between them.
        ("Memory Encryption Features active: \nx86: another\n[ 0.1]  AMD\n[ 0.1]  SME", ("SME",)),
        ("Memory Encryption Features active: ", ()),
    ],
)
def test_wordings_of_encryption(lines: str, features: tuple[str, ...], tmp_path: Path) -> None:
    text = MAP + "".join(f"[    0.1] {line}\n" for line in lines.split("\n"))
    boot = boot_of(text, tmp_path)
    assert boot.encryption is not None
    assert boot.encryption.features == features
    assert boot.encryption.where.endswith(":5")


@pytest.mark.parametrize(
    ("line", "cpus"),
    [
        ("smpboot: Allowing 64 CPUs, 32 hotplug CPUs", 64),
        ("CPU topo: Allowing 48 present CPUs plus 16 hotplug CPUs", 64),
        ("setup_percpu: NR_CPUS:8192 nr_cpumask_bits:64 nr_cpu_ids:64 nr_node_ids:1", 64),
    ],
)
def test_possible_cpus(line: str, cpus: int, tmp_path: Path) -> None:
    assert value_of(boot_of(f"{MAP}{line}\n", tmp_path).cpus) == cpus


@pytest.mark.parametrize("name", ["KVM", "Microsoft Hyper-V", "Xen PV"])
def test_the_hypervisor(name: str, tmp_path: Path) -> None:
    seen = boot_of(f"{MAP}[    0.1] Hypervisor detected: {name}\n", tmp_path).hypervisor
    assert seen is not None
    assert seen.text == name
    assert seen.where.endswith(":5")
    assert boot_of(MAP, tmp_path).hypervisor is None


def test_kernel_and_initrd(tmp_path: Path) -> None:
    text = (
        f"[    0.0] {VERSION}\n[    0.0] Command line: root=/dev/sda1 crashkernel=256M\n{MAP}"
        "[    0.1] RAMDISK: [mem 0x7bf04000-0x7bffffff]\n"
        "[    0.2] Kernel command line: root=/dev/sda1 crash\n[    0.3] smp: Brought up 1 node\n"
    )
    boot = boot_of(text, tmp_path)
    assert value_of(boot.cmdline) == "root=/dev/sda1 crashkernel=256M"
    assert boot.ramdisk is not None
    assert boot.ramdisk.span == Span(0x7BF04000, 0x7C000000)
    assert boot.is_up


def test_efi(tmp_path: Path) -> None:
    text = MAIL.read_text().split("BIOS-e820: [mem 0x0000000000000000")
    boot = boot_of("BIOS-e820: [mem 0x0000000000000000".join(text[:2]), tmp_path)
    assert boot.efi_map is not None
    assert len(boot.efi_map.ranges) == 49
    reserved, mmio = boot.efi_map.ranges[41], boot.efi_map.ranges[43]
    assert (reserved.type, reserved.attribute) == (0, 0x070000000000000F)
    assert reserved.span == Span(0x7A700000, 0x7A800000)
    assert (mmio.type, mmio.attribute & EFI_MEMORY_RUNTIME) == (11, EFI_MEMORY_RUNTIME)
    assert boot.efi_map.ranges[38].type is EfiType.CONVENTIONAL_MEMORY or (
        boot.efi_map.ranges[38].type == EfiType.CONVENTIONAL_MEMORY
    )
    assert boot.efi_runtime_map is not None
    assert len(boot.efi_runtime_map.ranges) == 30
    assert {table.name: table.address for table in boot.efi_tables}["ESRT"] == 0x74DD6F98
    assert "ACPI 2.0" in {table.name for table in boot.efi_tables}
    assert boot.esrt is not None
    assert boot.esrt.span == Span(0x74DD6F98, 0x74DD6FD0)


def test_the_last_boot_counts_and_it_is_said() -> None:
    log = read_dmesg(str(UEFI))
    assert log.boot.line == 74
    assert value_of(log.boot.cmdline) == "console=ttyS0,115200 stage=2 panic=5 earlyprintk=serial"
    assert "2 boots (from lines 1, 74); the last one, from line 74, counts" in log.remarks[0]
    assert log.boot.decompressor is not None
    (said,) = log.boot.decompressor.kaslr
    assert said.text == "Physical KASLR disabled: no suitable memory region!"
    assert said.where.endswith(":73")


def test_a_crash_kernels_map_is_not_the_machines() -> None:
    log = read_dmesg(str(LOGS / "k612-1g-bios-nokaslr-crash-s.console.txt"))
    assert "is a crash kernel's: its memory map is what kexec left to it" in log.remarks[1]


def test_two_boots_without_a_first_line() -> None:
    log = read_dmesg(str(MAIL))
    assert log.boot.line == 159
    assert [r.span for r in log.boot.crash_reservations] == [Span(0x67000000, 0x6D000000)]
    assert isinstance(log.boot.release, Unknown)
    assert any("first lines of the boot are missing" in remark for remark in log.remarks)


def test_a_line_that_a_mail_quotes_twice_begins_no_boot(tmp_path: Path) -> None:
    text = MAP + "\n\nBIOS-e820: [mem 0x0000000000100000-0x000000007ffdffff] usable\n"
    log = log_of(text, tmp_path)
    assert entries(log.boot) == WHOLE
    assert log.boot.line == 1


def test_the_version_of_a_running_kernel_is_no_boot(tmp_path: Path) -> None:
    text = f"{VERSION}\n{MAP}# /proc/version\n{VERSION}\n"
    assert log_of(text, tmp_path).boot.line == 1


def test_a_ring_buffer_that_wrapped(tmp_path: Path) -> None:
    log = log_of("[ 9.1] Memory Encryption Features active: AMD SME\n", tmp_path)
    assert not log.boot.begins
    assert log.boot.firmware_map is None
    assert "first lines of the boot are missing" in log.remarks[0]


def test_a_kernel_that_died_behind_its_decompressor(tmp_path: Path) -> None:
    died = """\
Booting from ROM..
early console in extract_kernel
input_data: 0x00000000046cb3a8
input_len: 0x00000000009a94d3
output: 0x0000000001000000
output_len: 0x000000000c1808cc
kernel_total_size: 0x000000000b62c000
needed_size: 0x000000000c200000
trampoline_32bit: 0x000000000009d000
Physical KASLR disabled: no suitable memory region!

Decompressing Linux... Parsing ELF... done.
Booting the kernel.
"""
    log = log_of(f"[    0.0] {VERSION}\n{MAP}{died}", tmp_path)
    assert log.boot.line == 1
    dead = log.unfinished
    assert dead is not None
    assert value_of(dead.output) == 0x1000000
    assert value_of(dead.kernel_total_size) == 0xB62C000
    assert [line.text for line in dead.kaslr] == [
        "Physical KASLR disabled: no suitable memory region!"
    ]
    assert any("and its kernel printed nothing" in text for text in log.remarks)
    alone = log_of(died, tmp_path)
    assert value_of(alone.unfinished.output if alone.unfinished else Unknown("")) == 0x1000000


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("", UnreadableInput, "is empty"),
        ("\n \n", UnreadableInput, "is empty"),
        ("call the vendor\n", WrongKind, "is not a kernel log"),
        ("00100000-7ffdffff : System RAM\n", WrongKind, "is an iomem dump, not a kernel log"),
        ("[    4.9] Run /init as init process\n", WrongKind, "log that does not hold a memory map"),
    ],
)
def test_what_is_no_log(text: str, error: type[InputError], message: str, tmp_path: Path) -> None:
    with pytest.raises(error, match=message):
        log_of(text, tmp_path)


def test_a_map_without_end_is_refused(tmp_path: Path) -> None:
    rows = (
        f"BIOS-e820: [mem {n << 12:#018x}-{(n << 12) + 0xFFF:#018x}] usable\n"
        for n in range(RANGES_LIMIT + 1)
    )
    with pytest.raises(MalformedInput, match=f"more than {RANGES_LIMIT} entries"):
        log_of("".join(rows), tmp_path)


def test_thousands_of_changes_take_no_time(tmp_path: Path) -> None:
    rows = (
        f"e820: update [mem {start:#010x}-{start + 0xFFF:#010x}] usable ==> reserved\n"
        for start in range(0, 4000 << 21, 1 << 21)
    )
    log = log_of(MAP + "".join(rows), tmp_path)
    begun = time.process_time()
    memory = machine_memory(log, None)
    assert time.process_time() - begun < 1
    assert memory is not None
    assert len(memory.regions) > 1000


def test_hostile_lines_take_no_time(tmp_path: Path) -> None:
    hostile = (
        "efi: " + "A " * 30000,
        "BIOS-e820: [gap " + "0" * 60000,
        "Linux version " + "6." * 30000,
        "Reserving " + "9" * 60000 + "MB",
        "crashkernel reservation failed" + " cannot allocate" * 4000,
    )
    text = MAP + "".join(f"{line}\n" * 20 for line in hostile)
    assert entries(boot_of(text, tmp_path)) == WHOLE
    for broken in (
        "efi: mem00: [" + "|" * 60000,
        "BIOS-e820: [mem 0x" + "0" * 60000,
        "e820: update " + "[mem 0x0-0x1] " * 4000,
    ):
        with pytest.raises(MalformedInput, match="is broken"):
            log_of(f"{text}{broken}\n", tmp_path)


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "console"
    path.write_bytes(b"\x00\xff\x1b[2J" + MAP.replace("\n", "\r\n").encode() + b"\xff\n")
    boot = read_dmesg(str(path)).boot
    assert entries(boot) == WHOLE


@pytest.mark.parametrize("path", sorted(LOGS.glob("*.boot?.dmesg.txt")), ids=lambda p: p.stem)
def test_recorded_logs_are_whole(path: Path) -> None:
    boot = read_dmesg(str(path)).boot
    assert boot.begins
    assert boot.is_up
    assert boot.firmware_map is not None
    assert value_of(boot.cpus) in (1, 2)
    assert re.fullmatch(r"6\.1.*-amd64", value_of(boot.release) or "")
    emulated = "SMEemul" in path.name
    assert (boot.encryption is not None) is emulated
