"""Which boot it is, where the kernel ends up in it, and with what it is started."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recorded import kernel, segment_list

from smecheck.analysis import analyze
from smecheck.answer import Report
from smecheck.asked import BootRequest, GivenInitrd, Paging, Path, Switch, asked_by_options
from smecheck.boot.boot import Boot, SmeState
from smecheck.case import Case
from smecheck.evidence import Known, Unknown, value_of
from smecheck.kernel.cmdline import has_word, last_value
from smecheck.kernel.five_levels import has_five_levels
from smecheck.kernel.image import KernelImage, LoadSegment, SetupHeader
from smecheck.load.segments import Mode, Segment, SegmentList, SegmentOrigin, SegmentRole
from smecheck.machine.memory import MemoryMap
from smecheck.read.machine.iomem import parse_iomem
from smecheck.record import replace
from smecheck.span import Span
from smecheck.workarea.proven import Way

OLD, NEW = kernel("5.0-old"), kernel("6.12.117+deb12-amd64")
MIB = 1 << 20


def loaded(start: int = 0x10000000, **others: Span) -> SegmentList:
    return segment_list(kernel=Span.sized(start, 0xD41000), **others)


def answer(
    request: BootRequest | None = None,
    segments: SegmentList | None = None,
    memory: MemoryMap | None = None,
    image: KernelImage = OLD,
) -> Report:
    return analyze(Case(image, request or BootRequest(), segments, memory))


def boot(*args: Any, **kwargs: Any) -> Boot:
    return answer(*args, **kwargs).boot


def header(**fields: int | bool) -> KernelImage:
    known = {name: Known(value, "a test") for name, value in fields.items()}
    return replace(OLD, header=replace(OLD.header, **known))


def machine(*lines: str) -> MemoryMap:
    ram = ["00000000-00000fff : Reserved", "00001000-7fffffff : System RAM"]
    return parse_iomem("\n".join([*ram, *lines, ""]), "iomem")


# Where the decompressor unpacks to: arch/x86/boot/compressed/head_64.S.


@pytest.mark.parametrize(
    ("load", "alignment", "pref", "base"),
    [
        (0x1000000, 2 * MIB, 0x1000000, 0x1000000),
        (0x1000001, 2 * MIB, 0x1000000, 0x1200000),
        (0x1000000 - 1, 2 * MIB, 0x1000000, 0x1000000),
        (0x100000, 2 * MIB, 0x1000000, 0x1000000),
        (0x7F200000, 2 * MIB, 0x1000000, 0x7F200000),
        (0x7F200000, 16 * MIB, 0x1000000, 0x80000000),
        (0x7F000000, 16 * MIB, 0x1000000, 0x7F000000),
        (0x1200000, 2 * MIB, 0x4000000, 0x4000000),
        (0x27C000000, 2 * MIB, 0x1000000, 0x27C000000),
    ],
)
def test_landing(load: int, alignment: int, pref: int, base: int) -> None:
    image = header(kernel_alignment=alignment, pref_address=pref)
    found = boot(BootRequest(kaslr=Switch.OFF), loaded(load), image=image)
    assert value_of(found.load_address) == load
    assert value_of(found.kernel_base) == base
    assert found.base_is_certain


@given(st.integers(0, 1 << 40), st.sampled_from([2 * MIB, 4 * MIB, 8 * MIB, 16 * MIB]))
def test_landing_is_the_lowest_place_that_is_allowed(load: int, alignment: int) -> None:
    image = header(kernel_alignment=alignment)
    base = value_of(boot(BootRequest(kaslr=Switch.OFF), loaded(load), image=image).kernel_base)
    assert base is not None
    assert base % alignment == 0
    assert base >= max(load, 0x1000000)
    assert base - alignment < max(load, 0x1000000)


def test_a_kernel_that_is_not_relocatable_stays_where_it_was_linked() -> None:
    found = boot(asked_by_options(cmdline=""), loaded(0x7F200000), image=header(relocatable=False))
    assert value_of(found.kernel_base) == 0x1000000
    assert value_of(found.kaslr) is False
    assert found.base_is_certain
    config = replace(
        OLD, header=SetupHeader(), config={"CONFIG_RELOCATABLE": "n", "CONFIG_RANDOMIZE_BASE": "y"}
    )
    found = boot(asked_by_options(cmdline=""), loaded(0x7F200000), image=config)
    assert value_of(found.kernel_base) == 0x1000000


def test_rules_without_a_header() -> None:
    bare = replace(OLD, header=SetupHeader())
    report = answer(BootRequest(kaslr=Switch.OFF), loaded(0x10100000), image=bare)
    assert value_of(report.boot.kernel_base) == 0x10200000
    assert any("kernel_alignment is 2 MiB" in text for text in report.assumptions)
    assert any("is relocatable" in text for text in report.assumptions)
    config = replace(bare, config={"CONFIG_PHYSICAL_ALIGN": "0x1000000"})
    report = answer(BootRequest(kaslr=Switch.OFF), loaded(0x10100000), image=config)
    assert value_of(report.boot.kernel_base) == 0x11000000
    assert not any("kernel_alignment" in text for text in report.assumptions)


def test_a_place_that_is_stated_wins() -> None:
    found = boot(asked_by_options(load_address=0x20000000, cmdline=""), loaded())
    assert found.kernel_base == Known(0x20000000, "--load-address")
    assert found.base_is_certain
    assert value_of(found.load_address) == 0x10000000


# kexec -l vmlinux: domain/kexec.md A8, a real load of a 6.12 kernel.

PARTS = [
    (0xFFFFFFFF81000000, 0x1000000, 0x1B705F8, "RE"),
    (0xFFFFFFFF82C00000, 0x2C00000, 0x6FF000, "RW"),
    (0, 0x32FF000, 0x39000, "RW"),
    (0xFFFFFFFF83338000, 0x3338000, 0xEC8000, "RWE"),
]
VMLINUX = replace(
    NEW,
    header=SetupHeader(),
    loads=tuple(LoadSegment(v, p, size, size, flags) for v, p, size, flags in PARTS),
)
OTHERS = {
    SegmentRole.PURGATORY: Span.sized(0x1000, 0x9000),
    SegmentRole.BOOT_PARAMS: Span.sized(0xA000, 0x2000),
    SegmentRole.RNG_SEED: Span.sized(0x100000, 0x1000),
    SegmentRole.INITRD: Span.sized(0x37600000, 0xA00000),
}


def elf_load(role: SegmentRole) -> SegmentList:
    spans = [(role, Span.sized(part, -(-size // 4096) * 4096)) for _, part, size, _ in PARTS]
    segments = [
        Segment(role, span, None, SegmentOrigin.LOG, "a test")
        for role, span in (*spans, *OTHERS.items())
    ]
    empty = segment_list()
    return replace(empty, segments=tuple(sorted(segments, key=lambda segment: segment.span)))


@pytest.mark.parametrize("role", [SegmentRole.KERNEL, SegmentRole.OTHER])
def test_vmlinux_runs_where_it_is_linked(role: SegmentRole) -> None:
    report = answer(asked_by_options(cmdline="quiet"), elf_load(role), machine(), VMLINUX)
    assert report.boot.kernel_base == Known(0x1000000, "a test: kernel segment, no decompressor")
    assert value_of(report.boot.kaslr) is False
    assert report.boot.base_is_certain
    assert report.proof is not None
    assert [path.path for path in report.proof.paths if path.taken] == [Way.ELF]
    assert report.proof.holds
    assert report.actual is not None
    assert report.actual.extents is not None
    assert report.actual.extents.mapped == Span(0x3E00000, 0x4200000)
    assert not report.findings


def test_one_segment_is_no_vmlinux() -> None:
    found = boot(asked_by_options(cmdline="quiet"), loaded(0x1000000), image=VMLINUX)
    assert value_of(found.kaslr) is True


# KASLR, SME and paging of the kernel that is booted.


@pytest.mark.parametrize(
    ("cmdline", "found"),
    [
        ("nokaslr", True),
        ("quiet nokaslr root=/dev/sda1", True),
        ("quiet\tnokaslr", True),
        ("nokaslr=1", False),
        ("nokaslrx", False),
        ("xnokaslr", False),
        ("no kaslr", False),
        ("foo=nokaslr", False),
        ("", False),
    ],
)
def test_nokaslr_is_a_whole_word(cmdline: str, found: bool) -> None:
    assert has_word(cmdline, "nokaslr") is found
    assert value_of(boot(asked_by_options(cmdline=cmdline), loaded()).kaslr) is not found


def test_what_tells_whether_kaslr_is_on() -> None:
    off = replace(OLD, config={"CONFIG_RANDOMIZE_BASE": "n"})
    assert value_of(boot(asked_by_options(cmdline=""), loaded(), image=off).kaslr) is False
    on = asked_by_options(cmdline="nokaslr", kaslr=Switch.ON)
    assert value_of(boot(on, loaded(), image=off).kaslr) is True
    assert isinstance(boot(BootRequest(), loaded()).kaslr, Unknown)
    of_load = replace(loaded(), cmdline=Known("nokaslr", "log:4"))
    assert value_of(boot(BootRequest(), of_load).kaslr) is False
    assert value_of(boot(asked_by_options(cmdline="quiet"), of_load).kaslr) is True


@pytest.mark.parametrize(
    ("cmdline", "value", "state"),
    [
        ("mem_encrypt=off", "off", SmeState.INACTIVE),
        ("mem_encrypt=on mem_encrypt=off", "off", SmeState.INACTIVE),
        ("mem_encrypt=off mem_encrypt=on", "on", SmeState.UNKNOWN),
        ("mem_encrypt=off mem_encrypt=", "", SmeState.UNKNOWN),
        ("mem_encrypt=offx", "offx", SmeState.UNKNOWN),
        ("xmem_encrypt=off", None, SmeState.UNKNOWN),
        ("mem_encrypt", None, SmeState.UNKNOWN),
        ("", None, SmeState.UNKNOWN),
    ],
)
def test_last_mem_encrypt_counts(cmdline: str, value: str | None, state: SmeState) -> None:
    assert last_value(cmdline, "mem_encrypt") == value
    assert boot(asked_by_options(cmdline=cmdline)).sme is state
    assert boot(asked_by_options(cmdline=cmdline, sme=Switch.ON)).sme is SmeState.ACTIVE
    assert boot(asked_by_options(cmdline=cmdline, sme=Switch.OFF)).sme is SmeState.INACTIVE


def test_what_tells_the_paging() -> None:
    assert isinstance(boot(image=NEW).paging, Unknown)
    assert value_of(boot(asked_by_options(cmdline="no5lvl"), image=NEW).paging) == 4
    assert isinstance(boot(asked_by_options(cmdline="no5lvl=1"), image=NEW).paging, Unknown)
    four = replace(NEW, header=SetupHeader(), config={"CONFIG_X86_5LEVEL": "n"})
    assert value_of(boot(image=four).paging) == 4
    five = asked_by_options(cmdline="no5lvl", paging=Paging.FIVE)
    assert value_of(boot(five, image=NEW).paging) == 5
    assert value_of(boot(five, image=four).paging) == 4
    assert any("not 5 as requested" in text for text in boot(five, image=four).assumptions)
    report = answer(image=OLD)
    assert value_of(report.boot.paging) == 4
    assert any("4-level paging at entry" in text for text in report.assumptions)


@pytest.mark.parametrize(
    ("name", "levels"),
    [("5.10.0-32-cloud-amd64", 4), ("6.1.0-56-amd64", None), ("7.3.4+deb13-amd64", None)],
)
def test_the_header_tells_the_paging_of_a_kernel_that_was_built_for_four_levels(
    name: str, levels: int | None
) -> None:
    found = boot(image=kernel(name)).paging
    assert value_of(found) == levels
    if isinstance(found, Known):
        assert found.origin == "XLF_5LEVEL_ENABLED is clear in xloadflags 0x3f of the header"


def test_a_header_before_v5_2_does_not_tell_the_paging() -> None:
    assert NEW.header.other["xloadflags"] & 0x60 == 0x60
    silent = replace(NEW, header=replace(NEW.header, other={"xloadflags": 0x3}))
    assert isinstance(has_five_levels(silent), Unknown)
    assert has_five_levels(replace(silent, config={"CONFIG_X86_5LEVEL": "y"})) == Known(
        True, "CONFIG_X86_5LEVEL=y"
    )


# Which boot is asked about, and its initrd.

CRASH_KERNEL = machine("  10000000-1fffffff : Crash kernel")


def test_path() -> None:
    assert boot().path is Path.KEXEC
    assert boot(memory=machine()).path is Path.FIRST_BOOT
    assert boot(asked_by_options(mode=Mode.CRASH)).path is Path.KDUMP
    assert boot(asked_by_options(mode=Mode.LOAD), loaded(), CRASH_KERNEL).path is Path.KEXEC
    assert boot(None, loaded(), CRASH_KERNEL).path is Path.KDUMP
    assert boot(None, loaded(0x20000000), CRASH_KERNEL).path is Path.KEXEC
    of_load = replace(loaded(), mode=Known(Mode.CRASH, "log:9"))
    assert boot(None, of_load).path is Path.KDUMP
    assert boot(BootRequest(path=Path.FIRST_BOOT), of_load).path is Path.FIRST_BOOT
    assert any("this is kdump" in text for text in answer(None, loaded(), CRASH_KERNEL).assumptions)
    assert any("the running kernel's" in text for text in answer(memory=machine()).assumptions)


def test_initrd() -> None:
    place = Span.sized(0x20000000, 0x3000)
    segments = loaded(initrd=place)
    whole = boot(None, segments).initrd
    assert (whole.span, whole.size) == (place, 0x3000)
    initrd = replace(segments.of(SegmentRole.INITRD)[0], buffer_size=0x2345)
    exact = replace(segments, segments=(segments.segments[0], initrd))
    assert boot(asked_by_options(initrd=GivenInitrd(7)), exact).initrd.span == Span.sized(
        0x20000000, 0x2345
    )
    assert boot(asked_by_options(initrd=GivenInitrd(7)), loaded()).initrd.size == 7
    assert boot(None, loaded()).initrd.size == 0
    unnamed = answer(None, loaded(other=place))
    assert (unnamed.boot.initrd.span, unnamed.boot.initrd.size) == (None, 0x3000)
    assert any("may be the initrd" in text for text in unnamed.assumptions)
    assert any("no initrd (--initrd" in text for text in answer().assumptions)


# The running kernel of a map: setup_arch() inserts Kernel code at _text, Kernel bss at __bss_start.

CODE = "  01000000-01500000 : Kernel code"


@pytest.mark.parametrize(
    ("lines", "base", "says"),
    [
        ([CODE, "  018d7000-019fffff : Kernel bss"], 0x1000000, "Kernel bss fits this kernel"),
        ([CODE, "  018d8000-019fffff : Kernel bss"], None, "another kernel runs there"),
        ([CODE], 0x1000000, "not verified to be this kernel"),
        ([], None, "has no line Kernel code"),
    ],
)
def test_running_kernel(lines: list[str], base: int | None, says: str) -> None:
    for image in (OLD, replace(OLD, symbols={"_text": OLD.symbols["_text"]})):
        found = boot(memory=machine(*lines), image=image).kernel_base
        assert value_of(found) == base
        assert says in (found.origin if isinstance(found, Known) else found.reason)
