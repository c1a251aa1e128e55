"""The kernel that loads: its release and its purgatory, as they are told or taken for granted."""

from __future__ import annotations

import io

import pytest
from bzimage_writer import bzimage
from elfwriter import TEXT, Symbol, vmlinux
from purgatory_writer import ALLOC, NOBITS, OF_5_10, PROGBITS, purgatory
from recorded import kernel

from smecheck.evidence import Known, Unknown, value_of
from smecheck.kernel.image import KernelImage, Purgatory
from smecheck.load.predict import predict
from smecheck.load.request import LoadRequest, Prediction
from smecheck.load.segments import Loader, Mode, Segment, SegmentRole
from smecheck.machine.host import Host
from smecheck.read.kernel.bzimage import read_bzimage
from smecheck.read.kernel.elf import read_elf
from smecheck.read.kernel.purgatory import purgatory_of
from smecheck.read.machine.iomem import parse_iomem
from smecheck.record import replace
from smecheck.span import Span

OLD, NEW = kernel("5.10.0-32-cloud-amd64"), kernel("7.3.4+deb13-cloud-amd64")
EMPTY = """\
00001000-0009ffff : System RAM
00100000-3fffffff : System RAM
  20000000-2fffffff : Crash kernel
"""
"""No kernel is shown to run."""


def running(image: KernelImage, *, off: int = 0) -> str:
    """Return a map in which that kernel runs; its bss ``off`` bytes off shows that it does not."""
    bss = 0x1000000 + image.symbols["__bss_start"] - TEXT + off
    shown = f"  01000000-01ffffff : Kernel code\n  {bss:08x}-{bss + 0xFFFFF:08x} : Kernel bss\n"
    return EMPTY.replace("  20000000", f"{shown}  20000000")


def asked(
    image: KernelImage, memory: str = EMPTY, mode: Mode = Mode.CRASH, **host: object
) -> Prediction:
    facts = {name: Known(value, "a test") for name, value in host.items()}
    loaded = Host(cpus=Known(2, "a test"), **facts)  # type: ignore[arg-type]  # by name
    iomem = parse_iomem(memory, "iomem")
    return predict(LoadRequest(image, Loader.KEXEC_FILE_LOAD, mode, iomem, host=loaded))


def one(found: Prediction, role: SegmentRole) -> Segment:
    (segment,) = [segment for segment in found.segments if segment.role is role]
    return segment


def size(found: Prediction, role: SegmentRole) -> int:
    return one(found, role).span.size


def says(found: Prediction, text: str) -> bool:
    return any(text in assumption for assumption in found.assumptions)


def test_for_kdump_it_is_kernels_own_release_unless_something_says_otherwise() -> None:
    found = asked(OLD)
    # 5.10 keeps no room for CPUs and memory that may come, 7.3 does.
    assert size(found, SegmentRole.ELFCOREHDR) == 0x1000
    assert says(found, "has KERNEL's own release 5.10.0-32-cloud-amd64, as it usually is for")
    assert "kernel_release" not in found.assumed
    assert size(asked(NEW), SegmentRole.ELFCOREHDR) == 0xE1000
    told = asked(OLD, kernel_release="7.3.4")
    assert size(told, SegmentRole.ELFCOREHDR) == 0xE1000
    assert not says(told, "KERNEL's own release")


def test_for_kexec_it_is_not() -> None:
    found = asked(OLD, mode=Mode.LOAD)
    assert says(found, "the running kernel is assumed to place segments like v7.3")
    assert "kernel_release" in found.assumed


@pytest.mark.parametrize("mode", Mode)
def test_a_memory_map_shows_whether_it_runs(mode: Mode) -> None:
    found = asked(OLD, running(OLD), mode)
    assert says(found, "5.10.0-32-cloud-amd64, whose layout the memory map shows running")
    other = asked(OLD, running(OLD, off=0x1000), mode)
    assert says(other, "the running kernel is assumed to place segments like v7.3")


def test_an_image_without_a_release_is_of_no_age() -> None:
    nameless = replace(OLD, release=Unknown("no banner"))
    assert says(asked(nameless), "the running kernel is assumed to place segments like v7.3")


PURGATORY = Purgatory(0x3000, 0x3800)


