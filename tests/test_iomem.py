"""Dumps of /proc/iomem: real ones, pasted ones, broken ones, and what is memory in them."""

from __future__ import annotations

import errno
import gzip
import io
import re
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smecheck.errors import InputError, MalformedInput, UnreadableInput, WrongKind
from smecheck.machine.memory import MemoryMap, Region, usable_ram
from smecheck.read.machine.iomem import parse_iomem, read_iomem
from smecheck.read.source import NamedStream
from smecheck.span import Span, SpanSet

if TYPE_CHECKING:
    from collections.abc import Callable

DATA = Path(__file__).parent / "data" / "iomem"
GUESTS = sorted(path.name for path in DATA.glob("guest-*") if "without-root" not in path.name)
SECONDS = 8.0
"""What the hostile texts may take: far above what they need, far below what a square would."""

SMALL = """\
00000000-00000fff : Reserved
00001000-0009efff : System RAM
00100000-7ffdffff : System RAM
  01000000-01e01d31 : Kernel code
  6f000000-7effffff : Crash kernel
7ffe0000-7fffffff : Reserved
"""


def text_of(name: str) -> str:
    return (DATA / name).read_text()


def parse(text: str) -> MemoryMap:
    return parse_iomem(text, "f")


def tree(memory: MemoryMap) -> list[tuple[str, Span, int]]:
    return [(region.name, region.span, region.depth) for region in memory.regions]


def refusal(text: str, kind: type[InputError] = MalformedInput) -> str:
    with pytest.raises(kind) as caught:
        parse(text)
    assert type(caught.value) is kind
    assert caught.value.help_text
    return f"{caught.value.where}: {caught.value.message}"


def inclusive(*pairs: tuple[int, int]) -> SpanSet:
    return SpanSet(Span(start, last + 1) for start, last in pairs)


def variant(label: str) -> str:
    """Return a fragment of variants.txt by a word of its label."""
    parts = re.split(r"^## ", text_of("variants.txt"), flags=re.MULTILINE)[1:]
    return next(part.split("\n", 1)[1] for part in parts if label in part.split("\n", 1)[0])


# Whole dumps.


def test_a_dump_is_read_with_its_nesting_and_lines() -> None:
    memory = parse(SMALL)
    assert memory.source == "f"
    assert memory.complete
    assert memory.ignored_lines == ()
    assert memory.regions == (
        Region("Reserved", Span(0, 0x1000), 0, 1),
        Region("System RAM", Span(0x1000, 0x9F000), 0, 2),
        Region("System RAM", Span(0x100000, 0x7FFE0000), 0, 3),
        Region("Kernel code", Span(0x1000000, 0x1E01D32), 1, 4),
        Region("Crash kernel", Span(0x6F000000, 0x7F000000), 1, 5),
        Region("Reserved", Span(0x7FFE0000, 0x80000000), 0, 6),
    )
    assert memory.system_ram == inclusive((0x1000, 0x9EFFF), (0x100000, 0x7FFDFFFF))
    assert memory.name_at(0x6F000000) == "Crash kernel"
    assert memory.name_at(0x90000000) == "no memory"


@pytest.mark.parametrize("name", GUESTS)
def test_real_dumps_nest_as_the_kernel_indented_them(name: str) -> None:
    memory = read_iomem(str(DATA / name))
    rows = text_of(name).splitlines()
    assert memory.complete
    assert [region.line for region in memory.regions] == list(range(1, len(rows) + 1))
    for region, row in zip(memory.regions, rows, strict=True):
        assert region.depth == (len(row) - len(row.lstrip())) // 2
        assert row.endswith(f"-{region.span.end - 1:08x} : {region.name}")
    # In the guests nothing lies inside System RAM but the kernel and its reservations.
    assert memory.system_ram == SpanSet(region.span for region in memory.named("System RAM"))


def test_crash_kernels_are_none_one_or_two() -> None:
    assert read_iomem(str(DATA / "guest-1g-in-crash-kernel.txt")).crash_kernel == ()
    one = read_iomem(str(DATA / "guest-1g-crashkernel.txt"))
    assert [region.span for region in one.crash_kernel] == [Span(0x33000000, 0x3F000000)]
    two = read_iomem(str(DATA / "guest-4.5g-two-reservations.txt"))
    assert [region.span for region in two.crash_kernel] == [
        Span(0x6E000000, 0x7E000000),
        Span(0x18F000000, 0x19F000000),
    ]


