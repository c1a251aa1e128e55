"""Names by sizes, order and neighbours, against loads whose names are known."""

from __future__ import annotations

from typing import Any

import pytest
from recorded import DATA, kernel, load_json

from smecheck.evidence import Known
from smecheck.kernel.image import KernelImage
from smecheck.load.naming import name_elfcorehdr, name_entered, name_in_load_order, name_segments
from smecheck.load.segments import Loader, Segment, SegmentOrigin, SegmentRole
from smecheck.read.load.segments import read_segments
from smecheck.read.source import NamedStream
from smecheck.record import replace
from smecheck.span import Span, align_up

NAMES = {
    "setup_data:efi": SegmentRole.SETUP_DATA,
    "setup_data:rng_seed": SegmentRole.RNG_SEED,
    "setup_data:e820_ext": SegmentRole.E820_EXT,
}
CASES = [case for case in load_json("kexec", "cases.json") if case["segments"]]
LOADS = load_json("kexec", "real-loads.json")
VMLINUX = kernel("6.12.117+deb12-amd64")
INIT_SIZE = 0x3F98000


def segment(
    start: int, memsz: int, bufsz: int | None, role: SegmentRole = SegmentRole.OTHER
) -> Segment:
    return Segment(role, Span.sized(start, memsz), bufsz, SegmentOrigin.LOG, "test")


def unnamed(rows: list[Any]) -> tuple[Segment, ...]:
    return tuple(segment(mem, memsz, bufsz) for _, mem, memsz, bufsz in rows)


def names_of(rows: list[Any]) -> list[SegmentRole]:
    return [NAMES.get(name) or SegmentRole(name) for name, *_ in rows]


def roles(segments: tuple[Segment, ...]) -> list[SegmentRole]:
    return [one.role for one in segments]


def bzimage(init_size: int) -> KernelImage:
    """Return a kernel of which only init_size is known, as of a vmlinuz's header."""
    header = replace(VMLINUX.header, init_size=Known(init_size, "test"))
    return replace(VMLINUX, header=header, loads=())


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case["id"]))
def test_bare_lists_of_kexec_load(case: dict[str, Any]) -> None:
    """A list without any other line: with the kernel known, all names; a wrong one never."""
    rows = case["segments"]
    named = roles(name_segments(unnamed(rows), Loader.KEXEC_LOAD, bzimage(case["init_size"])))
    if case["entry_32bit"]:
        # The 32-bit loader keeps the size of the file for the kernel: it cannot be told.
        assert SegmentRole.KERNEL not in named
        pairs = zip(named, names_of(rows), strict=True)
        assert all(role in (SegmentRole.OTHER, truth) for role, truth in pairs)
    else:
        assert named == names_of(rows)


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case["id"]))
def test_without_a_kernel_only_setup_data_is_named(case: dict[str, Any]) -> None:
    named = roles(name_segments(unnamed(case["segments"]), Loader.KEXEC_LOAD, None))
    pairs = list(zip(named, names_of(case["segments"]), strict=True))
    assert all(role in (SegmentRole.OTHER, truth) for role, truth in pairs)
    small = {*NAMES.values(), SegmentRole.EFI_MEMMAP}
    assert {role for role in named if role is not SegmentRole.OTHER} == {
        truth for _, truth in pairs if truth in small
    }


@pytest.mark.parametrize("load", LOADS, ids=lambda load: f"{load['api']}-{load['mode']}")
def test_loads_that_a_kernel_took(load: dict[str, Any]) -> None:
    rows = load["segments"]
    if load["api"] == "kexec_file_load":
        assert roles(name_in_load_order(unnamed(rows))) == names_of(rows)
        return
    init_size = next(memsz for name, _, memsz, _ in rows if name == "kernel")
    named = name_segments(unnamed(rows), Loader.KEXEC_LOAD, bzimage(init_size))
    assert roles(named) == names_of(rows)


def elf_load() -> list[tuple[SegmentRole, Segment]]:
    """Return what kexec-tools makes of a vmlinux: its parts in place, all else from below."""
    parts = [
        (SegmentRole.KERNEL, segment(load.paddr, align_up(load.memsz, 0x1000), load.filesz))
        for load in VMLINUX.loads
    ]
    return [
        (SegmentRole.PURGATORY, segment(0x1000, 0x9000, 0x70E0, SegmentRole.PURGATORY)),
        (SegmentRole.BOOT_PARAMS, segment(0xA000, 0x2000, 0x16EC)),
        (SegmentRole.RNG_SEED, segment(0x100000, 0x1000, 0x30)),
        *parts,
        (SegmentRole.INITRD, segment(0x37600000, 0xA01000, 0xA00001, SegmentRole.INITRD)),
    ]


def test_a_vmlinux_is_loaded_in_parts() -> None:
    load = elf_load()
    assert len(VMLINUX.loads) > 1
    named = name_segments(tuple(one for _, one in load), Loader.KEXEC_LOAD, VMLINUX)
    assert roles(named) == [role for role, _ in load]


def test_parts_of_a_vmlinux_are_nothing_else_without_it() -> None:
    load = elf_load()
    # 0x1000 bytes a multiple of 40 would be an EFI memory map, were it next to setup_data.
    part = segment(0x2A00000, 0x5000, 0x5000)
    named = name_segments((*(one for _, one in load), part), Loader.KEXEC_LOAD, bzimage(INIT_SIZE))
    kept = [
        one.role for one, (truth, _) in zip(named, load, strict=False) if truth.value == "kernel"
    ]
    assert set(kept) == {SegmentRole.OTHER}
    assert named[-1].role is SegmentRole.OTHER


