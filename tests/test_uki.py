"""Unified kernel images: the bzImage in their section .linux."""

from __future__ import annotations

import contextlib
import struct
from dataclasses import replace
from pathlib import Path

import pytest
from bzimage_writer import PeSection, bzimage, pe_program
from elfwriter import BUILD_ID, vmlinux
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from smecheck.errors import InputError, MalformedInput, WrongKind
from smecheck.evidence import Known, value_of
from smecheck.kernel.image import KernelImage, KernelKind
from smecheck.read.kernel.kernel import read_kernel

INNER = replace(bzimage(vmlinux(scratch=".init.scratch", stripped=True).build()), trailer=b"")
LINUX = PeSection(b".linux", INNER.build())
STUB = PeSection(b".text", b"\xcc" * 700)
CMDLINE = PeSection(b".cmdline", b"root=/dev/sda1")


def read(path: Path, sections: list[PeSection] | bytes) -> KernelImage:
    path.write_bytes(sections if isinstance(sections, bytes) else pe_program(sections))
    return read_kernel(str(path))


def test_the_kernel_in_the_section(tmp_path: Path) -> None:
    path = tmp_path / "linux.efi"
    image = read(path, [STUB, CMDLINE, LINUX, PeSection(b".initrd", bytes(5000))])
    place = f"{path}: section .linux"
    assert image.source == place
    assert image.kind is KernelKind.BZIMAGE
    assert value_of(image.build_id) == BUILD_ID.hex()
    assert image.header.init_size == Known(0x3F98000, f"{place}: setup header 0x260")
    assert image.header.other["file_size"] == len(LINUX.data)


def test_a_section_without_a_size_in_memory_beyond_the_file(tmp_path: Path) -> None:
    image = read(tmp_path / "uki", [replace(LINUX, virtual_size=1 << 31)])
    assert value_of(image.header.init_size) == 0x3F98000


def test_the_first_of_several_kernels_counts(tmp_path: Path) -> None:
    other = PeSection(b".linux", replace(INNER, init_size=0x1000).build())
    assert value_of(read(tmp_path / "uki", [LINUX, other]).header.init_size) == 0x3F98000


def test_a_bzimage_that_is_a_pe_program_itself(tmp_path: Path) -> None:
    data = bytearray(INNER.build())
    assert data.startswith(b"MZ")
    struct.pack_into("<I", data, 0x3C, 0x82)  # as the EFI stub has it
    data[0x82:0x86] = b"PE\0\0"
    path = tmp_path / "vmlinuz"
    assert read(path, bytes(data)).source == str(path)


@pytest.mark.parametrize(
    ("sections", "kind", "words"),
    [
        ([STUB, CMDLINE], WrongKind, r"without a section \.linux"),
        ([], WrongKind, r"without a section \.linux"),
        ([PeSection(b".linux", b"ARM\x64" * 999)], WrongKind, "not a bzImage"),
        ([PeSection(b".linux", b"")], WrongKind, "not a bzImage"),
        ([replace(LINUX, virtual_size=0)], WrongKind, "not a bzImage"),
        ([replace(LINUX, offset=0xFFFFFFFF)], MalformedInput, "at 0xffffffff"),
        (
            [replace(LINUX, size=0xFFFFFFFF, virtual_size=0xFFFFFFFF)],
            MalformedInput,
            "past the end of the file",
        ),
        ([replace(LINUX, virtual_size=0x5300)], MalformedInput, "payload at 0x52cc"),
        (b"MZ" + bytes(99), WrongKind, "a DOS program"),
        (b"MZ" + b"\xff" * 99, WrongKind, "a DOS program"),
        (pe_program([LINUX], signature=b"NE\0\0"), WrongKind, "a DOS program"),
        (pe_program([LINUX] * 9)[:140], WrongKind, "a DOS program"),
        (pe_program([LINUX] * 9)[:500], MalformedInput, "ends inside the 9 section headers"),
    ],
)
def test_what_is_wrong_is_named(
    sections: list[PeSection] | bytes, kind: type[InputError], words: str, tmp_path: Path
) -> None:
    with pytest.raises(kind, match=words) as caught:
        read(tmp_path / "uki", sections)
    assert caught.value.where
    assert caught.value.where.startswith(str(tmp_path / "uki"))
    assert caught.value.help_text


UKI = pe_program([STUB, CMDLINE, LINUX])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_damage_never_escapes_as_another_error(tmp_path: Path, data: st.DataObject) -> None:
    damaged = bytearray(UKI)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.one_of(st.integers(0x3C, 0x3F), st.integers(0x80, 0x200)))
        damaged[at] = data.draw(st.integers(0, 255))
    with contextlib.suppress(InputError):
        read(tmp_path / "uki", bytes(damaged))