def test_a_dump_after_kexec_begins_at_0x400_and_is_whole() -> None:
    memory = read_iomem(str(DATA / "guest-8g-uefi-after-kexec.txt"))
    assert memory.regions[0].span == Span(0x400, 0x1000)
    assert memory.complete


def test_without_root_all_is_zero() -> None:
    with pytest.raises(WrongKind) as caught:
        read_iomem(str(DATA / "guest-1g-without-root.txt"))
    assert caught.value.message == "was read without root: all addresses are zero"
    assert caught.value.help_text.endswith("sudo cat /proc/iomem > iomem.txt")


@pytest.mark.parametrize(
    "text",
    [
        "00000000-00000000 : System RAM\n",
        "00000000-00000000 : Reserved\n00000000-00000000 : System RAM\n",
        "00000000-00000000 : Reserved\n  00000000-00000000 : Kernel code\n00100000-001fffff : x\n",
        "> 00000000-00000000 : Reserved\r\n> 00000000-00000000 : System RAM",
    ],
)
def test_zeros_are_told(text: str) -> None:
    assert refusal(text, WrongKind) == "f: was read without root: all addresses are zero"


def test_one_byte_at_zero_may_be_a_resource() -> None:
    memory = parse("00000000-00000000 : Reserved\n00001000-0009efff : System RAM\n")
    assert memory.regions[0].span == Span(0, 1)


def test_standard_input_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(SMALL.encode())))
    memory = read_iomem("-")
    assert memory.source == "<stdin>"
    assert tree(memory) == tree(parse(SMALL))


# What transport does to a dump.


@pytest.mark.parametrize(
    "mangle",
    [
        lambda text: re.sub(r"(?m)^ +", "", text),
        lambda text: re.sub(r"(?m)^( +)", r"\1\1", text),
        lambda text: re.sub(r"(?m)^( +)", " ", text),
        lambda text: re.sub(r"(?m)^( +)", "\t", text),
        lambda text: re.sub(r"(?m)^(?=.)", "\t", text),
        lambda text: re.sub(r"(?m)^(?=.)", "    ", text),
        lambda text: re.sub(r"(?m)^(?=.)", "> ", text),
        lambda text: re.sub(r"(?m)^(?=.)", ">", text),
        lambda text: re.sub(r"(?m)^(?=.)", ">> ", text),
        lambda text: re.sub(r"(?m)^(?=.)", " > > \t", text),
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace("\n", " \t\r\r\n"),
        lambda text: text.replace("\n", "\n\n> \n"),
        lambda text: re.sub(r"(?m)^ +", lambda m: "\xa0" * len(m[0]), text),
        lambda text: "\ufeff" + text,
        lambda text: text.rstrip("\n"),
        lambda text: re.sub(r"(?m)^( *)(\w+)-(\w+)", lambda m: m[0].upper(), text),
        lambda text: re.sub(r"(?m)^( *)0+(?=\w)(\w+)-0+(?=\w)", r"\1\2-", text),
        lambda text: re.sub(r"(?m)^( *)(\w+)-(\w+)", r"\g<1>00000000\2-00000000\3", text),
        lambda text: text.replace(" : ", ":"),
        lambda text: text.replace("Kernel code", "Kernel code\t(0x7677d4)"),
        lambda text: text.replace("System RAM\n", "System RAM         <---- split System RAM\n"),
    ],
)
@pytest.mark.parametrize("name", GUESTS)
def test_mangled_dumps_read_the_same(name: str, mangle: Callable[[str], str]) -> None:
    text = text_of(name)
    mangled = parse(mangle(text))
    assert tree(mangled) == tree(parse(text))
    assert mangled.complete
    assert mangled.ignored_lines == ()


def test_reserved_is_kept_as_written() -> None:
    memory = parse("00000000-00000fff : reserved\n00001000-00001fff : Reserved\n")
    assert [region.name for region in memory.regions] == ["reserved", "Reserved"]


def test_names_are_text_without_controls() -> None:
    memory = parse("00000000-00000fff : \x1b[31mRés\x9b : erved <b>\u202e\x7f\n")
    assert memory.regions[0].name == "Rés\ufffd : erved <b>\u202e\ufffd"


