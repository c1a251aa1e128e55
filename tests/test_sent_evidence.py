"""More of what people hand in, beside the cases of test_evidence_cases: each kind by itself."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from commandline import SAMPLES, Run, call

from smecheck.errors import MalformedInput
from smecheck.evidence import value_of
from smecheck.machine.kernel_log import LoggedBoot
from smecheck.read.log.dmesg import read_dmesg
from smecheck.read.machine.iomem import parse_iomem, read_iomem
from smecheck.read.source import NamedStream

SAMPLE = SAMPLES / "founding-failure"
KERNEL = ("analyze", str(SAMPLE / "kernel.yaml"))
IOMEM = (SAMPLE / "iomem.txt").read_text()
ROWS = (
    "[    0.000000] Linux version 5.0.0 (a@b) (gcc) #1 SMP",
    "[    0.000000] Command line: root=/dev/sda1 mem_encrypt=on",
    "[    0.000000] BIOS-e820: [mem 0x0000000000000000-0x000000000009fbff] usable",
    "[    0.000000] BIOS-e820: [mem 0x0000000000100000-0x000000007ffdffff] usable",
)


def boot(*rows: str, encoding: str = "utf-8") -> LoggedBoot:
    text = "".join(f"{row}\n" for row in rows)
    return read_dmesg(NamedStream.of("log", text.encode(encoding))).boot


def answer(tmp_path: Path, *arguments: str, **texts: str) -> Run:
    given = []
    for option, text in texts.items():
        (tmp_path / option).write_text(text)
        given += [f"--{option}", str(tmp_path / option)]
    return call(*KERNEL, *given, *arguments, "--format", "json")


@pytest.mark.parametrize(
    "line",
    [
        "Hypervisor detected: KVM",
        "AMD Secure Encrypted Virtualization (SEV) active",
        "Memory Encryption Features active: AMD SEV",
        "Booting paravirtualized kernel on Xen",
    ],
)
def test_a_console_below_a_blank_line_of_a_log(line: str) -> None:
    """What the host's kernel says has its name before it, so the guest's is told from it."""
    host = [f"Nov 28 01:01:00 host kernel: {row}" for row in ROWS]
    found = boot(*host, "", f"[    0.000000] {line}", "")
    assert (found.hypervisor, found.encryption, found.xen) == (None, None, None)
    # Where no line has a name, it is the kernel's.
    found = boot(*ROWS, "", f"[    0.000000] {line}", "")
    assert (found.hypervisor, found.encryption, found.xen) != (None, None, None)


def exported(fields: dict[str, str]) -> str:
    return "__CURSOR=s=1\n" + "".join(f"{name}={value}\n" for name, value in fields.items())


def verbose(fields: dict[str, str]) -> str:
    rows = "\n".join(f"    {name}={value}" for name, value in fields.items())
    return f"Fri 2025-11-28 01:01:00.000000 CET [s=1;i=2]\n{rows}"


@pytest.mark.parametrize("form", [exported, verbose, json.dumps])
@pytest.mark.parametrize(
    "fields",
    [
        {"_TRANSPORT": "syslog", "SYSLOG_IDENTIFIER": "kernel"},
        {"SYSLOG_IDENTIFIER": "kernel", "SYSLOG_PID": "5"},
        {"SYSLOG_IDENTIFIER": "kernel", "_UID": "1000"},
        {"_SYSTEMD_UNIT": "qemu.service"},
        {"CONTAINER_NAME": "vm"},
        {"PRIORITY": "6"},
    ],
)
def test_records_of_programs(form: Callable[[dict[str, str]], str], fields: dict[str, str]) -> None:
    """A program's record is its own, whatever its message looks like."""
    kernel = {"_TRANSPORT": "kernel", "SYSLOG_IDENTIFIER": "kernel"}
    records = [form({**kernel, "MESSAGE": row.partition("] ")[2]}) for row in ROWS]
    for tag in ("", "kernel: ", "[    0.000000] ", "Nov 28 01:01:00 vm kernel: "):
        said = form({**fields, "MESSAGE": f"{tag}Hypervisor detected: KVM"})
        assert boot(*records, said).hypervisor is None
    said = form({**kernel, "MESSAGE": "Hypervisor detected: KVM"})
    assert boot(*records, said).hypervisor is not None


