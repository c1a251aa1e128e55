"""Texts of kexec-tools: real ones against what another program read off them, and broken ones."""

from __future__ import annotations

from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recorded import DATA, load_json

from smecheck.errors import InputError, MalformedInput, UnreadableInput, WrongKind
from smecheck.evidence import Known, Unknown, value_of
from smecheck.load.segments import Loader, Mode, SegmentList, SegmentOrigin, SegmentRole
from smecheck.read.load.kexec_command import parse_command
from smecheck.read.load.segments import read_segments

TEXTS = DATA / "kexec"
CASES = load_json("kexec", "cases.json")
EXPECTED = load_json("kexec", "expected.json")
LISTED = [case for case in CASES if case["segments"]]
REFUSED = [case for case in CASES if not case["segments"]]
NAMES = {
    "setup_data:efi": "setup_data",
    "setup_data:rng_seed": "rng_seed",
    "setup_data:e820_ext": "e820_ext",
}
LIST = """\
kexec_load: entry = 0x7ffd7760 flags = 0x3e0000
nr_segments = 2
segment[0].buf   = 0x7fa27d5eee10
segment[0].bufsz = 0x1dd200
segment[0].mem   = 0x7f200000
segment[0].memsz = 0xd41000
segment[1].buf   = 0x555569f3fd80
segment[1].bufsz = 0x70e0
segment[1].mem   = 0x7ffd7000
segment[1].memsz = 0x9000
"""


def case_id(case: dict[str, Any]) -> str:
    return str(case["id"])


def rows(segments: SegmentList) -> list[list[str]]:
    return [
        [one.role.value, hex(one.span.start), hex(one.span.size), hex(one.buffer_size or 0)]
        for one in segments.segments
    ]


@pytest.fixture
def read(tmp_path: Path) -> Any:
    def read_text(text: str | bytes, mode: Mode | None = None) -> SegmentList:
        path = tmp_path / "kexec.log"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        result = read_segments(str(path), mode)
        assert result.source == str(path)
        return result

    return read_text


@pytest.mark.parametrize("case", LISTED, ids=case_id)
def test_segments_of_fabricated_machines(case: dict[str, Any], read: Any) -> None:
    segments = read(case["text"])
    assert rows(segments) == [
        [NAMES.get(name, name), hex(mem), hex(memsz), hex(bufsz)]
        for name, mem, memsz, bufsz in case["segments"]
    ]
    assert value_of(segments.loader) is Loader.KEXEC_LOAD
    assert value_of(segments.mode) is Mode(case["mode"])
    assert value_of(segments.init_size) == (None if case["entry_32bit"] else case["init_size"])
    assert segments.refusal is None
    assert segments.remarks == ()


@pytest.mark.parametrize("case", REFUSED, ids=case_id)
def test_refusals_of_fabricated_machines(case: dict[str, Any], read: Any) -> None:
    with pytest.raises(WrongKind) as caught:
        read(case["text"])
    said = caught.value.message
    assert said.startswith("the load was refused (")
    assert said.endswith("and no list of segments is there")
    line = int((caught.value.where or "").rpartition(":")[2])
    quoted = case["text"].splitlines()[line - 1]
    assert f"({quoted})" in said
    assert quoted.split()[0] in ("Could", "Memory", "Cannot")


@pytest.mark.parametrize("name", [name for name in EXPECTED if "dmesg" not in name])
def test_whole_texts(name: str) -> None:
    assert rows(read_segments(str(TEXTS / name))) == EXPECTED[name]


def test_every_capture_of_the_booted_guests() -> None:
    for folder in sorted(DATA.joinpath("captures").iterdir()):
        segments = read_segments(str(folder / "segments.txt"))
        result = load_json("captures", folder.name, "result.json")
        (kernel,) = segments.of(SegmentRole.KERNEL)
        assert not segments.of(SegmentRole.OTHER), folder.name
        assert value_of(segments.mode) is (Mode.CRASH if "-crash-" in folder.name else Mode.LOAD)
        assert segments.refusal is None
        assert isinstance(segments.cmdline, Known)
        assert segments.cmdline.value.split() == result["cmdline"].split()
        if result["nokaslr"]:
            assert kernel.span.start == int(result["text"], 16)