@pytest.mark.parametrize(
    ("image", "host", "expected"),
    [
        (OLD, {}, (0x6000, 0x5000)),
        (NEW, {}, (0x5000, 0x4000)),
        (NEW, {"kernel_release": "5.10.0"}, (0x6000, 0x5000)),
        (NEW, {"kernel_purgatory_size": 0x8000}, (0x8000, None)),
        (NEW, {"kernel_purgatory_size": 0x5000}, (0x5000, 0x4000)),
        # Read from KERNEL where that is the running one.
        (replace(NEW, purgatory=Known(PURGATORY, "a test")), {}, (0x4000, 0x3000)),
        (
            replace(NEW, purgatory=Known(PURGATORY, "a test")),
            {"kernel_release": "7.3.4+deb13-cloud-amd64"},
            (0x4000, 0x3000),
        ),
        (
            replace(NEW, purgatory=Known(PURGATORY, "a test")),
            {"kernel_release": "7.3.4+deb13-amd64"},
            (0x5000, 0x4000),
        ),
        (
            replace(NEW, purgatory=Known(PURGATORY, "a test")),
            {"kernel_purgatory_size": 0x7000},
            (0x7000, None),
        ),
    ],
)
def test_what_its_purgatory_takes(
    image: KernelImage, host: dict[str, object], expected: tuple[int, int | None]
) -> None:
    segment = one(asked(image, **host), SegmentRole.PURGATORY)
    assert (segment.span.size, segment.buffer_size) == expected


# The purgatory in an image.


def with_purgatory(data: bytes, *, stripped: bool) -> KernelImage:
    elf = vmlinux(stripped=stripped, scratch=".init.scratch")
    rodata = next(section for section in elf.sections if section.name == ".rodata")
    at = rodata.address + len(rodata.data)
    rodata.data += data
    if elf.symbols is not None:
        elf.symbols.append(Symbol("kexec_purgatory", at))
    return read_elf(io.BytesIO(elf.build()), "vmlinux")


@pytest.mark.parametrize("stripped", [True, False])
def test_an_image_tells_what_its_purgatory_takes(stripped: bool) -> None:
    image = with_purgatory(b"\x7fELF no" + purgatory(), stripped=stripped)
    if not stripped:
        image = with_purgatory(purgatory(), stripped=False)
    where = "the ELF file of purgatory in .rodata" if stripped else "symbol kexec_purgatory"
    assert image.purgatory == Known(Purgatory(0x5000, 0x6000), where)


def test_an_image_without_one_says_so() -> None:
    for stripped in (True, False):
        none = read_elf(io.BytesIO(vmlinux(stripped=stripped).build()), "vmlinux").purgatory
        assert isinstance(none, Unknown)
        assert "CONFIG_KEXEC_FILE" in none.reason


def test_a_bzimage_tells_it_as_it_is_unpacked() -> None:
    elf = vmlinux(stripped=True, scratch=".init.scratch")
    rodata = next(section for section in elf.sections if section.name == ".rodata")
    rodata.data += purgatory()
    data = bzimage(elf.build(), "xz").build()
    image = read_bzimage(io.BytesIO(data), Span(0, len(data)), "vmlinuz")
    assert value_of(image.purgatory) == Purgatory(0x5000, 0x6000)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        purgatory()[:0x40],
        purgatory()[:-1],
        b"\x7fELF" + bytes(0x400),
        purgatory(()),
        purgatory(((PROGBITS, ALLOC, 0x100, 3),)),
        purgatory(((PROGBITS, ALLOC, 1 << 40, 1),)),
        purgatory(((PROGBITS, ALLOC, 1, 1 << 40),)),
        purgatory(((NOBITS, ALLOC, 0x100, 1),)),
        purgatory(((PROGBITS, 0, 0x100, 1),)),
        purgatory(OF_5_10 * 20),
    ],
)
def test_what_is_none(data: bytes) -> None:
    assert purgatory_of(data) is None


# The EFI runtime map.


@pytest.mark.parametrize(
    ("host", "taken"),
    [
        ({}, "the machine has no EFI runtime map"),
        ({"efi": False}, "the machine has no EFI runtime map"),
        ({"efi": True}, "the EFI runtime map that kexec hands over has 12 entries"),
        ({"efi": True, "cmdline": "ro noefi"}, "kexec hands over no EFI runtime map"),
        ({"efi": True, "cmdline": "efi=debug,noruntime"}, "kexec hands over no EFI runtime map"),
        ({"efi": True, "cmdline": "efi=debug"}, "the EFI runtime map that kexec hands over has"),
    ],
)
def test_how_large_the_runtime_map_is_taken_to_be(host: dict[str, object], taken: str) -> None:
    found = asked(NEW, **host)
    assert says(found, taken)
    assert "efi_runtime_entries" in found.assumed
    size_of_map = 12 * 48 if "12 entries" in taken or host.get("cmdline") == "efi=debug" else 0
    plain = one(asked(NEW, efi_runtime_entries=0), SegmentRole.BOOT_PARAMS).buffer_size or 0
    assert one(found, SegmentRole.BOOT_PARAMS).buffer_size == plain + size_of_map