@pytest.mark.parametrize(
    "page",
    [
        "<html><head><style>p {{}}</style></head><body><pre>{}</pre></body></html>",
        "<html><body>Hello,<br>{}<p>thanks</body></html>",
        "<div>{}</div>",
    ],
)
def test_a_mail_of_html_alone(page: str) -> None:
    glue = "\n" if "pre" in page else "<br>\n"
    shown = glue.join(row.replace("<", "&lt;").replace(" ", "&nbsp;", 1) for row in ROWS)
    head = (
        "From: a@example.org\nTo: b@example.org\nDate: Fri, 28 Nov 2025 01:01:00 +0100\n"
        "MIME-Version: 1.0\nContent-Type: text/html; charset=utf-8\n\n"
    )
    found = boot(head + page.format(shown))
    assert value_of(found.cmdline) == value_of(boot(*ROWS).cmdline)
    assert found.firmware_map is not None
    assert len(found.firmware_map.ranges) == 2


def test_a_console_server_and_a_mail_program() -> None:
    """The rest of a guest's line begins like one of the kernel's, without the server's marks."""
    rows = [f"> node17| {row}" for row in ROWS * 5]
    rest = [
        "> node17| [    0.000000] virtlogd[7]: guest7: [    0.000000]",
        "> Hypervisor detected: KVM",
    ]
    assert boot(*rows[:3], *rest, *rows[3:]).hypervisor is None
    assert boot(*rows[:3], *rest, *rows[3:]).firmware_map is not None


@pytest.mark.parametrize(
    "line",
    [
        "Xen version: 4.14.1 (preserve-AD)",
        "Xen version 4.17.",
        "xen: Booting paravirtualized kernel on Xen",
        "xen:balloon: Initialising balloon driver",
        "xen:events: Xen HVM callback vector for event delivery is enabled",
    ],
)
def test_what_only_a_domain_of_xen_says(line: str) -> None:
    found = boot(*ROWS, f"[    0.200000] {line}")
    assert found.xen is not None
    assert found.xen.where == "log:5"
    assert found.firmware_map is None
    assert boot(*ROWS, f"[    0.200000] xl[99]: {line}").xen is None


def test_no_break_spaces_of_a_text_that_is_not_utf_8() -> None:
    rows = [row.replace(" ", "\xa0") for row in ROWS]
    assert boot(*rows, encoding="iso-8859-1") == boot(*ROWS)
    data = IOMEM.replace(" ", "\xa0").encode("iso-8859-1")
    assert read_iomem(NamedStream.of("iomem", data)) == parse_iomem(IOMEM, "iomem")


@pytest.mark.parametrize(
    "row",
    [
        "OO1OOOOO-7ffdffff : System RAM",
        "00100000 to 7ffdffff : System RAM",
        "7000000O-7fffffff : Crash kernel",
        "00100000~7ffdffff : Reserved",
    ],
)
def test_a_resource_that_was_mistyped_is_not_passed_over(row: str) -> None:
    with pytest.raises(MalformedInput, match="is not a complete resource") as error:
        parse_iomem(IOMEM.replace("00100000-7ffdffff : System RAM", row), "iomem")
    assert error.value.where == "iomem:8"


def test_prose_about_a_resource_is() -> None:
    prose = "what we have there is System RAM\nthis kernel has no: Crash kernel\n"
    found = parse_iomem(IOMEM + prose, "iomem")
    assert found.regions == parse_iomem(IOMEM, "iomem").regions


LOAD = """\
schema: smecheck/segments-v1
loader: kexec_load
mode: load
cmdline: nokaslr mem_encrypt=on
segments:
  - {{name: kernel, start: 0x10000000, size: 0xd41000}}
  - {{name: boot_params, start: {}}}
  - {{name: initrd, start: {}}}
"""


