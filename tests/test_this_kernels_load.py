"""Whether a load, and the place that the user gives, can be of the kernel in hand at all."""

from __future__ import annotations

import pytest
from recorded import kernel

from smecheck.analysis import analyze
from smecheck.answer import Report, Verdict
from smecheck.asked import BootRequest, Path, Switch, asked_by_options
from smecheck.case import Case
from smecheck.checks.tolerance import Tolerance, exit_status
from smecheck.evidence import Known, Unknown
from smecheck.kernel.constants import PAGE_SIZE
from smecheck.kernel.image import KernelImage, SetupHeader
from smecheck.load.segments import Loader, Segment, SegmentList, SegmentOrigin, SegmentRole
from smecheck.read.load.segments import read_segments
from smecheck.read.machine.iomem import parse_iomem
from smecheck.read.source import NamedStream
from smecheck.record import replace
from smecheck.span import Span, align_up

OLD, NEW = kernel("5.0-old"), kernel("6.1.0-56-amd64")
NO_HEADER = replace(OLD, header=SetupHeader())
SIZE = 0xD41000
FAR = (SegmentRole.BOOT_PARAMS, Span.sized(0x98000, 0x2000))
OFF = BootRequest(kaslr=Switch.OFF)
MACHINE = parse_iomem(
    "00000000-00000fff : Reserved\n00001000-0009ffff : System RAM\n"
    "00100000-7ffdffff : System RAM\n",
    "iomem",
)


def loaded(*kernels: Span, origin: SegmentOrigin = SegmentOrigin.DESCRIPTION) -> SegmentList:
    parts = (*((SegmentRole.KERNEL, span) for span in kernels), FAR)
    segments = [Segment(role, span, span.size, origin, f"a test: {role}") for role, span in parts]
    unknown = Unknown("a test")
    ordered = tuple(sorted(segments, key=lambda segment: segment.span))
    return SegmentList("a test", ordered, Known(Loader.KEXEC_LOAD, "a test"), unknown, unknown)


def linked(image: KernelImage) -> list[Span]:
    """Return where kexec -l puts the parts of a vmlinux."""
    return [Span.sized(one.paddr, align_up(one.memsz, PAGE_SIZE)) for one in image.loads]


def answer(
    image: KernelImage, segments: SegmentList | None, request: BootRequest = OFF
) -> tuple[Report, list[str]]:
    report = analyze(Case(image, request, segments, MACHINE))
    return report, [f.message for f in report.findings if f.rule in ("SME022", "SME024")]


def recorded(text: str) -> SegmentList:
    return read_segments(NamedStream.of("a log", text.encode()))


ONE, OTHER = Span.sized(0x10000000, SIZE), Span.sized(0x20000000, SIZE)
PARTS = linked(OLD)
LONGER = [*PARTS[:-1], Span(PARTS[-1].start, PARTS[-1].end + PAGE_SIZE)]


@pytest.mark.parametrize(
    ("image", "kernels", "said"),
    [
        (OLD, [ONE], []),
        (OLD, [ONE, Span.sized(0x20000000, 0x1000000)], ["16 MiB (0x1000000), but for this"]),
        (OLD, [ONE, OTHER], ["2 kernel segments, but a bzImage is one"]),
        (OLD, PARTS, []),
        (NO_HEADER, PARTS, []),
        (OLD, PARTS[:-1], ["the LOAD at 0x1852000, 1.7 MiB (0x1c4000), is not among them"]),
        (OLD, PARTS[:1], ["the LOAD at 0x1800000", "the LOAD at 0x1835000", "the LOAD at 0x1852"]),
        (OLD, LONGER, ["but for this kernel the LOAD there has 1.7 MiB (0x1c4000)"]),
        (OLD, [*PARTS, OTHER], ["", "", "", ""]),
        (replace(NO_HEADER, loads=()), [ONE, OTHER], ["neither the program headers nor the setup"]),
    ],
)
def test_every_kernel_segment_is_this_kernels(
    image: KernelImage, kernels: list[Span], said: list[str]
) -> None:
    report, found = answer(image, loaded(*kernels))
    assert len(found) == len(said)
    assert all(part in message for part, message in zip(said, found, strict=True))
    assert (int(exit_status(report, Tolerance())) == 1) is bool(said) or not said
    assert not (said and report.verdict in (Verdict.CLEAR, Verdict.COLLISION))


LINES = """\
kexec: nr_segments = 3
kexec: segment[0]: buf=0x0000000000000001 bufsz=0x1c6200 mem=0x13f200000 memsz={:#x}
kexec: segment[1]: buf=0x0000000000000002 bufsz=0x3dc0 mem=0x13fff3000 memsz=0x4000
kexec: segment[2]: buf=0x0000000000000003 bufsz=0x70e0 mem=0x13fff7000 memsz=0x9000
kexec: kexec_load: type:0, start:0x13fff7700 head:0x10a4b9002 flags:0x3e0000
"""