def test_all_64_bits_are_addresses() -> None:
    memory = parse("0-fff : Reserved\n70e800000000-ffffffffffffffff : PCI Bus 0000:00\n")
    assert memory.regions[1].span == Span(0x70E800000000, 1 << 64)


def test_equal_spans_nest_in_the_order_of_the_text() -> None:
    memory = parse("b0000000-bfffffff : PCI MMCONFIG\nb0000000-bfffffff : Reserved\n")
    assert [(region.name, region.depth) for region in memory.regions] == [
        ("PCI MMCONFIG", 0),
        ("Reserved", 1),
    ]


def test_deeper_than_the_kernel_indents() -> None:
    rows = [f"{'  ' * min(depth, 5)}{depth:08x}-0000ffff : level\n" for depth in range(9)]
    assert [region.depth for region in parse("".join(rows)).regions] == list(range(9))


def test_other_lines_are_ignored_by_number() -> None:
    text = (
        "Hello,\n\nthe map 00100000-7ffdffff : System RAM of\n"
        "2019-12-03 10:00 9e107d9d-372b-4fc0-8d0f-1f2e3d4c5b6a, a decade-long\n"
        "facade- or bed-like\n"
        "BIOS-e820: [mem 0x0000000000000000-0x000000000009efff] usable\n"
        "# 00100000-7ffdffff : a comment\n"
        "0000000000001000-000000000009efff (0)\n" + SMALL + "-- \nMichael\n"
    )
    memory = parse(text)
    assert memory.ignored_lines == (1, 3, 4, 5, 6, 7, 8, 15, 16)
    assert tree(memory) == tree(parse(SMALL))
    assert memory.complete


# Fragments.


@pytest.mark.parametrize(
    "ellipsis", ["...", "[...]", "…", "> ...", "[snip]", "<snip>", "--- snip ---", "[..., snipped]"]
)
@pytest.mark.parametrize("after", [0, 2, 6])
def test_an_ellipsis_makes_a_fragment(ellipsis: str, after: int) -> None:
    rows = SMALL.splitlines()
    memory = parse("\n".join([*rows[:after], ellipsis, *rows[after:]]))
    assert not memory.complete
    assert memory.ignored_lines == (after + 1,)
    assert memory.name_at(0x90000000) == "nothing in this fragment of a map"


def test_an_ellipsis_in_a_sentence_counts_inside_the_dump() -> None:
    rows = SMALL.splitlines()
    sentence = "... 40 lines of PCI ..."
    assert parse("\n".join([sentence, *rows, sentence])).complete
    assert not parse("\n".join([*rows[:5], sentence, *rows[5:]])).complete


@pytest.mark.parametrize(
    "text",
    [
        "00001000-0009efff : System RAM\n00100000-7ffdffff : System RAM\n",
        "  00000000-00000fff : x\n00100000-7ffdffff : System RAM\n",
    ],
)
def test_a_dump_without_its_beginning_is_a_fragment(text: str) -> None:
    assert not parse(text).complete


def test_variants_whole_and_labelled() -> None:
    bare = parse(variant("bare BIOS guest"))
    assert not bare.complete
    assert [region.depth for region in bare.regions] == [0, 1, 1, 1, 1, 1, 0]
    assert bare.system_ram == inclusive((0x100000, 0x7FFDFFFF))
    assert "without root" in refusal(variant("unprivileged read"), WrongKind)
    epyc = parse(variant("Lendacky"))
    assert [region.depth for region in epyc.regions] == [0, 1, 1, 1]
    assert epyc.regions[2].span == Span(0x1E47677D5, 0x1E4E2E0C0)
    laptop = parse(variant("Weiser"))
    assert [region.depth for region in laptop.regions] == [0, 1, 0, 0, 0]
    kmem = parse(variant("Hildenbrand"))
    assert [region.depth for region in kmem.regions] == [0, 1, 1, 2]
    assert kmem.system_ram == inclusive((0x150000000, 0x33FFFFFFF))
    einj = parse(variant("EINJ"))
    assert [region.depth for region in einj.regions] == [0, 0, 0]
    assert einj.system_ram == SpanSet([einj.crash_kernel[0].span])
    hole = parse(variant("HT hole"))
    assert hole.regions[0].span == Span(0xFD00000000, 0x10000000000)
    # The machines of the CXL threads are pasted below each other.
    assert "more than one dump" in refusal(variant("CXL"))