@pytest.mark.parametrize(
    ("boot_params", "initrd", "options", "verdict"),
    [
        ("0x10e00000", "0x30000000, size: 1M", (), "collision"),  # its first page is hit
        ("0x20000000", "0x30000000, size: 1M", (), "clear"),  # it reaches away from there
        ("0x20000000, size: 4K", "0x8000000", (), "clear"),  # up to the kernel at most
        ("0xff00000, size: 4K", "0x10d41000", (), "collision"),
        ("0x8000000, size: 4K", "0x11000000", ("--initrd", "1M"), "clear"),
        ("0x8000000, size: 4K", "0x8001000", ("--initrd", "200M"), "collision"),
    ],
)
def test_segments_of_unknown_size(
    boot_params: str, initrd: str, options: tuple[str, ...], verdict: str, tmp_path: Path
) -> None:
    text = LOAD.format(boot_params, initrd)
    found = answer(tmp_path, *options, iomem=IOMEM, segments=text)
    assert found.document["verdict"] == verdict
    unsized = [
        text for text in found.document["assumptions"] if "only its first page is known" in text
    ]
    assert bool(unsized) != bool(options)


def test_how_far_an_initrd_reaches_is_asked_for(tmp_path: Path) -> None:
    """The kernel moves up from where it was loaded, over whatever lies there."""
    text = LOAD.format("0x100000, size: 4K", "0xf41000").replace("0x10000000", "0x200000")
    found = answer(tmp_path, iomem=IOMEM, segments=text).document
    assert found["verdict"] == "undecided"
    plain = call(
        *KERNEL, "--iomem", str(tmp_path / "iomem"), "--segments", str(tmp_path / "segments")
    )
    assert "next: give the initrd that was loaded, or its size (--initrd), or" in plain.out
    assert (
        answer(tmp_path, "--initrd", "4K", iomem=IOMEM, segments=text).document["verdict"]
        == "clear"
    )


def test_a_load_of_the_other_mode_is_told(tmp_path: Path) -> None:
    log = SAMPLES / "kdump-from-a-log" / "dmesg.txt"
    found = call(
        *(*KERNEL, "--dmesg", str(log), "--mode", "load", "--initrd", "1M"),
        *("--cmdline", "nokaslr mem_encrypt=on", "--format", "json"),
    )
    assert any(
        "it holds no load of mode load; 1 load (line 48): none is taken from it" in text
        for text in found.document["assumptions"]
    )


@pytest.mark.parametrize(
    "stamp",
    [
        "[Sa Nov 28 17:10:18 2026]",  # dmesg -T, de_DE
        "[sam. nov. 28 17:10:18 2026]",  # fr_FR
        "[Сб ноя 28 17:10:18 2026]",  # noqa: RUF001 (Russian)
        "[六 11月 28 17:10:18 2026]",  # zh_CN
        "kern  :info  : [So Mär  1 17:10:18 2026]",
        "Okt 28 17:10:18 host kernel:",  # journalctl
        "févr. 28 17:10:18 host kernel: [    0.000000]",
        "11月 28 17:10:18 host kernel:",
        " 1월 28 17:10:18 host kernel:",
    ],
)
def test_dates_in_the_words_of_another_language(stamp: str) -> None:
    """Names of days and months as glibc writes them (%a, %b), which dmesg and journalctl use."""
    found = boot(*(f"{stamp} {row}" for row in ROWS))
    assert value_of(found.release) == "5.0.0"
    assert value_of(found.cmdline) == "root=/dev/sda1 mem_encrypt=on"
    assert found.firmware_map is not None


def test_a_boot_of_another_month_is_not_passed_over() -> None:
    """In English and in German it is "Nov"; "Dez" is German alone."""
    older = [f"Nov 30 01:01:00 host kernel: {row}" for row in ROWS]
    newer = [f"Dez 01 01:01:00 host kernel: {row}".replace("7ffdffff", "6ffdffff") for row in ROWS]
    found = boot(*older, *newer)
    assert found.line == len(ROWS) + 1
    assert found.firmware_map is not None
    assert found.firmware_map.ranges[-1].span.end == 0x6FFE0000


@pytest.mark.parametrize("dash", ["\N{EN DASH}", "\N{MINUS SIGN}", "\N{NON-BREAKING HYPHEN}"])
def test_typographic_dashes(dash: str) -> None:
    found = boot(*(row.replace("-", dash) for row in ROWS))
    assert found.firmware_map is not None
    assert len(parse_iomem(IOMEM, "iomem").regions) == len(
        read_iomem(NamedStream.of("iomem", IOMEM.replace("-", dash).encode())).regions
    )


