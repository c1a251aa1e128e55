"""Predicted loads as users ask for them: options, host descriptions, refusals, exit codes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from commandline import SAMPLES, run
from recorded import DATA
from recorded_loads import recorded_loads

from smecheck.read.load.segments import read_segments

FABRICATED = recorded_loads("fabricated")
KERNEL = str(DATA / "kernels" / "5.0-old.yaml")
IOMEM = str(DATA / "founding" / "old-p-c-2g" / "iomem.txt")
PUBLIC = [
    case
    for case in FABRICATED["cases"]
    if not any(option in ("--noefi", "--pass-memmap-cmdline") for option in case["options"])
][::6]
"""Every sixth of those whose options are the same before and behind the command line."""

_TYPES = {"R": "System RAM", "r": "Reserved", "A": "ACPI Tables", "N": "ACPI Non-volatile Storage"}
_TYPES |= {"U": "Unusable memory", "P": "Persistent Memory", "L": "Persistent Memory (legacy)"}
_TYPES |= {"X": "Unknown E820 type", "S": "Soft Reserved"}


def described(case: dict[str, Any]) -> str:
    lines = [
        "schema: smecheck/host-v1",
        "kexec_tools: 2.0.25",
        f"kexec_options: [{', '.join(case['options'])}]",
        f'cmdline: "{case["running"]}"',
        f"cpus: {case['cpus']}",
        f"efi_runtime_entries: {case['efi']}",
        f"acpi_rsdp: {case['rsdp'] or 0:#x}",
    ]
    if case["memmap"] is not None:
        lines.append("firmware_map:")
        for word in case["memmap"].split():
            start, end = word[1:].split("-")
            lines.append(f"  - {{start: 0x{start}, end: 0x{end}, type: {_TYPES[word[0]]}}}")
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("case", PUBLIC, ids=lambda case: str(case["id"]))
def test_a_fabricated_machine_through_the_command_line(
    case: dict[str, Any], tmp_path: Path
) -> None:
    header = FABRICATED["headers"][case["kernel"]]
    fields = "".join(f"  {name}: {value}\n" for name, value in header.items())
    fields = fields.replace("relocatable: 1", "relocatable: true")
    kernel = tmp_path / "kernel.yaml"
    kernel.write_text(f"schema: smecheck/kernel-v1\nsetup_header:\n{fields}")
    (tmp_path / "host.yaml").write_text(described(case))
    (tmp_path / "iomem").write_text(case["iomem"])
    found = run(
        *("analyze", str(kernel), "--iomem", str(tmp_path / "iomem")),
        *("--host", str(tmp_path / "host.yaml"), "--loader", "kexec_load"),
        *("--mode", case["mode"], "--cmdline", case["cmdline"] or ""),
        *("--initrd", str(case["initrd"] or 0), "--format", "json"),
    )
    document = found.document
    if "segments" in case:
        assert found.status == 4
        assert document["verdict"] == "undecided"
        shown = [[one["name"], one["start"], one["end"]] for one in document["segments"]]
        assert shown == [one[:3] for one in case["segments"]]
        assert document["load"] == {"accepted": True, "refusal": None}
    else:
        assert found.status == 1
        assert document["segments"] == []
        assert document["load"]["accepted"] is False
        assert case["refusal"] in document["load"]["refusal"]
        assert [one["rule"] for one in document["findings"] if one["severity"] == "error"] == [
            "SME035"
        ]


def crash(*more: str, kernel: str = KERNEL, iomem: str = IOMEM) -> tuple[str, ...]:
    return ("analyze", kernel, "--iomem", iomem, "--loader", "kexec_load", "--mode", "crash", *more)


def test_no_room_names_size_and_largest_hole() -> None:
    found = run(*crash("--initrd", "300M", "--cmdline", "nokaslr", "--format", "json"))
    assert found.status == 1
    refusal = found.document["load"]["refusal"]
    assert (
        "Could not find a free area of memory of 0x12c00000 bytes... locate_hole failed" in refusal
    )
    assert "300 MiB (0x12c00000) for initrd; the largest hole was" in refusal
    assert found.document["verdict"] == "undecided"


def test_where_nothing_begins_at_the_alignment_there_is_no_hole(tmp_path: Path) -> None:
    """The reservation ends where a kernel could begin, at a multiple of 2 MiB."""
    (tmp_path / "iomem").write_text(
        "00001000-7fffffff : System RAM\n  1ff00000-1fffffff : Crash kernel\n"
    )
    asked = (*crash("--cmdline", "nokaslr", iomem=str(tmp_path / "iomem")), "--format", "json")
    found = run(*asked, "--loader", "kexec_file_load")
    assert "for kernel; there was no hole" in found.document["load"]["refusal"]


def test_more_than_half_of_memory() -> None:
    asked = ("analyze", KERNEL, "--iomem", IOMEM, "--cmdline", "nokaslr", "--initrd", "1100M")
    asked = (*asked, "--mode", "load")
    found = run(*asked, "--loader", "kexec_file_load", "--format", "json").document
    assert "Invalid argument: the segments take more than half" in found["load"]["refusal"]
    found = run(*asked, "--loader", "kexec_load", "--format", "json").document
    assert any("more than half" in text for text in found["assumptions"])


def test_no_reservation(tmp_path: Path) -> None:
    lines = Path(IOMEM).read_text().splitlines()
    (tmp_path / "iomem").write_text("\n".join(x for x in lines if "Crash kernel" not in x) + "\n")
    found = run(*crash("--format", "plain", iomem=str(tmp_path / "iomem")))
    assert "Memory for crashkernel is not reserved" in found.out
    assert found.status == 1


def test_a_command_line_that_is_too_long() -> None:
    found = run(*crash("--cmdline", "x" * 2047, "--format", "json"))
    assert "Kernel command line too long for kernel!" in found.document["load"]["refusal"]
    fits = run(*crash("--cmdline", "x" * 2000, "--format", "json"))
    assert fits.document["load"]["accepted"] is True


@pytest.mark.parametrize(
    ("loader", "refusal"),
    [
        ("kexec_load", "Cannot read the initrd: the file is empty"),
        ("kexec_file_load", "syscall kexec_file_load not available. (the kernel says Invalid"),
        (None, "Cannot read the initrd: the file is empty"),
    ],
)
def test_an_initrd_file_without_content(loader: str | None, refusal: str, tmp_path: Path) -> None:
    (tmp_path / "initrd").touch()
    asked = ("analyze", KERNEL, "--iomem", IOMEM, "--mode", "crash", "--cmdline", "nokaslr")
    how = ("--loader", loader) if loader else ("--kexec-tools", "2.0.29")
    found = run(*asked, *how, "--initrd", str(tmp_path / "initrd"), "--format", "json")
    assert found.document["load"]["refusal"].startswith(refusal)
    assert found.document["load"]["accepted"] is False
    none = run(*asked, *how, "--initrd", "0", "--format", "json")
    assert none.document["load"]["accepted"] is True


def test_the_default_falls_back_where_the_kernel_does_not_take_the_image(tmp_path: Path) -> None:
    old = Path(KERNEL).read_text().replace("xloadflags: 0x3", "xloadflags: 0x0")
    (tmp_path / "kernel.yaml").write_text(old)
    asked = ("analyze", str(tmp_path / "kernel.yaml"), "--iomem", IOMEM, "--mode", "load")
    by_default = run(*asked, "--cmdline", "nokaslr", "--format", "json").document
    assert by_default["boot"]["loader"] == "kexec_load"
    assert by_default["load"]["accepted"] is True
    assert any("kexec-tools falls back to kexec_load: " in t for t in by_default["assumptions"])
    forced = run(*asked, "--loader", "kexec_file_load", "--format", "json").document
    assert "Exec format error: no 64-bit entry" in forced["load"]["refusal"]


def test_real_segments_win() -> None:
    log = str(DATA / "founding" / "old-p-c-2g" / "segments.txt")
    found = run(*crash("--segments", log, "--format", "json")).document
    assert {one["origin"] for one in found["segments"]} == {"log"}
    assert not any("predicted" in text for text in found["assumptions"])


def test_nothing_is_predicted_for_a_first_boot_or_without_a_word_of_a_load() -> None:
    no_reservation = str(DATA / "founding" / "old-l-c-2g" / "iomem.txt")
    for asked in ((no_reservation,), (IOMEM, "--path", "first-boot")):
        found = run("analyze", KERNEL, "--iomem", *asked, "--format", "json")
        assert found.document["segments"] == []
        assert found.document["load"] is None
        assert found.document["boot"]["path"] == "first-boot"


def test_where_memory_is_reserved_for_a_crash_kernel_kdump_is_asked_about() -> None:
    asked = ("analyze", KERNEL, "--iomem", IOMEM, "--cmdline", "nokaslr", "--format", "json")
    found = run(*asked).document
    assert (found["boot"]["path"], found["boot"]["mode"]) == ("kdump", "crash")
    assert "kernel" in {segment["name"] for segment in found["segments"]}
    assert any("checking kdump (--path or --mode" in text for text in found["assumptions"])
    for other, path in (("--loader", "kdump"), ("--mode", "kexec")):
        word = "kexec_load" if other == "--loader" else "load"
        assert run(*asked, other, word).document["boot"]["path"] == path
    # A kernel that runs elsewhere is not the crash kernel.
    assert run(*asked, "--load-address", "0x1000000").document["boot"]["path"] == "kexec"


def test_the_loader_follows_the_version_of_kexec_tools() -> None:
    for version, loader in (("2.0.26", "kexec_load"), ("2.0.27", "kexec_file_load")):
        found = run(
            *("analyze", KERNEL, "--iomem", IOMEM, "--mode", "load"),
            *("--kexec-tools", version, "--format", "json"),
        )
        assert found.document["boot"]["loader"] == loader


def test_the_running_kernel_places_a_file_load() -> None:
    starts = set()
    for release in ("6.1.0-56-amd64", "6.8.0"):
        found = run(
            *("analyze", KERNEL, "--iomem", IOMEM, "--loader", "kexec_file_load", "--mode", "load"),
            *("--running-kernel", release, "--cmdline", "nokaslr", "--format", "json"),
        )
        (purgatory,) = [s for s in found.document["segments"] if s["name"] == "purgatory"]
        starts.add(purgatory["start"])
    assert starts == {"0x9a000", "0x7ffdb000"}


def test_the_window() -> None:
    found = run(
        *("analyze", KERNEL, "--iomem", IOMEM, "--loader", "kexec_load", "--cmdline", "nokaslr"),
        *("--mem-min", "0x20000000", "--mem-max", "0x3fffffff", "--format", "json"),
        *("--mode", "load"),
    )
    assert found.document["segments"]
    for segment in found.document["segments"]:
        assert int(segment["start"], 16) >= 0x20000000
        assert int(segment["end"], 16) <= 0x40000000


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (("--mem-min", "2M", "--mem-max", "1M"), "--mem-min 0x200000 is not below"),
        (("--kexec-tools", "newest"), "--kexec-tools 'newest' is not a version"),
        (("--running-kernel", ""), "--running-kernel '' is not a version"),
        (("--cpus", "0"), "--cpus 0: a machine has at least one"),
        (("--cpus", "4G"), "--cpus 4294967296: no kernel knows more than 65536"),
        (("--path", "kexec"), "--path kexec contradicts --mode crash"),
        (("--path", "kdump", "--mode", "load"), "--path kdump contradicts --mode load"),
    ],
)
def test_what_cannot_be_meant(options: tuple[str, ...], problem: str) -> None:
    found = run(*crash(*options))
    assert found.status == 2
    assert found.problem[0].startswith(problem)


def test_a_host_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "host.yaml").write_text("schema: smecheck/host-v1\ncpus: many\n")
    found = run(*crash("--host", str(tmp_path / "host.yaml")))
    assert found.status == 3
    assert "host.yaml:2:7" in found.problem[0]


def test_a_vmlinux_without_its_header_cannot_be_placed(tmp_path: Path) -> None:
    text = Path(KERNEL).read_text()
    (tmp_path / "kernel.yaml").write_text(text[: text.index("setup_header:")])
    found = run(*crash("--format", "json", kernel=str(tmp_path / "kernel.yaml"))).document
    assert found["segments"] == []
    assert any("would place: init_size" in text for text in found["not_checked"])


def test_a_load_without_a_machine_asks_for_its_memory(tmp_path: Path) -> None:
    """All that was pasted in June 2019: one line of a log, the kernel, the size of the initrd."""
    (tmp_path / "dmesg").write_text(
        "[    0.009413] Reserving 256MB of memory at 3392MB for crashkernel (System RAM: 16271MB)\n"
    )
    asked = ("--mode", "crash", "--cmdline", "nokaslr mem_encrypt=on", "--initrd", "7800K")
    found = run("analyze", KERNEL, "--dmesg", str(tmp_path / "dmesg"), *asked, "--format", "json")
    assert found.status == 1
    assert found.document["verdict"] == "undecided"
    assert (
        "give the machine's memory, from which the load is predicted" in found.document["next_step"]
    )


def test_one_line_of_a_log_is_enough_for_kexec_file_load_of_a_crash_kernel(tmp_path: Path) -> None:
    """It goes by the reservation alone: every segment is where the guest of old-p-s-2g had it."""
    (tmp_path / "dmesg").write_text(
        "[    0.009413] Reserving 256MB of memory at 1760MB for crashkernel (System RAM: 2047MB)\n"
    )
    found = run(
        *("analyze", KERNEL, "--dmesg", str(tmp_path / "dmesg"), "--mode", "crash"),
        *("--loader", "kexec_file_load", "--running-kernel", "6.1.0-56-amd64"),
        *("--cmdline", "nokaslr mem_encrypt=on", "--initrd", "1032939", "--format", "json"),
    )
    recorded = read_segments(str(DATA / "founding" / "old-p-s-2g" / "segments.txt"))
    assert [(one["name"], one["start"], one["end"]) for one in found.document["segments"]] == [
        (one.role.value, hex(one.span.start), hex(one.span.end)) for one in recorded.segments
    ]
    assert (found.status, found.document["verdict"]) == (1, "collision")
    assert {"SME001", "SME006"} <= {one["rule"] for one in found.document["findings"]}
    assert any("the crash reservation" in text for text in found.document["assumptions"])


def test_one_line_of_a_log_is_not_enough_for_kexec_tools(tmp_path: Path) -> None:
    """It sizes the backup by the low memory, of which that line tells nothing."""
    (tmp_path / "dmesg").write_text(
        "[    0.009413] Reserving 256MB of memory at 1760MB for crashkernel (System RAM: 2047MB)\n"
    )
    asked = ("analyze", KERNEL, "--dmesg", str(tmp_path / "dmesg"), "--mode", "crash", "--advise")
    asked += ("--cmdline", "nokaslr mem_encrypt=on", "--initrd", "1032939", "--format", "json")
    assert run(*asked, "--loader", "kexec_load").document["segments"] == []
    advice = run(*asked, "--loader", "kexec_file_load").document["advice"]
    (other,) = [one for one in advice if "kexec_load (kexec -c)" in one["change"]]
    assert (other["verdict"], other["helps"]) == ("undecided", False)


def test_an_assumption_that_matters_is_told(tmp_path: Path) -> None:
    """Up to 6.7 boot_params goes to the low 640K, since then just behind the kernel."""
    (tmp_path / "iomem").write_text(
        "00000000-00000fff : Reserved\n00001000-0009ffff : System RAM\n"
        "00100000-7000bfff : System RAM\n  01000000-01ffffff : Kernel code\n"
        "fec00000-fec003ff : IOAPIC 0\n"
    )
    asked = (
        *("analyze", KERNEL, "--iomem", str(tmp_path / "iomem"), "--mode", "load"),
        *("--loader", "kexec_file_load", "--cmdline", "nokaslr mem_encrypt=on", "--initrd", "0"),
        *("--format", "json"),
    )
    assumed = run(*asked).document
    assert assumed["verdict"] == "collision"
    told = [text for text in assumed["assumptions"] if "which was assumed" in text]
    assert told == [
        "the verdict depends on kernel_release, which was assumed: collision as assumed, "
        "clear with 4.18.0"
    ]
    known = run(*asked, "--running-kernel", "6.1.0").document
    assert known["verdict"] == "clear"
    assert known["basis"] == "machine"
    assert not any("it matters" in text for text in known["assumptions"])


RESERVED_TO_6EF = (
    "00000000-00000fff : Reserved\n00001000-0009fbff : System RAM\n"
    "00100000-7effffff : System RAM\n  01000000-01e01d31 : Kernel code\n"
    "  6f000000-7eefffff : Crash kernel\n"
    "fec00000-fec003ff : IOAPIC 0\n"
)


def test_clear_only_as_assumed_is_undecided(tmp_path: Path) -> None:
    """The elfcorehdr of 8192 CPUs moves the kernel into the way of its neighbours."""
    (tmp_path / "iomem").write_text(RESERVED_TO_6EF)
    asked = (
        *("analyze", KERNEL, "--iomem", str(tmp_path / "iomem"), "--mode", "crash"),
        *("--loader", "kexec_load", "--cmdline", "nokaslr", "--format", "json"),
    )
    assumed = run(*asked)
    assert assumed.status == 4
    assert assumed.document["verdict"] == "undecided"
    assert assumed.document["basis"] == "partial"
    assert assumed.document["headline"] == (
        "the predicted load is clear only as assumed: collision with cpus 8192"
    )
    assert assumed.document["next_step"] == "give --cpus, or the load itself (--segments)"
    assert any(
        text.startswith("the verdict depends on cpus, which was assumed: clear as assumed")
        for text in assumed.document["assumptions"]
    )
    assert run(*asked, "--cpus", "64").document["verdict"] == "clear"
    assert run(*asked, "--cpus", "8192").document["verdict"] == "collision"


def test_a_fragment_does_not_make_a_predicted_load_clear(tmp_path: Path) -> None:
    asked = (
        *("analyze", KERNEL, "--mode", "load", "--loader", "kexec_load", "--cmdline", "nokaslr"),
        *("--initrd", "16M", "--mem-max", "0x780bffff", "--format", "json"),
    )
    first, ram = "00000000-00000fff : Reserved\n", "00100000-7ffdffff : System RAM\n"
    last = "fec00000-fec003ff : IOAPIC 0\n"
    (tmp_path / "whole").write_text(first + ram + last)
    (tmp_path / "fragment").write_text(ram + last)
    whole = run(*asked, "--iomem", str(tmp_path / "whole"))
    assert (whole.status, whole.document["verdict"]) == (0, "clear")
    fragment = run(*asked, "--iomem", str(tmp_path / "fragment"))
    assert (fragment.status, fragment.document["verdict"]) == (4, "undecided")
    assert "is a fragment of a map" in fragment.document["headline"]
    assert "--iomem" in fragment.document["next_step"]
    assert any("contains all memory that kexec uses" in t for t in fragment.document["assumptions"])


def test_a_map_that_is_cut_off_does_not_either(tmp_path: Path) -> None:
    """``head /proc/iomem`` of a guest with 8 GiB: what kexec takes first is not in it."""
    whole = (DATA / "iomem" / "guest-8g-uefi-after-kexec.txt").read_text()
    asked = (
        *("analyze", KERNEL, "--mode", "load", "--loader", "kexec_load", "--initrd", "20M"),
        *("--cmdline", "nokaslr", "--kexec-tools", "2.0.25", "--format", "json"),
    )
    low = [row for row in whole.splitlines(True) if int(row.split("-")[0], 16) < 0xA0000000]
    (tmp_path / "whole").write_text(whole)
    (tmp_path / "head").write_text("".join(low))
    complete = run(*asked, "--iomem", str(tmp_path / "whole"))
    assert (complete.status, complete.document["verdict"]) == (1, "collision")
    head = run(*asked, "--iomem", str(tmp_path / "head"))
    assert (head.status, head.document["verdict"]) == (4, "undecided")
    assert "it seems cut off" in head.document["headline"]


def test_why_a_load_is_not_predicted_comes_first(tmp_path: Path) -> None:
    """A firmware's map knows no reservation: what lacks is that, not --mode, which was given."""
    (tmp_path / "map").write_text("0x0 0x9fbff System RAM\n0x100000 0x7ffdffff System RAM\n")
    found = run(
        *("analyze", KERNEL, "--memmap", str(tmp_path / "map"), "--mode", "crash"),
        *("--cmdline", "nokaslr", "--format", "json"),
    ).document
    assert "the load cannot be predicted: " in found["headline"]
    assert "shows no Crash kernel" in found["headline"]
    assert "crash_kernel of the host (--host)" in found["next_step"]
    assert "--mode" not in found["next_step"]