def test_a_segment_says_where_it_was_read() -> None:
    path = str(TEXTS / "lockdown-load-c.txt")
    segments = read_segments(path)
    kernel = segments.of(SegmentRole.KERNEL)[0]
    line = int(kernel.where.removeprefix(f"{path}:"))
    assert Path(path).read_text().splitlines()[line - 1] == "segment[1].mem   = 0x7c600000"
    assert kernel.origin is SegmentOrigin.LOG
    assert segments.init_size == Known(0x37EE000, f"{path}:6: kernel init_size")
    assert isinstance(segments.mode, Known)
    assert segments.mode.origin.endswith("flags = 0x3e0000")


@pytest.mark.parametrize(
    ("name", "refusal"),
    [
        ("debug-load-refused.txt", "kexec_load failed: Function not implemented"),
        ("debug-crash-refused.txt", "kexec_load failed: Function not implemented"),
        ("lockdown-load-c.txt", "kexec_load failed: Operation not permitted"),
        ("lockdown-panic-c.txt", "kexec_load failed: Operation not permitted"),
    ],
)
def test_a_list_printed_again_after_the_refusal_counts_once(name: str, refusal: str) -> None:
    assert (TEXTS / name).read_text().count("nr_segments = ") == 2
    segments = read_segments(str(TEXTS / name))
    assert segments.refusal == refusal
    assert segments.remarks == ()


def test_the_command_line_of_a_crash_kernel_is_what_kexec_made_of_it() -> None:
    path = str(TEXTS / "lockdown-panic-c.txt")
    cmdline = read_segments(path).cmdline
    assert cmdline == Known(
        "console=ttyS0,115200 stage=2 panic=5 nokaslr acpi_rsdp=0xf59e0 elfcorehdr=2063732K",
        f"{path}:18: Command line after adding elfcorehdr",
    )


def test_the_command_line_of_a_pasted_command() -> None:
    path = str(TEXTS / "lockdown-load-c.txt")
    cmdline = read_segments(path).cmdline
    assert cmdline == Known(
        "console=ttyS0,115200 stage=2 panic=5 nokaslr", f"{path}:1: the kexec command"
    )


def test_a_command_line_that_kexec_forgot_is_not_believed(read: Any) -> None:
    # kexec-tools 2.0.25 loses --append where --noefi follows: boot_params is that much smaller.
    text = (TEXTS / "lockdown-load-c.txt").read_text()
    text = text.replace(" --append=", " --append= ").replace("bufsz = 0x506d", "bufsz = 0x5041")
    forgotten = read(text.replace("--append= ", "--append=")).cmdline
    assert isinstance(forgotten, Unknown)
    assert "44 characters of command line, but 0 were loaded" in forgotten.reason


def test_without_any_command_line() -> None:
    cmdline = read_segments(str(TEXTS / "debug-load-refused.txt")).cmdline
    assert cmdline == Unknown("the text of the load does not show the command line")


@pytest.mark.parametrize(
    ("text", "cmdline"),
    [
        ('# kexec -d -c -l k --append="root=/dev/a nokaslr" --initrd=/i', "root=/dev/a nokaslr"),
        ("$ sudo kexec -l k --command-line='ro quiet' -d", "ro quiet"),
        ("root@host:~# /sbin/kexec -l k --append=ro nokaslr quiet --debug", "ro nokaslr quiet"),
        ("[root@host ~]# kexec -lc k --append=ro nokaslr -d", "ro nokaslr"),
        ("> kexec -l k --append=ro memmap=16M$4G   (kexec-tools 2.0.25)", "ro memmap=16M$4G"),
        ("kexec -p k --append=ro quiet 2>&1 | tee log", "ro quiet"),
        ("+ kexec -p '--command-line=BOOT_IMAGE=/k ro' --initrd=i", "BOOT_IMAGE=/k ro"),
        (r'kexec -l k --append "dyndbg=\"file a +p\" ro"', 'dyndbg="file a +p" ro'),
        ("kexec -l k --command-line=one --append=two", "two"),
        ('kexec -l k --append="$(cat /proc/cmdline) nokaslr"', None),
        ("kexec -l k --append=`cat /proc/cmdline`", None),
        ('kexec -l k --append="never closed', None),
        ("kexec -l k --reuse-cmdline --append=x", None),
        ("kexec -l k", None),
    ],
)  # fmt: skip
def test_pasted_commands(text: str, cmdline: str | None) -> None:
    command = parse_command(text, 1)
    assert command is not None
    assert command.cmdline == cmdline
    assert command.mode is (Mode.CRASH if " -p " in text else Mode.LOAD)