CXL = {
    "window first": ([0, 4], [(0x850000000, 0x284FFFFFFF)]),
    "soft reserved first": ([4, 8], [(0xA90000000, 0xB8FFFFFFF)]),
    "not online": ([8, 10], []),
    "above 7 TB": ([10, 13], [(0x68E80000000, 0x70E7FFFFFFF)]),
    "hmem": ([13, 16], []),
}


@pytest.mark.parametrize("case", CXL)
def test_cxl_memory_counts_where_it_is_online(case: str) -> None:
    (first, behind), ram = CXL[case]
    memory = parse("\n".join(variant("CXL").splitlines()[first:behind]))
    assert [region.depth for region in memory.regions] == list(range(behind - first))
    assert memory.system_ram == inclusive(*ram)


# Mails.


def paragraphs(name: str, separator: str) -> list[str]:
    """Return the parts of a mail that hold resources."""
    parts = re.split(separator, text_of(name))
    return [part for part in parts if re.search(r"(?m)^\s*[0-9a-f]{8,}-[0-9a-f]+ :", part)]


def test_the_two_machines_of_lendacky() -> None:
    message = 'f:8: more than one dump: "Kernel code" is on line 3 and on line 8'
    assert refusal(text_of("mail-lendacky.txt")) == message
    without, active = map(parse, paragraphs("mail-lendacky.txt", r"\n\n"))
    for memory, start in ((without, 0x1E4000000), (active, 0x8CF000000)):
        assert [region.depth for region in memory.regions] == [0, 1, 1, 1]
        assert memory.regions[1].name == "Kernel code"
        assert memory.regions[1].span == Span.sized(start, 0x7677D5)
        assert not memory.complete


def test_the_states_of_hildenbrand() -> None:
    assert refusal(text_of("mail-hildenbrand.txt")) == (
        "f:8: more than one dump: line 8 (0x140000000-0x33fffffff) "
        "lies below line 5 (0x3280000000-0x32ffffffff)"
    )
    states = [parse("\t..." + part) for part in paragraphs("mail-hildenbrand.txt", r"\t\.\.\.")]
    assert not any(state.complete for state in states)
    assert [state.system_ram.size for state in states] == [
        *(0, 0, 0x1F0000000, 0x1F0000000, 0, 0x1F0000000, 0)
    ]
    assert tree(states[3]) == [
        ("Persistent Memory", Span(0x140000000, 0x340000000), 0),
        ("namespace0.0", Span(0x140000000, 0x148200000), 1),
        ("dax0.0", Span(0x150000000, 0x340000000), 1),
        ("System RAM (kmem)", Span(0x150000000, 0x340000000), 2),
        ("PCI Bus 0000:00", Span(0x3280000000, 0x3300000000), 0),
    ]


def test_the_dumps_of_weiser() -> None:
    name = "mail-weiser-four-dumps.txt"
    assert refusal(text_of(name)) == (
        "f:38: more than one dump: line 38 (0x0-0xfff) lies below line 35 (0x799f2000-0x79aa6fff)"
    )
    plain, split, runtime, children = map(parse, paragraphs(name, r"\n\n"))
    low, top = (0x1000, 0x9EFFF), (0x74DD3000, 0x763F5FFF)
    assert plain.system_ram == inclusive(low, (0x100000, 0x763F5FFF))
    assert split.system_ram == inclusive(low, (0x100000, 0x74DD1FFF), top)
    # What is "EFI runtime" inside "System RAM" is no RAM, however it is spelt.
    assert runtime.system_ram == split.system_ram
    assert children.system_ram == split.system_ram | inclusive((0x7A40E000, 0x7A40EFFF))
    assert {region.name for region in split.regions if region.depth == 0} == {
        *("Reserved", "System RAM", "ACPI Tables", "ACPI Non-volatile Storage")
    }
    assert [region.depth for region in children.regions][-5:] == [1, 0, 1, 1, 0]


def test_one_dump_in_a_long_mail() -> None:
    memory = read_iomem(str(DATA / "mail-weiser-one-dump.txt"))
    assert (memory.regions[0].line, memory.regions[-1].line) == (230, 352)
    assert max(region.depth for region in memory.regions) == 5
    assert memory.first("xhci-hcd") == Region("xhci-hcd", Span(0x97F00000, 0x97F10000), 5, 260)
    # The "..." before it are of the kernel log: "... version:                4".
    assert memory.complete