RESERVED = "[    0.000000] Reserving 256MB of memory at 1760MB for crashkernel (System RAM: 2047MB)"
BY_ADDRESS = "[    0.0] crashkernel reserved: 0x000000006e080000 - 0x000000007e080000 (256 MB)"


@pytest.mark.parametrize(
    ("other", "is_known"),
    [
        (RESERVED, True),
        (BY_ADDRESS, True),  # the same, not rounded to MiB
        (RESERVED.replace("1760", "1660"), False),
        (RESERVED.replace("256MB", "512MB"), False),
        (BY_ADDRESS.replace("6e0", "5e0").replace("7e0", "6e0"), False),
        (RESERVED.replace("of memory", "of low memory"), True),
    ],
)
def test_two_reservations_in_what_is_one_boot(other: str, is_known: bool, tmp_path: Path) -> None:
    """As a search through the logs of several boots shows them: it is not known which counts."""
    rows = (*ROWS, RESERVED, "[    1.000000] something else", other)
    assert bool(boot(*rows).crash_reservations) is is_known
    asked = ("--mode", "crash", "--loader", "kexec_file_load", "--initrd", "0")
    found = answer(tmp_path, *asked, dmesg="\n".join(rows) + "\n")
    assert bool(found.document["segments"]) is is_known
    assert (": another reservation" in found.document["headline"]) is False
    assert ("shows another reservation" in found.document["headline"]) is not is_known


REMOVED = "[    0.000000] e820: remove [mem 0x40000000-0xfffffffffffffffe] usable"
USER = "[    0.000000] user: [mem 0x0000000000100000-0x000000003fffffff] usable"


@pytest.mark.parametrize(
    ("option", "rows", "is_shown"),
    [
        ("mem=1G", (), False),
        ("mem=1G", (REMOVED,), True),
        ("mem=1G", (USER,), True),
        ("mem=nopentium", (), True),
        ("mem=1G mem=nopentium", (), False),
        ('"mem=1G"', (), False),
        ("memmap=256M$0x60000000", (), False),
        ("memmap=256M$0x60000000", (REMOVED,), False),
        ("memmap=exactmap memmap=1G@1M", (USER,), True),
        ("quiet", (), True),
    ],
)
def test_a_map_that_the_command_line_changed(
    option: str, rows: tuple[str, ...], is_shown: bool, tmp_path: Path
) -> None:
    """A search for "e820" leaves out the lines of the map that came of it."""
    version, cmdline, *table = ROWS
    text = "\n".join((version, f"{cmdline} {option}", *table, *rows, ""))
    asked = ("--mode", "load", "--initrd", "0", "--cmdline", "nokaslr")
    by_kernel = answer(tmp_path, *asked, "--loader", "kexec_file_load", dmesg=text)
    assert bool(by_kernel.document["segments"]) is is_shown
    assert ("changed its map" in by_kernel.document["headline"]) is not is_shown
    by_tools = answer(tmp_path, *asked, "--loader", "kexec_load", dmesg=text)
    assert by_tools.document["segments"]


@pytest.mark.parametrize(
    "name", ["Crash kernel (256M)", "crash kernel", "Crash kernel?", "SYSTEM RAM", "Kernel Code"]
)
def test_a_name_that_the_kernel_does_not_write(name: str) -> None:
    row = f"00100000-7ffdffff : {name}"
    text = IOMEM.replace("00100000-7ffdffff : System RAM", row)
    with pytest.raises(MalformedInput, match="is not as the kernel writes it") as error:
        parse_iomem(text, "iomem")
    assert error.value.where == "iomem:8"


def test_the_low_part_of_a_reservation_under_a_name_of_its_own() -> None:
    """Pasted in 2020 of a 5.4.17 (linux-arm-kernel); kexec-tools does not look at it either."""
    row = "7ffe0000-7fffffff : Reserved"
    text = IOMEM.replace(row, f"{row}\n  7ffe1000-7ffe1fff : Crash kernel (low)")
    assert parse_iomem(text, "iomem").crash_kernel == parse_iomem(IOMEM, "iomem").crash_kernel