@pytest.mark.parametrize(
    "text",
    ["### kexec load-c.v25 rc 0", "### kexec -e", "kexec_core: Starting new kernel", "mkexec -l k"],
)
def test_what_is_no_command(text: str) -> None:
    assert parse_command(text, 1) is None


def test_a_list_that_only_the_refusal_printed(read: Any) -> None:
    """Without -d, kexec-tools prints the list of a refused load, and nothing before it."""
    text = LIST.replace("kexec_load: entry = ", "kexec_load failed: Busy\nentry       = ")
    segments = read(text)
    assert segments.refusal == "kexec_load failed: Busy"
    assert len(segments.segments) == 2
    assert value_of(segments.mode) is Mode.LOAD


def test_a_later_load_that_is_refused_does_not_refuse_the_one_above(read: Any) -> None:
    other = LIST.replace(
        "kexec_load: entry = 0x7ffd7760", "kexec_load failed: Busy\nentry       = 0x99"
    )
    text = LIST + other.replace("0x7f200000", "0x7a200000")
    segments = read(text)
    assert segments.refusal == "kexec_load failed: Busy"
    assert segments.segments[0].span.start == 0x7A200000
    assert "2 loads (lines 2 and 13); the last one is taken" in segments.remarks[0]


def test_a_refusal_without_a_list_after_a_load(read: Any) -> None:
    segments = read(LIST + "Could not find a free area of memory of 0x9600000 bytes...\n")
    assert segments.refusal is None
    (remark,) = segments.remarks
    assert "a later load was refused: Could not find a free area of memory of 0x9600000" in remark


@pytest.mark.parametrize(
    "refusal",
    [
        "kexec_file_load failed: Operation not permitted",
        "syscall kexec_file_load not available.",
        "Cannot load /boot/vmlinuz-6.1.0",
        "Could not find a free area of memory of 0x9600000 bytes...",
        "Invalid memory segment 0x1000000 - 0x1ffffff",
        "Memory for crashkernel is not reserved",
        "Overlapping memory segments at 0x1000000",
    ],
)
@pytest.mark.parametrize("prefix", ["", "> ", "Nov 23 01:50:13 host kdumpctl[812]: "])
def test_a_refused_load_without_a_list(refusal: str, prefix: str, read: Any) -> None:
    with pytest.raises(InputError) as caught:
        read(f"kernel: 0x7f5e82771010 kernel_size: 0xd87200\n{prefix}{refusal}\n")
    assert f"refused ({refusal})" in caught.value.message
    assert (caught.value.where or "").endswith("kexec.log:2")
    assert "kexec -d -c -l" in caught.value.help_text


def test_kexec_a_falls_back_to_kexec_load(read: Any) -> None:
    command = "# kexec -d -l k --append=nokaslr\n"
    segments = read(
        f"{command}syscall kexec_file_load not available.\nkernel: 0x7 kernel_size: 0x9\n{LIST}"
    )
    assert segments.refusal is None
    assert value_of(segments.cmdline) == "nokaslr"


@pytest.mark.parametrize("name", ["lockdown-load-s.txt", "2.0.29-s-on-6.1.txt"])
def test_a_refused_kexec_s(name: str) -> None:
    with pytest.raises(WrongKind, match=r"the load was refused \((kexec_file_load failed|syscall)"):
        read_segments(str(TEXTS / name))


@pytest.mark.parametrize("case", load_json("kexec", "refused.json"), ids=case_id)
@pytest.mark.parametrize("with_debug", [True, False])
def test_what_kexec_itself_refuses(case: dict[str, Any], with_debug: bool, read: Any) -> None:
    text = case["text"]
    if not with_debug:
        text = text[text.index(case["refusal"]) :]
    with pytest.raises(WrongKind) as caught:
        read(text)
    assert f"the load was refused ({case['refusal']})" in caught.value.message


def test_complaints_that_stop_no_load_refuse_none(read: Any) -> None:
    noise = (
        "Cannot get kernel page_offset_base symbol address\n"
        "Cannot open /sys/firmware/efi/systab: No such file or directory\n"
        "[    9.1] ata1: Cannot read the log\n"
    )
    assert read(noise + LIST).remarks == ()


@pytest.mark.parametrize(
    ("command", "is_told"), [("kexec -d -s -l", True), ("kexec -s -l", False), ("", True)]
)
def test_the_debug_flag_that_an_old_kernel_refuses(command: str, is_told: bool, read: Any) -> None:
    said = "syscall kexec_file_load not available.\n"
    with pytest.raises(WrongKind) as caught:
        read(f"# {command} /k/vmlinuz\n{said}" if command else said)
    assert ("without -d if the kernel is older than v6.8" in caught.value.help_text) is is_told