def test_a_load_below_pref_address_runs_at_pref_address(tmp_path: Path) -> None:
    """Before 2.0.30 and v6.9 loaders go below LOAD_PHYSICAL_ADDR; the decompressor does not."""
    (tmp_path / "iomem").write_text(
        "00000000-00000fff : Reserved\n00001000-0009ffff : System RAM\n"
        "00100000-02ffffff : System RAM\n"
    )
    asked = ("--cmdline", "nokaslr", "--mem-max", "0xffffff", "--format", "json")
    told = ("--loader", "kexec_load", "--kexec-tools", "2.0.25")
    found = run("analyze", KERNEL, "--iomem", str(tmp_path / "iomem"), *told, *asked).document
    assert found["boot"]["load_address"] == "0x200000"
    assert found["boot"]["kernel_base"] == "0x1000000"
    told = ("--loader", "kexec_load", "--kexec-tools", "2.0.30")
    found = run("analyze", KERNEL, "--iomem", str(tmp_path / "iomem"), *told, *asked).document
    assert "Could not find a free area" in found["load"]["refusal"]


def test_the_firmware_map_alone_is_enough(tmp_path: Path) -> None:
    (tmp_path / "host.yaml").write_text(
        "schema: smecheck/host-v1\nkexec_tools: 2.0.25\n"
        "crash_kernel: {start: 0x6e000000, end: 0x7e000000}\nfirmware_map:\n"
        "  - {start: 0x0, end: 0x9fc00, type: System RAM}\n"
        "  - {start: 0x9fc00, end: 0xa0000, type: Reserved}\n"
        "  - {start: 0xf0000, end: 0x100000, type: Reserved}\n"
        "  - {start: 0x100000, end: 0x7ffe0000, type: System RAM}\n"
    )
    asked = (
        *("--mode", "crash", "--initrd", "1032939", "--cmdline", "nokaslr mem_encrypt=on"),
        *("--format", "json"),
    )
    by_host = run("analyze", KERNEL, "--host", str(tmp_path / "host.yaml"), *asked).document
    by_iomem = run(
        *("analyze", KERNEL, "--iomem", IOMEM, "--kexec-tools", "2.0.25", *asked)
    ).document
    assert by_host["segments"] == by_iomem["segments"]
    assert by_host["verdict"] == "collision"