ACTIVE = "[    0.1] AMD Secure Memory Encryption (SME) active"
GUEST = "[    0.000000] Hypervisor detected: KVM"


def test_a_guest_after_a_machine_with_sme(tmp_path: Path) -> None:
    """Two logs in one file: that of the machine, and that of a guest on it."""
    asked = ("--mode", "crash", "--cmdline", "nokaslr mem_encrypt=on")
    guest = (*ROWS, GUEST)
    assert answer(tmp_path, *asked, dmesg="\n".join(guest)).document["verdict"] == "not-applicable"
    both = answer(tmp_path, *asked, dmesg="\n".join((*ROWS, ACTIVE, *guest))).document
    assert (both["verdict"], both["sme"]["state"]) == ("undecided", "unknown")
    assert "SME045" in {finding["rule"] for finding in both["findings"]}
    turned = answer(tmp_path, *asked, dmesg="\n".join((*guest, *ROWS, ACTIVE))).document
    assert turned["sme"]["state"] == "active"


@pytest.mark.parametrize(
    ("end", "is_of_this_machine"), [("7ffdffff", True), ("bffdffff", False), ("3ffdffff", True)]
)
def test_the_log_of_a_guest_beside_the_iomem_of_its_host(
    end: str, is_of_this_machine: bool, tmp_path: Path
) -> None:
    """Memory may be added to a guest that runs, but none that it had is where nothing is."""
    text = "\n".join((*ROWS, GUEST, "")).replace("7ffdffff", end)
    asked = ("--mode", "load", "--loader", "kexec_load", "--cmdline", "nokaslr mem_encrypt=on")
    found = answer(tmp_path, *asked, dmesg=text, iomem=IOMEM).document
    assert found["verdict"] == ("not-applicable" if is_of_this_machine else "undecided")


NO_SME = str(SAMPLES / "no-sme" / "kernel.yaml")


@pytest.mark.parametrize(
    ("release", "verdict"), [("5.0.0", "undecided"), ("5.0.0-2", "not-applicable")]
)
@pytest.mark.parametrize("path", ["first-boot", "kdump"])
def test_a_kernel_without_sme_whose_log_says_that_sme_is_active(
    release: str, verdict: str, path: str, tmp_path: Path
) -> None:
    """Of the same release it is another build: the wrong vmlinux, or the wrong configuration."""
    (tmp_path / "log").write_text("\n".join((*ROWS, ACTIVE, "")).replace("5.0.0", release))
    found = call("analyze", NO_SME, "--dmesg", str(tmp_path / "log"), "--path", path)
    assert f"verdict: {verdict}" in found.out
    assert ("it is of another build" in found.out) is (verdict == "undecided")


@pytest.mark.parametrize(("cmdline", "state"), [(None, "unknown"), ("mem_encrypt=off", "inactive")])
def test_sme_off_for_a_boot_that_had_it(cmdline: str | None, state: str, tmp_path: Path) -> None:
    asked = ["--path", "first-boot", "--sme", "off"]
    asked += [] if cmdline is None else ["--cmdline", cmdline]
    found = answer(tmp_path, *asked, dmesg="\n".join((*ROWS, ACTIVE, ""))).document
    assert found["sme"]["state"] == state
    assert found["sme"]["evidence"][0].startswith("--sme off")


LARGE = (
    *ROWS,
    "[    0.000000] BIOS-e820: [mem 0x000000007ffe0000-0x000000007fffffff] reserved",
    "[    0.000000] BIOS-e820: [mem 0x0000000100000000-0x000000027fffffff] usable",
    "[    0.000000] e820: last_pfn = 0x280000 max_arch_pfn = 0x400000000",
    "[    0.000000] e820: update [mem 0x00000000-0x00000fff] usable ==> reserved",
)


LOADED = (
    *("--mode", "load", "--loader", "kexec_load", "--kexec-tools", "2.0.25", "--initrd", "0"),
    *("--cmdline", "nokaslr mem_encrypt=on"),
)
WHOLE_IOMEM = (
    "00000000-00000fff : Reserved\n00001000-0009fbff : System RAM\n"
    "00100000-7eafffff : System RAM\nfec00000-fec003ff : IOAPIC 0\n"
)
MORE_RAM = "100000000-27fffffff : System RAM\n"