@pytest.mark.parametrize("last", ["MEMORY RANGES", "Loaded purgatory at addr 0x7ffd7000"])
def test_output_that_ends_before_the_list(last: str, read: Any) -> None:
    echo = "0000000000001000-000000000009fbff : System RAM\n"
    with pytest.raises(WrongKind, match="output of kexec -d that ends before the list"):
        read(f"kernel: 0x7f00b18e4010 kernel_size: 0xd7e200\n{echo}{last}\n")


def test_an_echo_of_the_memory_map_is_none(read: Any) -> None:
    with pytest.raises(WrongKind, match="output of kexec -d that ends before the list"):
        read("0000000000001000-000000000009fbff : System RAM\n")
    with pytest.raises(WrongKind, match="an iomem dump, not the text of a kexec load"):
        read("00001000-0009fbff : System RAM\n")


def test_kexec_s_of_2_0_25_prints_no_address() -> None:
    with pytest.raises(WrongKind, match="prints no addresses") as caught:
        read_segments(str(TEXTS / "2.0.25-s-on-6.12.txt"))
    assert "2.0.25 -s -d prints no address at all" in caught.value.help_text
    assert "dynamic_debug/control" in caught.value.help_text


@pytest.mark.parametrize("lines", range(3, 10))
def test_a_list_cut_off(lines: int, read: Any) -> None:
    cut = "".join(LIST.splitlines(keepends=True)[:lines])
    with pytest.raises(MalformedInput, match="cut off: nr_segments says 2") as caught:
        read(cut)
    assert (caught.value.where or "").endswith("kexec.log:2")


@pytest.mark.parametrize("characters", range(1, 7))
def test_a_number_cut_off(characters: int, read: Any) -> None:
    with pytest.raises(MalformedInput) as caught:
        read(LIST.rstrip()[:-characters])
    assert (caught.value.where or "").rpartition(":")[2] in ("2", "9", "10")


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("[1].mem   = 0x7ffd7000", "[1].mem   = 0x7ff57000", "not have purgatory at 0x7ffd7000"),
        ("addr 0x7ffd7000", "addr 0x7ffd3000", "not have purgatory at 0x7ffd3000"),
        ("[0].memsz = 0xd41000", "[0].memsz = 0x141000", "has 0x1dd200 bytes in 0x141000"),
    ],
)
def test_a_digit_that_is_another_in_one_of_two_places(
    old: str, new: str, told: str, read: Any
) -> None:
    text = f"Loaded purgatory at addr 0x7ffd7000\nLoaded 64bit kernel at 0x7f200000\n{LIST}"
    assert len(read(text).segments) == 2
    with pytest.raises(MalformedInput, match=told) as caught:
        read(text.replace(old, new))
    assert str(caught.value.where).endswith("kexec.log:4")


def test_the_last_whole_load_is_taken(read: Any) -> None:
    cut = LIST.replace("0x7f200000", "0x7a200000").rpartition("segment[1].memsz")[0]
    segments = read(LIST + cut)
    assert segments.segments[0].span.start == 0x7F200000
    (remark,) = segments.remarks
    assert "kexec.log:12: the list of segments is cut off" in remark


def test_two_loads_and_the_mode_that_is_asked_for(read: Any) -> None:
    crash = LIST.replace("0x3e0000", "0x3e0001").replace("0x7f200000", "0x7a200000")
    assert value_of(read(LIST + crash).mode) is Mode.CRASH
    assert value_of(read(LIST + crash, Mode.LOAD).mode) is Mode.LOAD
    (remark,) = read(LIST + crash, Mode.LOAD).remarks
    assert "2 loads (lines 2 and 12); the last one of mode load, in line 2, is taken" in remark
    with pytest.raises(WrongKind, match=r"no load of mode crash; 1 load \(line 2\)"):
        read(LIST, Mode.CRASH)