def test_kexec_repeats_the_dump() -> None:
    memory = read_iomem(str(DATA / "kexec-d-1g.txt"))
    ranges = re.findall(r"(?m)^(\w+)-(\w+) \(0\)$", text_of("kexec-d-1g.txt"))
    assert memory.system_ram == inclusive(*((int(a, 16), int(b, 16)) for a, b in ranges))
    kernel = memory.first("Kernel code")
    assert kernel is not None
    assert kernel.depth == 1
    assert not any(region.name.isdecimal() for region in memory.regions)
    assert memory.ignored_lines[:3] == (1, 3, 5)


# Two dumps.


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (SMALL, "f:7: more than one dump: line 7 (0x0-0xfff) lies below line 6 "),
        ("00100000-1ffdffff : x\n", "f:7: more than one dump: line 7 (0x100000-0x1ffdffff) lies"),
        (
            "7fff0000-8fffffff : x\n",
            "f:7: more than one dump: line 7 (0x7fff0000-0x8fffffff) overlaps line 6 ",
        ),
        (
            "7ffe0000-8fffffff : x\n",
            "f:7: more than one dump: line 7 (0x7ffe0000-0x8fffffff) overlaps line 6 ",
        ),
        (
            "7ffe0000-7fffffff : reserved\n",
            "f:7: more than one dump: line 7 (0x7ffe0000-0x7fffffff) is not indented, "
            "but lies inside line 6 (0x7ffe0000-0x7fffffff)",
        ),
        (
            "880000000-c7ff7ffff : System RAM\n  8cf000000-8cf7677d4 : Kernel code\n",
            'f:8: more than one dump: "Kernel code" is on line 4 and on line 8',
        ),
    ],
)
@pytest.mark.parametrize("between", ["", "After the change:\n", "\n...\n"])
def test_two_dumps_are_never_merged(second: str, message: str, between: str) -> None:
    lines = between.count("\n")
    message = re.sub(r"\b([78])\b", lambda m: str(int(m[1]) + lines), message)
    assert refusal(SMALL + between + second).startswith(message)


def test_states_inside_one_region_are_told_apart() -> None:
    first = "00100000-7ffdffff : System RAM\n  6f000000-7effffff : Crash kernel\n"
    assert "line 3 (0x100000-0x7ffdffff) lies below line 2" in refusal(first + first)
    assert "line 3 (0x6e000000-0x7dffffff) lies below line 2" in refusal(
        first + "  6e000000-7dffffff : Crash kernel\n"
    )


def test_the_line_at_the_top_is_named_not_one_whose_indentation_is_lost() -> None:
    text = (
        "00000000-ffffffff : PCI Bus\n"
        "  00001000-0fffffff : a\n  00002000-00002fff : lost\n"
        "80000000-8fffffff : b\n  80001000-80001fff : c\n  80001000-80001fff : lost\n"
    )
    assert "line 4 (0x80000000-0x8fffffff) is not indented, but lies" in refusal(text)
    assert parse(text.replace("\n8000", "\n  8000")).regions[2].depth == 2


# Broken dumps.


@pytest.mark.parametrize(
    "row",
    [
        "001000-",
        "  00100000-",
        "> 00100000-7ffdffff",
        "00100000-7ffdffff\r",
        "00100000-7ffdffff :",
        "00100000-7ffdffff : \t",
        "00100000-7ffdffff System RAM",
        "00100000-7ffdffxx : System RAM",
        "00100000- : System RAM",
        "00100000 - 7ffdffff : System RAM",
        "0x00100000-0x7ffdffff : System RAM",
    ],
)
@pytest.mark.parametrize("behind", ["\n", "\n" + SMALL, ""])
def test_broken_resources_are_refused(row: str, behind: str) -> None:
    message = 'f:3: is not a complete resource, "start-end : name"'
    assert refusal(f"Hello,\n00000000-00000fff : Reserved\n{row}{behind}") == message