def large(kept: int) -> str:
    text = "\n".join((*LARGE[:kept], "")).replace("7ffdffff", "7eafffff")
    return text.replace("7ffe0000", "7eb00000")


@pytest.mark.parametrize("option", ["dmesg", "memmap"])
@pytest.mark.parametrize(("kept", "verdict"), [(len(LARGE), "collision"), (5, "undecided")])
def test_a_log_that_was_cut_off_in_its_memory_map(
    kept: int, verdict: str, option: str, tmp_path: Path
) -> None:
    """As of ``head``: what kexec takes first may be in the lines that are missing."""
    found = answer(tmp_path, *LOADED, **{option: large(kept)}).document
    assert found["verdict"] == verdict
    assert ("ends in its memory map: it seems cut off" in found["headline"]) is (kept == 5)


@pytest.mark.parametrize(
    ("kept", "more", "verdict"),
    [(5, MORE_RAM, "undecided"), (5, "", "clear"), (len(LARGE), MORE_RAM, "collision")],
)
def test_an_iomem_shows_where_a_cut_off_map_of_the_firmware_ends(
    kept: int, more: str, verdict: str, tmp_path: Path
) -> None:
    """kexec_load goes by the firmware's map, which is in the log."""
    found = answer(tmp_path, *LOADED, dmesg=large(kept), iomem=WHOLE_IOMEM + more).document
    assert found["verdict"] == verdict, found["headline"]


CPU = "smpboot: CPU0: {} (family: 0x17, model: 0x1, stepping: 0x2)"
SME = "AMD Secure Memory Encryption (SME) active"


@pytest.mark.parametrize(
    ("name", "has_none"),
    [
        ("Intel(R) Xeon(R) Gold 6130 CPU @ 2.10GHz", True),
        ("Genuine Intel(R) CPU 0000%@", True),
        ("11th Gen Intel(R) Core(TM) i7-1165G7 @ 2.80GHz", True),
        ("AMD EPYC 7601 32-Core Processor", False),
        ("Hygon C86 7185 32-core Processor", False),
        ("Common KVM processor", False),
    ],
)
def test_a_cpu_that_has_no_sme(name: str, has_none: bool, tmp_path: Path) -> None:
    for prefix in ("[    0.200000] ", "Nov 28 01:01:00 host kernel: "):
        rows = [prefix + row.partition("] ")[2] for row in ROWS] + [prefix + CPU.format(name)]
        found = boot(*rows)
        assert (found.intel is not None and found.intel.text) == (name if has_none else False)
    asked = ("--mode", "load", "--loader", "kexec_load", "--initrd", "0")
    given = ("--cmdline", "nokaslr mem_encrypt=on", *asked)
    log = "".join(f"{row}\n" for row in (*ROWS, f"[    0.2] {CPU.format(name)}"))
    report = answer(tmp_path, *given, iomem=IOMEM, dmesg=log).document
    assert (report["verdict"] == "not-applicable") is has_none
    assert (report["sme"]["state"] == "inactive") is has_none
    # Lines of two machines, or one that was changed.
    report = answer(tmp_path, *given, iomem=IOMEM, dmesg=f"{log}[    0.3] {SME}\n").document
    assert any(one["rule"] == "SME045" for one in report["findings"]) is has_none
    assert (report["verdict"] == "undecided") is has_none


def test_the_cpu_of_a_guest_in_its_hosts_log() -> None:
    rows = [f"Nov 28 01:01:00 host kernel: {row}" for row in ROWS]
    guest = "Nov 28 01:01:09 host vm7[99]: " + CPU.format("Intel(R) Xeon(R)")
    assert boot(*rows, guest, "", CPU.format("Intel(R) Xeon(R)")).intel is None