@pytest.mark.parametrize("image", [OLD, NEW, NO_HEADER], ids=["old", "new", "no header"])
def test_one_of_the_segments_of_a_log_is_this_kernel(image: KernelImage) -> None:
    header = image.header.init_size
    size = header.value if isinstance(header, Known) else SIZE
    for memsz, is_ours in ((size, True), (size // 2 // PAGE_SIZE * PAGE_SIZE, False)):
        report, found = answer(image, recorded(LINES.format(memsz)))
        assert ("none of the 3 segments" not in "".join(found)) is is_ours
        if not is_ours:
            assert report.verdict is Verdict.UNDECIDED
            assert report.proof is None or not report.proof.holds


NO_SLOT = "that is not one of the"


@pytest.mark.parametrize(
    ("base", "kaslr", "segments", "said"),
    [
        (0x10000000, Switch.OFF, loaded(ONE), ""),
        (0x10200000, Switch.OFF, loaded(ONE), "loaded at 0x10000000, and KASLR is off"),
        (0x200000, Switch.OFF, loaded(ONE), "no kernel runs below LOAD_PHYSICAL_ADDR"),
        (0x200000, Switch.ON, loaded(ONE), "no kernel runs below LOAD_PHYSICAL_ADDR"),
        (0x200000, Switch.AUTO, None, "no kernel runs below LOAD_PHYSICAL_ADDR"),
        (0x1000000, Switch.AUTO, None, ""),
        (0x40000000, Switch.ON, loaded(ONE), ""),
        (0x10000000, Switch.ON, loaded(ONE), NO_SLOT),
        (0x10000000, Switch.AUTO, loaded(ONE), ""),
        (0xF000000, Switch.ON, loaded(ONE), NO_SLOT),
        (0x7F400000, Switch.ON, loaded(ONE), NO_SLOT),
        (0x80000000, Switch.ON, loaded(ONE), NO_SLOT),
        (0x10000000, Switch.OFF, loaded(*PARTS), "a vmlinux, which runs where its LOADs say"),
    ],
)
def test_a_place_that_is_given_is_one_where_the_kernel_can_run(
    base: int, kaslr: Switch, segments: SegmentList | None, said: str
) -> None:
    request = asked_by_options(load_address=base, kaslr=kaslr, cmdline=None)
    report, found = answer(OLD, segments, request)
    assert bool(found) is bool(said)
    assert all(said in message for message in found)
    if said:
        assert report.verdict is Verdict.UNDECIDED
        assert int(exit_status(report, Tolerance())) == 1


def test_a_place_is_a_multiple_of_the_kernels_own_alignment() -> None:
    header = replace(OLD.header, kernel_alignment=Known(16 << 20, "a test"))
    image = replace(OLD, header=header)
    for base, is_one in ((0x10000000, True), (0x10200000, False)):
        _, found = answer(image, None, BootRequest(load_address=base))
        assert found is not is_one
        assert is_one or "not a multiple of kernel_alignment, 16 MiB" in found[0]
    fixed = replace(OLD, header=replace(OLD.header, relocatable=Known(False, "a test")))
    _, found = answer(fixed, None, BootRequest(load_address=0x10000000))
    assert "not relocatable" in found[0]


PLACED = """\
kexec-bzImage64: Loaded purgatory at {purgatory:#x}
kexec-bzImage64: Loaded boot_param, command line and misc at 0x20000000 bufsz=0x1320 memsz=0x2000
kexec-bzImage64: Loaded 64bit kernel at 0x10000000 bufsz=0x1c6200 memsz=0xd41000
kexec-bzImage64: Loaded initrd at {initrd:#x} bufsz=0x1000 memsz=0x1000
kexec-bzImage64: Final command line is: nokaslr mem_encrypt=on
"""


@pytest.mark.parametrize(
    ("purgatory", "initrd", "verdict"),
    [
        (0x10E00000, 0x30000000, Verdict.COLLISION),
        (0x11000000, 0x30000000, Verdict.CLEAR),
        (0x10D41000, 0x30000000, Verdict.COLLISION),
        (0x0FF00000, 0x30000000, Verdict.CLEAR),
        # Above all that is used of the workarea; below it, with nothing between.
        (0x40000000, 0x30000000, Verdict.CLEAR),
    ],
)
def test_an_address_without_a_size_is_its_first_page_at_least(
    purgatory: int, initrd: int, verdict: Verdict
) -> None:
    text = PLACED.format(purgatory=purgatory, initrd=initrd)
    report, _ = answer(OLD, recorded(text), BootRequest())
    assert report.verdict is verdict


def test_a_segment_of_unknown_size_ends_where_the_next_begins_at_the_latest() -> None:
    """Of a kernel that runs away from its segment, what lies below may reach into it."""
    request = BootRequest(path=Path.KEXEC, load_address=0x40000000, kaslr=Switch.ON)
    between = PLACED.format(purgatory=0x3FE00000, initrd=0x3FF00000)
    report, _ = answer(OLD, recorded(between), request)
    assert report.verdict is Verdict.CLEAR
    open_ended = PLACED.format(purgatory=0x3FE00000, initrd=0x30000000)
    report, _ = answer(OLD, recorded(open_ended), request)
    assert report.verdict is Verdict.UNDECIDED
    assert "the size of purgatory at 0x3fe00000 is not known" in report.headline


def test_the_init_size_that_kexec_printed_is_another() -> None:
    """The message names the two that differ, not the segment, which is of this kernel's size."""
    segments = replace(loaded(ONE), init_size=Known(0x1D41000, "kexec.log:5: kernel init_size"))
    _, found = answer(OLD, segments)
    assert found == [
        "the kernel that was loaded has an init_size of 29.2 MiB (0x1d41000) (kexec.log:5: kernel "
        "init_size), this one of 13.2 MiB (0xd41000)"
    ]