def test_init_size_is_rounded_up_to_pages() -> None:
    segments = (segment(0x7C000000, INIT_SIZE, 0x7D87C0),)
    assert roles(name_segments(segments, None, bzimage(INIT_SIZE - 1))) == [SegmentRole.KERNEL]
    assert roles(name_segments(segments, None, bzimage(INIT_SIZE - 0x1000))) == [SegmentRole.OTHER]
    assert roles(name_segments(segments, None, None)) == [SegmentRole.OTHER]


def test_an_initrd_of_the_kernel_s_size_is_not_the_kernel() -> None:
    initrd = segment(0x7801F000, INIT_SIZE, INIT_SIZE)
    real = segment(0x7C000000, INIT_SIZE, 0x7D87C0)
    named = name_segments((initrd, real), Loader.KEXEC_LOAD, bzimage(INIT_SIZE))
    assert roles(named) == [SegmentRole.OTHER, SegmentRole.KERNEL]
    twins = (replace(real, span=real.span.moved(-0x4000000)), real)
    assert set(roles(name_segments(twins, Loader.KEXEC_LOAD, bzimage(INIT_SIZE)))) == {
        SegmentRole.OTHER
    }


def test_a_name_that_was_read_is_never_changed() -> None:
    segments = (
        segment(0x100000, 0x1000, 0x30, SegmentRole.INITRD),
        segment(0x7C000000, INIT_SIZE, 0x7D87C0, SegmentRole.BACKUP),
    )
    assert name_segments(segments, Loader.KEXEC_LOAD, bzimage(INIT_SIZE)) == segments


def test_kexec_file_load_passes_no_setup_data_pages() -> None:
    segments = (segment(0x100000, 0x1000, 0x30),)
    assert roles(name_segments(segments, Loader.KEXEC_FILE_LOAD, None)) == [SegmentRole.OTHER]


def test_the_order_of_loading_with_a_buffer_of_ima_before_it() -> None:
    """Security code may add a buffer first, top-down: it is not elfcorehdr, which lies lowest."""
    order = [
        segment(0x7FFDE000, 0x1000, 0x1000),
        segment(0x7FFD9000, 0x5000, 0x4000),
        segment(0x7FFD7000, 0x2000, 0x1110),
        segment(0x7C600000, 0x37EE000, 0xB817C0),
        segment(0x7FEDA000, 0xFC000, 0xFBB4A),
    ]
    expected = [
        SegmentRole.OTHER,
        SegmentRole.PURGATORY,
        SegmentRole.BOOT_PARAMS,
        SegmentRole.KERNEL,
        SegmentRole.INITRD,
    ]
    assert roles(name_in_load_order(tuple(order))) == expected
    order[0] = segment(0x6E000000, 0xE1000, 0x1000)
    expected[0] = SegmentRole.ELFCOREHDR
    assert roles(name_in_load_order(tuple(order))) == expected


@pytest.mark.parametrize(
    "kernel_row",
    [
        (0x7C601000, 0x37EE000, 0xB817C0),  # aligned too little
        (0x7C600000, 0x37EE000, 0x37EE000),  # nothing is kept behind its content
        (0x7C600000, 0x100000, 0x7000),  # too small
    ],
)
def test_no_order_without_a_kernel(kernel_row: tuple[int, int, int]) -> None:
    order = (
        segment(0x7FFD9000, 0x5000, 0x4000),
        segment(0x7FFD7000, 0x2000, 0x1110),
        segment(*kernel_row),
    )
    assert name_in_load_order(order) == order
    assert name_in_load_order(order[2:]) == order[2:]


def test_what_is_entered_and_where_elfcorehdr_is() -> None:
    small, large = segment(0x7FFD7000, 0x9000, 0x70E0), segment(0x1000000, 0x1C00000, 0x1C00000)
    assert roles(name_entered((large, small), 0x7FFD7760)) == [
        SegmentRole.OTHER,
        SegmentRole.PURGATORY,
    ]
    assert name_entered((large, small), 0x1000200) == (large, small)
    assert name_entered((large, small), None) == (large, small)
    assert roles(name_elfcorehdr((large, small), 0x7FFD7000))[1] is SegmentRole.ELFCOREHDR
    assert name_elfcorehdr((large, small), None) == (large, small)


def test_a_list_alone_of_a_load_into_a_cma_area() -> None:
    """The kernel is aligned to 1 MiB there: its room and its place in the order tell it."""
    text = DATA / "guests" / "k73cloud-2g-bios-nokaslr-exec-s-cma" / "final-exec-s.v32.load.txt"
    lines = [line for line in text.read_text().splitlines() if "Loaded" not in line]
    assert any("segment[3]" in line for line in lines)
    load = read_segments(NamedStream.of("dmesg", "\n".join([*lines, ""]).encode()))
    assert [(one.role, one.span.start) for one in load.segments] == [
        (SegmentRole.PURGATORY, 0x76E40000),
        (SegmentRole.BOOT_PARAMS, 0x76E45000),
        (SegmentRole.KERNEL, 0x76F00000),
        (SegmentRole.INITRD, 0x7AB39000),
    ]