@pytest.mark.parametrize("marks", ["+", "-  ", "| ", "12:", "  12\t", "* ", "[    0.000000] "])
def test_marks_do_not_hide_a_resource(marks: str) -> None:
    text = SMALL.replace("  6f000000", marks + "  6f000000")
    assert refusal(text).startswith("f:5: ")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("7ffdffff-00100000 : System RAM", "ends before it starts"),
        ("00100000-000fffff : System RAM", "ends before it starts"),
        ("00100000-10000000000000000 : x", "has an address of more than 64 bits"),
        (f"{'f' * 40}-{'f' * 41} : x", "has an address of more than 64 bits"),
    ],
)
def test_impossible_ranges_are_refused(row: str, message: str) -> None:
    assert refusal(f"00000000-00000fff : Reserved\n{row}\n") == f"f:2: {message}"


def test_siblings_do_not_overlap() -> None:
    text = SMALL.replace("  6f000000", "  01e01d31")
    assert parse(SMALL.replace("  6f000000", "  01e01d32"))
    assert refusal(text) == (
        "f:5: line 5 (0x1e01d31-0x7effffff) overlaps line 4 (0x1000000-0x1e01d31): "
        "neither holds the other"
    )


def test_a_child_lies_inside_what_it_is_indented_under() -> None:
    text = SMALL.replace("7ffe0000-", "  7ffe0000-")
    assert parse(text)
    assert refusal(text.replace("  7ffe0000-", "    7ffe0000-")) == (
        "f:6: is indented under line 5, but does not lie inside it"
    )
    filtered = "".join(row for row in SMALL.splitlines(True) if "System RAM" not in row)
    assert refusal(filtered) == "f:2: is indented under line 1, but does not lie inside it"


def test_a_child_may_be_indented_twice_under_an_older_line() -> None:
    text = "00100000-7ffdffff : a\n  00100000-001fffff : b\n    00200000-002fffff : c\n"
    assert [region.depth for region in parse(text).regions] == [0, 1, 1]


def test_a_dump_that_is_cut_off_anywhere() -> None:
    whole = parse(SMALL).regions
    lines = SMALL.splitlines(True)
    for length in range(1, len(SMALL)):
        text = SMALL[:length]
        row = text.count("\n")
        rest = text[sum(map(len, lines[:row])) :]
        if re.fullmatch(r" *", rest):
            assert parse(text).regions == whole[:row]
        elif rest.rstrip("\n") == lines[row].rstrip("\n"):
            assert parse(text).regions == whole[: row + 1]
        elif row:
            assert refusal(text).startswith(f"f:{row + 1}: ")
        else:
            with pytest.raises(InputError):
                parse(text)


def test_indentation_is_measured_against_all_that_hold_a_line() -> None:
    text = (
        "00100000-7ffdffff : a\n      01000000-6fffffff : b\n"
        "  01000000-01ffffff : c\n    02000000-02ffffff : d\n"
    )
    assert [region.depth for region in parse(text).regions] == [0, 1, 2, 2]


def test_tabs_reach_to_the_next_stop() -> None:
    assert parse("  00000000-7fffffff : a\n\t01000000-01ffffff : b\n").complete


# Other texts and files.


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        (" \n\t\r\n", "is empty"),
        ("Hello\n", 'is not a dump of /proc/iomem: no line of it reads "start-end : name"'),
        (
            "[    0.000000] BIOS-e820: [mem 0x0000000000000000-0x000000000009efff] usable\n",
            "is a kernel log with a firmware map (e820), not a dump of /proc/iomem: "
            "--dmesg takes it",
        ),
        (
            "ffffffff81000000 T _text\nffffffff81000000 T _stext\n",
            "is a System.map or /proc/kallsyms, not a dump of /proc/iomem",
        ),
        ("nr_segments = 4\n", "is output of kexec -d, not a dump of /proc/iomem"),
        ("segment[0].buf   = 0x5\n", "is output of kexec -d, not a dump of /proc/iomem"),
        ("# c\n\n_text: 0x1\n", "looks like YAML or JSON, not like a dump of /proc/iomem"),
        ('{"a": 1}', "looks like YAML or JSON, not like a dump of /proc/iomem"),
        (
            "0000-0cf7 : PCI Bus 0000:00\n  0000-001f : dma1\n0cf8-0cff : PCI conf1\n",
            "is a dump of /proc/ioports, not of /proc/iomem",
        ),
    ],
)
def test_other_texts_are_named(text: str, message: str) -> None:
    assert refusal(text, WrongKind) == f"f: {message}"