@pytest.mark.parametrize("loader", ["kexec_load", "kexec_file_load"])
def test_a_firmware_map_that_the_running_kernel_changed(loader: str, tmp_path: Path) -> None:
    """With mem=1G there is no System RAM above it, whatever the firmware says."""
    (tmp_path / "map").write_text("0x0 0x9fbff System RAM\n0x100000 0x7ffdffff System RAM\n")
    asked = (
        *("analyze", KERNEL, "--memmap", str(tmp_path / "map"), "--loader", loader),
        *("--cmdline", "nokaslr", "--initrd", "16M", "--mem-max", "0x7ff3ffff"),
        *("--format", "json", "--host", str(tmp_path / "host.yaml")),
    )
    host = tmp_path / "host.yaml"
    host.write_text("schema: smecheck/host-v1\ncmdline: ro mem=1G\n")
    changed = run(*asked).document
    assert changed["verdict"] == "undecided"
    assert changed["segments"] == []
    assert "mem=1G on the running kernel's command line" in changed["headline"]
    with_iomem = run(*asked, "--iomem", IOMEM).document
    assert with_iomem["segments"] != []
    host.write_text("schema: smecheck/host-v1\ncmdline: ro mem_encrypt=on mem=nopentium\n")
    assert run(*asked).document["segments"] != []