PLACED = (
    "kexec: Loaded ELF headers at 0x6e000000 bufsz=0x1000 memsz=0x1000",
    "kexec-bzImage64: Loaded purgatory at 0x7cffa000",
    "kexec-bzImage64: Loaded boot_param, command line and misc at 0x7cff8000 bufsz=0x10f0 "
    "memsz=0x10f0",
    "kexec-bzImage64: Loaded 64bit kernel at 0x70000000 bufsz=0x1dd200 memsz=0xd41000",
    "kexec-bzImage64: Loaded initrd at 0x76000000 bufsz=0x1000000 memsz=0x1000000",
    "kexec-bzImage64: Final command line is: {} root=/dev/sda1 nokaslr mem_encrypt=on",
)
"""A load into the Crash kernel of the sample dead-kdump, in nobody's way."""
ELFCOREHDR = "elfcorehdr=0x6e000000"


@pytest.mark.parametrize(
    ("lost", "words", "status", "said"),
    [
        (None, ELFCOREHDR, 0, ""),
        (None, f"{ELFCOREHDR} elfcorehdr=1K", 0, ""),  # the user's own, beside the loader's
        (None, "elfcorehdr=0x6e800000", 3, "elfcorehdr is loaded at 0x6e000000, and the command"),
        # crash.c prints this line, where dynamic debug is on for that file as well.
        ("ELF headers", ELFCOREHDR, 0, ""),
        ("purgatory", ELFCOREHDR, 4, "the log names no purgatory, which every load has"),
        ("boot_param", ELFCOREHDR, 4, "the list names no boot_params"),
        ("initrd", ELFCOREHDR, 4, "no line says whether an initrd is loaded"),
    ],
)
def test_a_load_in_a_log_that_lost_a_line(
    lost: str | None, words: str, status: int, said: str, tmp_path: Path
) -> None:
    rows = [row.format(words) for row in PLACED if lost is None or lost not in row]
    (tmp_path / "load").write_text("".join(f"[   20.000000] {row}\n" for row in rows))
    machine = ("--iomem", str(SAMPLES / "dead-kdump" / "iomem.txt"))
    run = call(*KERNEL, *machine, "--segments", str(tmp_path / "load"), "--format", "plain")
    assert run.status == status
    assert said in run.out + run.err


def test_where_kexec_tools_put_elfcorehdr(tmp_path: Path) -> None:
    log = (SAMPLES / "sosreport" / "var" / "log" / "kdump.log").read_text()
    iomem = str(SAMPLES / "sosreport" / "proc" / "iomem")
    for text, status in ((log, 1), (log.replace("elfcorehdr=2063732K", "elfcorehdr=2063736K"), 3)):
        (tmp_path / "log").write_text(text)
        run = call(*KERNEL, "--iomem", iomem, "--segments", str(tmp_path / "log"))
        assert run.status == status


def test_what_a_description_does_not_name_is_not_checked(tmp_path: Path) -> None:
    listed = "\n".join(
        f"  - {{name: {name}, start: {start:#x}, size: {size:#x}}}"
        for name, start, size in (
            ("kernel", 0x70000000, 0xD41000),
            ("boot_params", 0x7CFF8000, 0x2000),
        )
    )
    for mode, gap in (("crash", "purgatory and elfcorehdr"), ("load", "purgatory")):
        path = tmp_path / f"{mode}.yaml"
        path.write_text(f"schema: smecheck/segments-v1\nmode: {mode}\nsegments:\n{listed}\n")
        run = call(*KERNEL, "--segments", str(path), "--cmdline", "nokaslr", "--format", "json")
        assert f"{gap}: {path} does not name them" in run.document["not_checked"]