def test_kexec_that_read_sysfs_is_named() -> None:
    message = "f: is output of kexec -d, not a dump of /proc/iomem"
    assert refusal(text_of("kexec-d-sysfs.txt"), WrongKind) == message


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x7fELF\2\1\1" + bytes(60), "is an ELF file"),
        (gzip.compress(SMALL.encode()), "is a gzip file"),
        (bytes(0x202) + b"HdrS" + bytes(60), "is a bzImage (vmlinuz)"),
    ],
)
def test_binaries_are_named(tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "iomem.txt"
    path.write_bytes(data)
    with pytest.raises(WrongKind) as caught:
        read_iomem(str(path))
    assert caught.value.message.startswith(message)
    assert caught.value.where == str(path)
    assert "sudo cat /proc/iomem" in caught.value.help_text


@pytest.mark.parametrize("data", [b"", b"\n", SMALL.encode("utf-16"), b"a\0b"])
def test_unreadable_files_are_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "iomem.txt"
    path.write_bytes(data)
    with pytest.raises(UnreadableInput):
        read_iomem(str(path))


class Failing(io.RawIOBase):
    """A file of a disk that is broken."""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        raise OSError(errno.EIO, "Input/output error")


def test_a_file_that_the_system_cannot_read_is_refused() -> None:
    source = NamedStream("iomem.txt", lambda: io.BufferedReader(Failing()))
    with pytest.raises(UnreadableInput) as caught:
        read_iomem(source)
    assert (caught.value.message, caught.value.where) == ("input/output error", "iomem.txt")


# What is memory.


@pytest.mark.parametrize(
    "name",
    [
        *("Reserved", "reserved", "ACPI Tables", "ACPI Non-volatile Storage", "Unusable memory"),
        *("Unknown E820 type", "Soft Reserved", "Persistent Memory", "Persistent Memory (legacy)"),
        *("EFI runtime", "EFI Runtime", "GART"),
    ],
)
def test_what_firmware_claims_is_no_free_ram(name: str) -> None:
    ram = Region("System RAM", Span(0x1000, 0x9000), 0, 1)
    claimed = Region(name, Span(0x3000, 0x5000), 1, 2)
    again = Region("System RAM (kmem)", Span(0x4000, 0x5000), 2, 3)
    assert usable_ram([ram, claimed]) == SpanSet([Span(0x1000, 0x3000), Span(0x5000, 0x9000)])
    assert usable_ram([ram, claimed, again]) == SpanSet(
        [Span(0x1000, 0x3000), Span(0x4000, 0x9000)]
    )
    assert usable_ram([claimed, again]) == SpanSet([again.span])


@pytest.mark.parametrize(
    "name", ["Kernel code", "Crash kernel", "dax0.0", "iTCO_wdt", "RAM buffer"]
)
def test_other_names_leave_memory_what_it_is(name: str) -> None:
    ram = Region("System RAM", Span(0x1000, 0x9000), 0, 1)
    inside = Region(name, Span(0x3000, 0x5000), 1, 2)
    assert usable_ram([ram, inside]) == SpanSet([ram.span])
    assert usable_ram([inside]) == SpanSet()
    assert usable_ram([]) == SpanSet()


# Properties.

PAGE = 0x1000
PAGES = Span(0, 64)
NAMES = st.sampled_from(
    [
        *("System RAM", "System RAM (kmem)", "System RAM (virtio_mem)", "Reserved", "reserved"),
        *("ACPI Tables", "Soft Reserved", "Persistent Memory", "Unknown E820 type", "EFI runtime"),
        *("CXL Window 0", "dax0.0", "namespace0.0", "Crash kernel", "PCI Bus 0000:00", "GART"),
    ]
)
RAM = {"System RAM", "System RAM (kmem)", "System RAM (virtio_mem)"}
NEUTRAL = {"CXL Window 0", "dax0.0", "namespace0.0", "Crash kernel", "PCI Bus 0000:00"}


@st.composite
def forests(draw: st.DrawFn, pages: Span, depth: int = 0) -> list[Region]:
    """Draw resources as the kernel could print them, from some pages."""
    cuts = sorted(draw(st.sets(st.integers(pages.start, pages.end), max_size=6)))
    regions: list[Region] = []
    for start, end in pairwise(cuts):
        if draw(st.booleans()):
            span = Span(start * PAGE, end * PAGE)
            regions.append(Region(draw(NAMES), span, depth, 0))
            if depth < 7:
                regions += draw(forests(Span(start, end), depth + 1))
    return regions


def printed(regions: list[Region]) -> str:
    """Print resources as r_show() in kernel/resource.c does."""
    return "".join(
        f"{'  ' * min(region.depth, 5)}{region.span.start:08x}-{region.span.end - 1:08x}"
        f" : {region.name}\n"
        for region in regions
    )


@given(
    regions=forests(PAGES).filter(bool),
    flat=st.booleans(),
    quote=st.sampled_from(["", "> ", ">> ", "> > ", "\t", "    "]),
    newline=st.sampled_from(["\n", "\r\n", "\n\n"]),
)
def test_what_is_printed_is_read_back(
    regions: list[Region], flat: bool, quote: str, newline: str
) -> None:
    rows = [row.lstrip() if flat else row for row in printed(regions).splitlines()]
    memory = parse("".join(f"{quote}{row}{newline}" for row in rows))
    # A row like the one before is a copy. The kernel indents no more than five levels.
    if all(one != other for one, other in pairwise(rows)):
        assert tree(memory) == [(r.name, r.span, r.depth) for r in regions]
    assert memory.complete == (regions[0].span.start == 0)
    assert memory.system_ram == usable_ram(regions)


@given(forests(PAGES))
def test_ram_agrees_with_a_look_at_every_page(regions: list[Region]) -> None:
    ram = usable_ram(regions)
    assert all(span.start % PAGE == span.end % PAGE == 0 for span in ram)
    pages = {page for span in ram for page in span.frames(PAGE)}
    for page in range(PAGES.start, PAGES.end):
        around = [region for region in regions if page * PAGE in region.span]
        telling = [one.name for one in around if one.name not in NEUTRAL or is_alone(one)]
        # The innermost of them is the last.
        assert (page in pages) == (bool(telling) and telling[-1] in {*RAM, "Crash kernel"})


def is_alone(region: Region) -> bool:
    """A grep shows the reservation without the RAM that it was taken from."""
    return region.name == "Crash kernel" and region.depth == 0


WORDS = st.sampled_from(
    [
        *("00000000", "00001000", "0009efff", "7ffdffff", "fff", "-", " : ", ":", " ", "  ", "\t"),
        *(
            "System RAM",
            "Kernel code",
            "Reserved",
            ">",
            "> ",
            "...",
            "\n",
            "\r\n",
            "0x",
            "#",
            "\x1b",
        ),
    ]
)


@given(st.lists(WORDS, max_size=40).map("".join) | st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        memory = parse(text)
    except InputError:
        return
    assert memory.regions
    starts = [region.span.start for region in memory.regions]
    assert starts == sorted(starts)


# Hostile sizes.


LARGE: dict[str, Callable[[], str]] = {
    "nested": lambda: "".join(
        f"{i:08x}-{(1 << 40) - i:x} : {('a', 'System RAM')[i % 2]}\n" for i in range(50_000)
    ),
    "equal": lambda: "00000000-7fffffff : System RAM\n00000000-7fffffff : a\n" * 25_000,
    "siblings": lambda: "".join(
        f"{i << 13:08x}-{(i << 13) + 4095:08x} : System RAM\n" for i in range(50_000)
    ),
    "indented": lambda: "".join(f"{' ' * i}{i:08x}-7fffffff : System RAM\n" for i in range(3000)),
}
"""What takes minutes where every line is held against every other."""


@pytest.mark.parametrize("name", LARGE)
def test_large_dumps_take_time_in_proportion(name: str) -> None:
    text = LARGE[name]()
    begun = time.process_time()
    assert len(parse(text).regions) == text.count("\n")
    assert time.process_time() - begun < SECONDS


@pytest.mark.parametrize(
    ("first", "repeated", "last"),
    [
        *(("", ">", ""), ("", "> ", ""), ("", "1", ""), ("1-", "1", ""), ("", " ", "x")),
        *(("0-1", " ", ""), ("", ".", ""), ("", "snip", "x"), ("", "00000000-", "")),
        *(("", "x\n", ""), ("", "a: ", ""), ("", "# \n", "")),
    ],
)
def test_long_lines_take_time_in_proportion(first: str, repeated: str, last: str) -> None:
    # A million characters, which a pattern that looks at each from each other takes hours for.
    text = first + repeated * ((1 << 20) // len(repeated)) + last
    begun = time.process_time()
    with pytest.raises(InputError):
        parse(text)
    assert time.process_time() - begun < SECONDS