def test_many_loads_are_not_all_remembered(read: Any) -> None:
    (remark,) = read(LIST * 500).remarks
    assert "500 loads (lines 2, 12, 22, 32, 42, … and 4992)" in remark


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("0x7f200000", "0x17f20000000000000", "more than 64 bits"),
        ("0x7f200000", "0x" + "f" * 60_000, "more than 64 bits"),
        ("0x7f200000", "0xfffffffffff00000", "beyond the 64 bits"),
        ("0x7f200000", "0x7f_200_000", "is broken"),
        ("0x7f200000", "-0x7f200000", "is broken"),
        ("0x7f200000", "0x7f200010", "not whole pages"),
    ],
)
def test_numbers_that_are_no_addresses(old: str, new: str, why: str, read: Any) -> None:
    with pytest.raises(MalformedInput, match=why) as caught:
        read(LIST.replace(old, new))
    assert (caught.value.where or "").endswith("kexec.log:5")
    assert len(caught.value.message) < 200


def test_printf_writes_zero_in_two_ways(read: Any) -> None:
    text = LIST.replace("0x7f200000", "(nil)").replace("bufsz = 0x1dd200", "bufsz = 0")
    first = read(text).segments[0]
    assert (first.span.start, first.span.size, first.buffer_size) == (0, 0xD41000, 0)


@pytest.mark.parametrize("prefix", ["> ", "Nov 23 01:50:13 host kdumpctl[812]: ", "\x1b[32m"])
def test_prefixed_lines(prefix: str, read: Any) -> None:
    text = (TEXTS / "lockdown-panic-c.txt").read_text().partition("exit status")[0]
    prefixed = "".join(prefix + line for line in text.splitlines(keepends=True))
    segments = read(prefixed)
    assert rows(segments) == EXPECTED["lockdown-panic-c.txt"]
    assert value_of(segments.cmdline) == value_of(
        read_segments(str(TEXTS / "lockdown-panic-c.txt")).cmdline
    )
    assert segments.refusal == "kexec_load failed: Operation not permitted"


def test_line_ends_of_other_systems(read: Any) -> None:
    assert len(read(LIST.replace("\n", "\r\n")).segments) == 2


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("hello\n", "holds no segments of a kexec load"),
        ("00001000-0009ffff : System RAM\n", "is an iomem dump, not the text of a kexec load"),
        ("[    0.000000] Linux version 6.1.0\n", "is a kernel log without the segments"),
        (b"\x1f\x8b\x08\x00\x00\x00\x00\x00", r"is a binary file \(compressed\?\)"),
    ],
)
def test_what_is_no_segment_text(text: str | bytes, what: str, read: Any) -> None:
    with pytest.raises(WrongKind, match=what) as caught:
        read(text)
    assert "kexec -d -c -l" in caught.value.help_text
    assert "2.0.29" in caught.value.help_text


def test_files_that_cannot_be_read(tmp_path: Path, read: Any) -> None:
    for text, what in (("", "is empty"), (" \n", "is empty"), (LIST.encode("utf-16"), "is UTF-16")):
        with pytest.raises(UnreadableInput, match=what):
            read(text)
    with pytest.raises(UnreadableInput, match="is a directory"):
        read_segments(str(tmp_path))


def test_a_description_is_read_as_one(read: Any) -> None:
    text = "# as kexec -d printed it\nschema: smecheck/segments-v1\nsegments:\n"
    segments = read(text + "  - {name: kernel, start: 0x7c000000, size: 0x3f98000}\n")
    assert segments.segments[0].origin is SegmentOrigin.DESCRIPTION
    with pytest.raises(MalformedInput):
        read("segments:\n  - {name: kernel, start: 0x7c000000, size: 0x3f98000}\n")


@given(
    st.sampled_from(sorted(EXPECTED)),
    st.lists(st.tuples(st.integers(0, 200), st.integers(0, 5), st.integers(0, 60)), max_size=6),
)
def test_damaged_texts_are_read_or_refused(name: str, damage: list[tuple[int, int, int]]) -> None:
    """Whatever happens to a text on its way, the answer is segments or an error with a place."""
    lines = (TEXTS / name).read_text().splitlines(keepends=True)
    for at, kind, column in damage:
        line = lines[at % len(lines)]
        damaged = ["", line * 2, line[:column] + "\n", line[:column], line[column:], "\0" + line]
        lines[at % len(lines)] = damaged[kind]
    with NamedTemporaryFile() as file:
        file.write("".join(lines).encode())
        file.flush()
        try:
            outcome: SegmentList | InputError = read_segments(file.name)
        except InputError as error:
            outcome = error
    if isinstance(outcome, InputError):
        assert (outcome.where or "").startswith(file.name)
        assert outcome.message
        assert outcome.help_text
    else:
        starts = [segment.span.start for segment in outcome.segments]
        assert starts
        assert starts == sorted(starts)