def test_a_host_whose_kexec_reads_the_map_that_is_missing(tmp_path: Path) -> None:
    (tmp_path / "host.yaml").write_text(
        "schema: smecheck/host-v1\ncmdline: ro add_efi_memmap\nfirmware_map:\n"
        "  - {start: 0x100000, end: 0x7ffe0000, type: System RAM}\n"
    )
    found = run(
        *("analyze", KERNEL, "--host", str(tmp_path / "host.yaml"), "--loader", "kexec_load"),
        *("--cmdline", "nokaslr", "--format", "json"),
    ).document
    assert found["load"]["accepted"] is True
    assert any("no iomem" in text for text in found["assumptions"])


def test_a_kernel_log_alone_is_enough(tmp_path: Path) -> None:
    """The log tells memory, reservation, CPUs and release; its lines of the load are left out."""
    folder = SAMPLES / "kdump-from-a-log"
    log = (folder / "dmesg.txt").read_text()
    kept = "".join(line for line in log.splitlines(keepends=True) if "kexec" not in line)
    (tmp_path / "dmesg.txt").write_text(kept)
    kernel = str(folder / "kernel.yaml")
    recorded = run("analyze", kernel, "--dmesg", str(folder / "dmesg.txt"), "--format", "json")
    predicted = run(
        *("analyze", kernel, "--dmesg", str(tmp_path / "dmesg.txt"), "--mode", "crash"),
        *("--initrd", "1031930", "--cmdline", "nokaslr", "--format", "json"),
    )
    expected = recorded.document["segments"]
    assert {one["origin"] for one in expected} == {"log"}
    found = predicted.document["segments"]
    assert {one["origin"] for one in found} == {"predicted"}
    places = [
        [(one["name"], one["start"], one["end"]) for one in load] for load in (found, expected)
    ]
    assert places[0] == places[1]


def test_explain_says_why_each_segment_lies_there() -> None:
    found = run(*crash("--cmdline", "nokaslr", "--explain", "--format", "plain"))
    for role in ("kernel", "boot_params", "purgatory", "elfcorehdr", "backup"):
        lines = [x for x in found.out.splitlines() if x.startswith(f"derivation.{role}: ")]
        assert [line.split()[1] for line in lines] == ["memsz", "hole", "start"]


def test_the_sample_is_predicted_where_the_guest_put_it() -> None:
    folder = SAMPLES / "dead-kdump"
    assert (folder / "iomem.txt").read_text() == Path(IOMEM).read_text()