@pytest.mark.parametrize(
    ("line", "status", "said"),
    [
        # 1: an error, 4: a line that is not complete.
        ("crashkernel reserved: 0x0000000060000000 - 0x0000000070000000 (256 MB)", 0, ""),
        ("crashkernel reserved: 0x0000000070000000 - 0x0000000080000000 (256 MB)", 1, "not System"),
        ("crashkernel reserved: 0x00000000c0000000 - 0x00000000d0000000 (256 MB)", 1, "not System"),
        ("crashkernel reserved: 0x0000000060000800 - 0x0000000070000800 (256 MB)", 4, "broken"),
        ("Reserving 256MB of memory at 1536MB for crashkernel (System RAM: 2047MB)", 0, ""),
        ("Reserving 256MB of memory at 1792MB for crashkernel (System RAM: 2047MB)", 0, ""),
        ("Reserving 256MB of memory at 3072MB for crashkernel (System RAM: 2047MB)", 1, "not Sys"),
    ],
)
def test_a_reservation_that_no_kernel_makes(
    line: str, status: int, said: str, tmp_path: Path
) -> None:
    rows = (*ROWS, f"[    0.000000] {line}")
    asked = ("--mode", "crash", "--loader", "kexec_file_load", "--initrd", "0", "--cmdline", "x")
    run = answer(tmp_path, *asked, dmesg="".join(f"{row}\n" for row in rows))
    report = run.document
    found = [one for one in report["findings"] if one["rule"] == "SME050"]
    assert bool(found) is (status == 1)
    assert said in json.dumps(report)
    if found:
        assert report["verdict"] == "undecided"


def test_two_reservations_of_a_log_below_4_gib(tmp_path: Path) -> None:
    low = "crashkernel low memory reserved: 0x60000000 - 0x64000000 (64 MB)"
    asked = ("--mode", "crash", "--loader", "kexec_file_load", "--initrd", "0", "--cmdline", "x")
    for start, is_told in ((0x40000000, True), (0x100000000, False)):
        high = f"crashkernel reserved: {start:#018x} - {start + 0x10000000:#018x} (256 MB)"
        above = "BIOS-e820: [mem 0x0000000100000000-0x000000013fffffff] usable"
        rows = (*ROWS, *(f"[    0.000000] {row}" for row in (above, low, high)))
        report = answer(tmp_path, *asked, dmesg="".join(f"{row}\n" for row in rows)).document
        assert any(one["rule"] == "SME050" for one in report["findings"]) is is_told


def test_a_log_in_a_fifo_is_read_for_its_load_as_well(tmp_path: Path) -> None:
    """``--dmesg <(ssh host sudo dmesg)``: the log shows the machine, and the load."""
    rows = (*ROWS, *(f"[   20.000000] {row.format(ELFCOREHDR)}" for row in PLACED))
    log = "".join(f"{row}\n" for row in rows)
    (tmp_path / "dmesg").write_text(log)
    asked = ("--iomem", str(SAMPLES / "dead-kdump" / "iomem.txt"), "--format", "plain")
    expected = call(*KERNEL, "--dmesg", str(tmp_path / "dmesg"), *asked)
    assert "segment: kernel [0x70000000, 0x70d41000) log" in expected.out
    read, write = os.pipe()
    with os.fdopen(write, "w") as pipe:
        pipe.write(log)
    found = call(*KERNEL, "--dmesg", f"/dev/fd/{read}", *asked)
    os.close(read)
    path = str(tmp_path / "dmesg")
    assert (found.status, found.out) == (0, expected.out.replace(path, f"/dev/fd/{read}"))


def test_a_load_beside_another_one_in_the_log(tmp_path: Path) -> None:
    rows = (*ROWS, *(f"[   20.000000] {row.format(ELFCOREHDR)}" for row in PLACED))
    logged = {
        "kernel": (0x70000000, 0xD41000),
        "boot_params": (0x7CFF8000, 0x2000),
        "initrd": (0x76000000, 0x1000000),
    }
    moved = [
        (name, {**logged, name: (start + 0x1000000, size)})
        for name, (start, size) in logged.items()
    ]
    less = [
        ("", {n: place for n, place in logged.items() if n != name})
        for name in ("initrd", "boot_params")
    ]
    for differs, load in (("", logged), *moved, *less):
        listed = "".join(
            f"  - {{name: {name}, start: {start:#x}, size: {size:#x}}}\n"
            for name, (start, size) in load.items()
        )
        segments = f"schema: smecheck/segments-v1\nmode: crash\nsegments:\n{listed}"
        dmesg = "".join(f"{row}\n" for row in rows)
        report = answer(tmp_path, "--cmdline", "x", dmesg=dmesg, segments=segments).document
        found = [one for one in report["assumptions"] if "the load that it shows" in one]
        assert [f"with the {differs} at" in text for text in found] == [True] * bool(differs)
