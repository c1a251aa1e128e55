"""Lines of kexec_file_load in kernel logs: as real ones have them, behind any time stamp, cut."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from recorded import DATA, load_json

from smecheck.errors import MalformedInput, WrongKind
from smecheck.evidence import Known, Unknown, value_of
from smecheck.load.segments import Loader, Mode, SegmentList, SegmentRole
from smecheck.load.unsized import sizes_not_known
from smecheck.read.lines.log_lines import LINE_LIMIT, numbered_lines
from smecheck.read.load.segments import read_segments

TEXTS = DATA / "kexec"
EXPECTED = load_json("kexec", "expected.json")
LOGS = [name for name in EXPECTED if "dmesg" in name or name.startswith("mail")]
NEW = (TEXTS / "6.12-panic-s.dmesg.txt").read_text()
OLD = (TEXTS / "6.1-load-s.dmesg.txt").read_text()
MESSAGES = [line[len("[   58.425056] ") :] for line in NEW.splitlines()]


def rows(segments: SegmentList) -> list[list[str]]:
    return [
        [one.role.value, hex(one.span.start), hex(one.span.size), hex(one.buffer_size or 0)]
        for one in segments.segments
    ]


def without(text: str, *parts: str) -> str:
    kept = [line for line in text.splitlines(keepends=True) if not any(p in line for p in parts)]
    return "".join(kept)


@pytest.fixture
def read(tmp_path: Path) -> Any:
    def read_text(text: str, mode: Mode | None = None) -> SegmentList:
        path = tmp_path / "dmesg.txt"
        path.write_text(text)
        return read_segments(str(path), mode)

    return read_text


@pytest.mark.parametrize("name", LOGS)
def test_whole_logs(name: str) -> None:
    segments = read_segments(str(TEXTS / name))
    assert rows(segments) == EXPECTED[name]
    assert value_of(segments.loader) is Loader.KEXEC_FILE_LOAD
    assert value_of(segments.mode) is (Mode.CRASH if "panic" in name else Mode.LOAD)
    assert value_of(segments.init_size) == segments.of(SegmentRole.KERNEL)[0].span.size
    assert segments.refusal is None
    assert segments.remarks == ()


def test_what_a_log_says_and_where() -> None:
    path = str(TEXTS / "6.12-panic-s.dmesg.txt")
    segments = read_segments(path)
    assert segments.mode == Known(Mode.CRASH, f"{path}:16: type")
    assert segments.cmdline == Known(
        "elfcorehdr=0x6e000000 console=ttyS0,115200 stage=2 panic=5 nokaslr "
        "earlyprintk=serial ttyS0 115200",
        f"{path}:9: Final command line",
    )
    assert segments.of(SegmentRole.KERNEL)[0].where == f"{path}:14"
    # The initrd's real size, and not the pages that are kept for it.
    assert segments.of(SegmentRole.INITRD)[0].buffer_size == 0xFBB4A


def test_output_of_kexec_and_kernel_log_in_one_capture() -> None:
    segments = read_segments(str(TEXTS / "founding-p-s.txt"))
    assert rows(segments) == EXPECTED["founding-p-s.txt"]
    assert value_of(segments.loader) is Loader.KEXEC_FILE_LOAD
    assert value_of(segments.mode) is Mode.CRASH
    assert (value_of(segments.cmdline) or "").startswith("elfcorehdr=0x6e000000 console=ttyS0")


def test_the_pasted_command_fills_in_for_lines_that_are_missing(read: Any) -> None:
    text = without((TEXTS / "founding-p-s.txt").read_text(), "bzImage64", "Loading segment 4")
    segments = read(text)
    assert value_of(segments.cmdline) == (
        "console=ttyS0,115200 earlyprintk=ttyS0,115200 panic=3 nokaslr mem_encrypt=on"
    )
    assert [row[0] for row in rows(segments)] == [
        "elfcorehdr",
        "kernel",
        "boot_params",
        "purgatory",
    ]


@pytest.mark.parametrize(
    "stamp",
    [
        "",
        "[   12.345678] ",
        "[    0.000000][    T0] ",
        "[   12.345678] [ T1234] ",
        "[Mon Nov 23 01:50:13 2026] ",
        "Nov 23 01:50:13 host kernel: ",
        "Nov 23 01:50:13 host kernel: [   12.345678] ",
        "2026-11-23T01:50:13+0000 host kernel: ",
        "2026-11-23T01:50:13,123456+00:00 ",
        "<6>[   12.345678] ",
        "<6>",
        "kern  :info  : [   12.345678] ",
        "> [   12.345678] ",
        "> > ",
        "\x1b[32m[   12.345678] \x1b[0m\x1b[33m",
        "\0\0\0Nov 23 01:50:13 host kernel: ",
    ],
)
def test_any_time_stamp(stamp: str, read: Any) -> None:
    segments = read("".join(f"{stamp}{message}\n" for message in MESSAGES))
    assert rows(segments) == EXPECTED["6.12-panic-s.dmesg.txt"]
    assert value_of(segments.mode) is Mode.CRASH
    assert (value_of(segments.cmdline) or "").startswith("elfcorehdr=0x6e000000 ")


@pytest.mark.parametrize(
    "pointer", ["0x(____ptrval____)", "0x        (ptrval)", "0x(null)", "0xffff888012345678"]
)
def test_any_pointer(pointer: str, read: Any) -> None:
    segments = (
        ("0x4000", "0x9a000", "0x5000"),
        ("0x1110", "0x98000", "0x2000"),
        ("0x7d87c0", "0x7c000000", "0x3f98000"),
    )
    text = "".join(
        f"kexec_file: Loading segment {index}: buf={pointer} bufsz={bufsz} mem={mem} "
        f"memsz={memsz}\n"
        for index, (bufsz, mem, memsz) in enumerate(segments)
    )
    starts = [segment.span.start for segment in read(text).segments]
    assert starts == [0x98000, 0x9A000, 0x7C000000]


def test_an_older_list_that_lost_its_kernel_is_cut_off(read: Any) -> None:
    with pytest.raises(MalformedInput, match="none of them is the kernel"):
        read(without(OLD, "Loaded", "Final", "Loading segment 2", "Loading segment 3"))


def test_only_a_count_shows_that_no_initrd_is_missing(read: Any) -> None:
    without_initrd = without(OLD, "Loaded initrd", "Loading segment 3")
    assert read(without_initrd).may_lack == "no line says whether an initrd is loaded"
    assert read(OLD).may_lack is None
    assert read(NEW).may_lack is None


def test_a_list_of_kexec_load_as_newer_kernels_may_print_it(read: Any) -> None:
    text = (
        "kexec: nr_segments = 2\n"
        "kexec: segment[0]: buf=0x00000000aee681f4 bufsz=0x30 mem=0x100000 memsz=0x1000\n"
        "kexec: segment[1]: buf=0x00000000aee681f5 bufsz=0x70e0 mem=0x7ffd7000 memsz=0x9000\n"
        "kexec: kexec_load: type:1, start:0x7ffd7760 head:0x4 flags:0x3e0001\n"
    )
    segments = read(text)
    assert value_of(segments.loader) is Loader.KEXEC_LOAD
    assert value_of(segments.mode) is Mode.CRASH
    assert [segment.role.value for segment in segments.segments] == ["rng_seed", "purgatory"]


def test_kexec_tools_and_the_kernel_print_the_same_load(read: Any) -> None:
    tools = (TEXTS / "lockdown-load-c.txt").read_text().partition("kexec_load failed")[0]
    kernel = "kexec: nr_segments = 5\n" + "".join(
        f"kexec: segment[{index}]: buf=0x1 bufsz={bufsz} mem={mem} memsz={memsz}\n"
        for index, (_, mem, memsz, bufsz) in enumerate(EXPECTED["lockdown-load-c.txt"])
    )
    for text in (tools + kernel, kernel + tools):
        segments = read(text)
        assert rows(segments) == EXPECTED["lockdown-load-c.txt"]
        assert segments.remarks == ()


@pytest.mark.parametrize(
    ("mode", "lowest", "names"),
    [
        (None, 0x67000000, ["backup", "elfcorehdr", "kernel", "boot_params", "purgatory"]),
        (Mode.LOAD, 0x8F000, ["boot_params", "purgatory", "kernel"]),
    ],
)
def test_names_by_the_order_of_loading(mode: Mode | None, lowest: int, names: list[str]) -> None:
    segments = read_segments(str(TEXTS / "mail-2019-11.txt"), mode)
    assert [segment.role.value for segment in segments.segments] == names
    assert segments.segments[0].span.start == lowest
    taken = "the last one is" if mode is None else "the last one of mode load, in line 17, is"
    (remark,) = segments.remarks
    assert f"the log holds 5 loads (lines 3, 7, 11, 17 and 21); {taken} taken" in remark


def test_a_reload_of_the_other_mode(read: Any) -> None:
    segments = read(NEW + OLD)
    assert rows(segments) == EXPECTED["6.1-load-s.dmesg.txt"]
    assert "2 loads (lines 10 and 24); the last one is taken" in segments.remarks[0]
    assert rows(read(NEW + OLD, Mode.CRASH)) == EXPECTED["6.12-panic-s.dmesg.txt"]
    with pytest.raises(WrongKind, match=r"no load of mode crash; 1 load \(line 8\)"):
        read(OLD, Mode.CRASH)


def test_loaded_lines_alone(read: Any) -> None:
    segments = read(without(OLD, "Loading segment"))
    listed = EXPECTED["6.1-load-s.dmesg.txt"]
    first_page = ["purgatory", "0x9a000", "0x1000", "0x0"]
    assert rows(segments) == [first_page if row[0] == "purgatory" else row for row in listed]
    assert not segments.of(SegmentRole.PURGATORY)[0].size_is_known
    assert segments.of(SegmentRole.INITRD)[0].buffer_size == 0xFBB4A
    assert value_of(segments.mode) is Mode.LOAD
    assert segments.remarks == ()
    (told,) = sizes_not_known(segments)
    assert "purgatory is at 0x9a000, but its size is not given" in told


def test_loaded_lines_of_a_crash_kernel_without_elf_headers(read: Any) -> None:
    segments = read(without(NEW, "segment", "type:", "ELF headers"))
    assert value_of(segments.mode) is Mode.CRASH
    told = [*sizes_not_known(segments)]
    assert any("elfcorehdr is at 0x6e000000, but its size is not given" in text for text in told)


def test_loaded_lines_of_a_load_that_was_not_finished(read: Any) -> None:
    segments = read(without(OLD, "Loading segment", "Final"))
    assert "the load may have failed" in segments.remarks[0]
    assert rows(read(without(OLD, "Loading segment") + OLD)) == EXPECTED["6.1-load-s.dmesg.txt"]
    assert rows(read(OLD + without(OLD, "Loading segment"))) == EXPECTED["6.1-load-s.dmesg.txt"]


def test_loaded_lines_that_are_not_whole_are_no_load(read: Any) -> None:
    with pytest.raises(MalformedInput, match="is broken: it says where a segment"):
        read(without(OLD, "Loading segment").replace(" bufsz=", " bu"))


def test_lines_of_a_failed_load_do_not_name_the_next_one(read: Any) -> None:
    failed = "".join(OLD.splitlines(keepends=True)[:3]).replace("0x9a000", "0x7dffb000")
    segments = read(failed + NEW.partition("\n")[2])
    assert rows(segments) == EXPECTED["6.12-panic-s.dmesg.txt"]
    assert segments.remarks == ()


@pytest.mark.parametrize("last", range(10, 15))
def test_a_list_cut_off_at_its_end(last: int, read: Any) -> None:
    with pytest.raises(MalformedInput, match="cut off: nr_segments says 5") as caught:
        read("\n".join(NEW.splitlines()[:last]))
    assert (caught.value.where or "").endswith("dmesg.txt:10")


@pytest.mark.parametrize(
    ("text", "what", "line"),
    [
        (without(OLD, "Loading segment 3"), "initrd is not in it", 8),
        (without(OLD, "Loading segment 1"), "by its last one it has 4, 3 are there", 8),
        (without(OLD, "Loaded", "segment 0", "segment 1"), "it has 4, 2 are there", 4),
        (OLD.rstrip()[:-20], "is broken: it is not a complete line of a list", 11),
        (OLD.rstrip()[:-1], "is broken: it is not a complete line of a list", 11),
    ],
)
def test_a_list_of_an_older_kernel_cut_off(text: str, what: str, line: int, read: Any) -> None:
    with pytest.raises(MalformedInput, match=what) as caught:
        read(text)
    assert (caught.value.where or "").endswith(f"dmesg.txt:{line}")


def test_the_last_whole_list_is_taken(read: Any) -> None:
    segments = read(OLD + "\n".join(NEW.splitlines()[:12]))
    assert rows(segments) == EXPECTED["6.1-load-s.dmesg.txt"]
    assert "nr_segments says 5, 2 are there; it is left out" in segments.remarks[0]


@pytest.mark.parametrize(
    ("number", "what"),
    [("0x1" + "0" * 16, "more than 64 bits"), ("0x" + "f" * 50_000, "is broken")],
)
def test_a_number_beyond_64_bits(number: str, what: str, read: Any) -> None:
    with pytest.raises(MalformedInput, match=what) as caught:
        read(OLD.replace("mem=0x98000", f"mem={number}"))
    assert (caught.value.where or "").endswith("dmesg.txt:9")


def test_a_count_that_nobody_can_mean(read: Any) -> None:
    with pytest.raises(MalformedInput, match="says 999999999"):
        read(NEW.replace("nr_segments = 5", "nr_segments = 999999999"))


def test_a_command_line_as_long_as_a_message_may_be_cut(read: Any) -> None:
    cmdline = read(OLD.replace("stage=2", "x" * 1000)).cmdline
    assert isinstance(cmdline, Unknown)
    assert "as long as a message can be" in cmdline.reason
    assert isinstance(read(OLD.replace("stage=2", "x" * 800)).cmdline, Known)


def test_an_empty_command_line_is_none() -> None:
    cmdline = read_segments(str(TEXTS / "mail-2019-12.txt")).cmdline
    assert cmdline == Unknown("the kernel's lines do not show the final command line")


def test_a_log_without_addresses() -> None:
    with pytest.raises(WrongKind, match="list no segments") as caught:
        read_segments(str(TEXTS / "2.0.25-s-on-6.12.dmesg.txt"))
    assert "2.0.25 -s -d prints no address at all" in caught.value.help_text


def test_a_load_that_lockdown_refused() -> None:
    with pytest.raises(WrongKind, match=r"refused \(Lockdown: .*unsigned images") as caught:
        read_segments(str(TEXTS / "lockdown-load-s.dmesg.txt"))
    assert (caught.value.where or "").endswith("dmesg.txt:2")


def test_kexec_s_that_failed_after_its_lines(read: Any) -> None:
    segments = read("kexec_file_load failed: Cannot allocate memory\n" + OLD)
    assert segments.refusal == "kexec_file_load failed: Cannot allocate memory"
    assert segments.remarks == ()


def test_a_long_log_takes_little_memory(tmp_path: Path) -> None:
    device = "new high-speed USB device number 2 using xhci_hcd; " * 10
    noise = f"[    1.000000] usb 1-1: {device}\n"
    path = tmp_path / "dmesg.txt"
    path.write_text(noise * 60_000 + OLD + "x" * (8 << 20) + "\n" + noise * 10_000)
    tracemalloc.start()
    try:
        segments = read_segments(str(path))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert rows(segments) == EXPECTED["6.1-load-s.dmesg.txt"]
    assert segments.segments[0].where.endswith(":60009")
    assert path.stat().st_size > 30 << 20
    assert peak < 8 << 20


@pytest.mark.parametrize("size", [7, 1000, LINE_LIMIT, 1 << 20])
def test_lines_do_not_depend_on_the_pieces_they_are_read_in(size: int) -> None:
    data = b"one\n\n" + b"x" * (LINE_LIMIT + 5) + b"\nlast"
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    assert list(numbered_lines(pieces)) == [
        (1, b"one"),
        (2, b""),
        (3, b"x" * LINE_LIMIT),
        (4, b"last"),
    ]
