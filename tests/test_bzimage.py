"""bzImages: the kernel inside, the header alone, and everything that may be wrong with them."""

from __future__ import annotations

import contextlib
import io
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from bzimage_writer import (
    PACKERS,
    ZSTD,
    BzImage,
    bzimage,
    lzop_header,
    pack_gzip,
    pack_xz,
    pack_zstd,
)
from elfwriter import BUILD_ID, TEXT, Elf, Load, Section, vmlinux
from hypothesis import given, settings
from hypothesis import strategies as st

from smecheck import record
from smecheck.errors import InputError, MalformedInput, UnreadableInput, WrongKind
from smecheck.evidence import Known, Unknown, value_of
from smecheck.kernel.build_marks import COMPRESSION
from smecheck.kernel.identity import identify
from smecheck.kernel.image import KernelImage, KernelKind, Scheme
from smecheck.read.kernel.bzimage import read_bzimage
from smecheck.read.kernel.elf import read_elf
from smecheck.read.kernel.payload import Payload
from smecheck.span import Span

SME_TEXT = b"mem_encrypt\0on\0off\0"
PAGES = bytes(3 << 20)
"""Zeros that push what follows out of the first blocks of every decoder."""


def with_notes(elf: Elf) -> bytes:
    """Build it with a NOTE program header, as every kernel has one."""
    elf.loads.append(Load(0, 0, 0, 0, "R", 0, type=4))
    built = elf.build()
    size = next(section for section in elf.sections if section.name == ".notes").length
    elf.loads[-1].offset, elf.loads[-1].filesz = built.index(b"\4\0\0\0\1\0\0\0\5"), size
    return elf.build()


def stripped(scratch: str | None = ".init.scratch", **settings_: object) -> bytes:
    elf = vmlinux(scratch=scratch, stripped=True, scratch_size=0x400000, **settings_)  # type: ignore[arg-type]
    elf.sections.insert(0, Section(".padding", data=PAGES, address=TEXT - len(PAGES)))
    return with_notes(elf)


def read(image: BzImage | bytes) -> KernelImage:
    data = image if isinstance(image, bytes) else image.build()
    return read_bzimage(io.BytesIO(data), Span(0, len(data)), "vmlinuz")


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How often payloads are unpacked: one entry for each time, with the bytes."""
    counted: list[int] = []
    blocks = Payload.blocks

    def counting(self: Payload) -> Iterator[bytes]:
        counted.append(0)
        for block in blocks(self):
            counted[-1] += len(block)
            yield block

    monkeypatch.setattr(Payload, "blocks", counting)
    return counted


@pytest.mark.parametrize("compression", sorted(PACKERS))
def test_the_kernel_inside_is_read_in_one_pass(compression: str, passes: list[int]) -> None:
    inner = stripped()
    image = read(bzimage(inner, compression))
    alone = read_elf(io.BytesIO(inner), "vmlinuz")
    assert image.kind is KernelKind.BZIMAGE
    assert image.source == "vmlinuz"
    assert image.build_id == Known(BUILD_ID.hex(), "GNU build-id note in .notes")
    assert image.release == Known("5.0.0", "banner in .rodata")
    assert image == replace_header(alone, image)
    assert image.marks == {COMPRESSION: compression, **alone.marks}
    assert identify(image) == identify(alone)
    assert value_of(image.header.init_size) == 0x3F98000
    assert value_of(image.header.output_len) == len(inner) + 64
    assert passes == [len(inner) + 64]


def test_where_the_output_length_was_read() -> None:
    image = bzimage(stripped(), "xz")
    place = 0x52CC + len(image.payload)
    origin = f"vmlinuz: end of the payload, {place:#x}"
    assert read(image).header.output_len == Known(image.output_len, origin)


@pytest.mark.parametrize("text", [SME_TEXT, b"\0Secure Memory Encryption (SME)\n\0", b"none"])
def test_the_scheme_up_to_v5_2_is_told_by_its_texts(text: bytes, passes: list[int]) -> None:
    image = read(bzimage(stripped(None, init_data=text)))
    has_code = text != b"none"
    assert value_of(image.sme_text) is has_code
    expected = Scheme.AFTER_END if has_code else Scheme.NO_SME
    assert value_of(identify(image).scheme) is expected
    assert len(passes) == 1


def test_a_text_behind_the_elf_file_is_not_of_the_kernel() -> None:
    image = read(bzimage(stripped(None), relocations=SME_TEXT))
    assert value_of(image.sme_text) is False


def test_the_configuration_inside_is_read_in_the_same_pass(passes: list[int]) -> None:
    elf = vmlinux(stripped=True)
    rodata = next(section for section in elf.sections if section.name == ".rodata")
    config = b"CONFIG_X86_5LEVEL=y\nCONFIG_PHYSICAL_ALIGN=0x200000\n" * 9
    rodata.data = PAGES + rodata.data + b"IKCFG_ST" + pack_gzip(config) + b"IKCFG_ED" + PAGES
    image = read(bzimage(with_notes(elf)))
    assert image.config == {"CONFIG_X86_5LEVEL": "y", "CONFIG_PHYSICAL_ALIGN": "0x200000"}
    assert image == replace_header(read_elf(io.BytesIO(elf.build()), "vmlinuz"), image)
    assert len(passes) == 1


def replace_header(alone: KernelImage, image: KernelImage) -> KernelImage:
    """Return what was read from the vmlinux, as if it came from the bzImage."""
    marks = {**alone.marks, COMPRESSION: image.marks[COMPRESSION]}
    return record.replace(alone, kind=KernelKind.BZIMAGE, header=image.header, marks=marks)


def test_what_a_first_pass_does_not_keep_is_unpacked_again(passes: list[int]) -> None:
    # No NOTE program header, and symbol names that reach far before the section headers.
    names = tuple(f"{number:0100}.c" for number in range(2000))
    elf = vmlinux(local_symbols={"__sme_map_range": TEXT}, file_symbols=names)
    elf.sections.insert(0, Section(".padding", data=PAGES, address=TEXT - len(PAGES)))
    image = read(bzimage(elf.build()))
    alone = read_elf(io.BytesIO(elf.build()), "vmlinux")
    assert image.symbols == alone.symbols
    assert image.build_id == alone.build_id
    assert identify(image) == identify(alone)
    assert 1 < len(passes) <= 3


def test_the_header_names_the_release_where_the_kernel_does_not() -> None:
    origin = "vmlinuz: version string at 0x44c0 (setup header 0x20e)"
    assert read(bzimage(stripped(release=None))).release == Known("6.1.0-56-amd64", origin)


def header_alone(image: BzImage) -> str:
    """Check that the header is all that is known; return why."""
    read_image = read(image)
    assert read_image.kind is KernelKind.BZIMAGE
    assert value_of(read_image.header.init_size) == 0x3F98000
    assert value_of(read_image.release) == "6.1.0-56-amd64"
    assert (read_image.symbols, read_image.sections, read_image.loads) == ({}, (), ())
    assert not read_image.symbols_complete
    assert not read_image.sections_complete
    assert isinstance(read_image.build_id, Unknown)
    assert read_image.sme_text == read_image.build_id
    identify(read_image)
    return read_image.build_id.reason


@pytest.mark.parametrize("compression", sorted(PACKERS))
def test_a_damaged_payload_leaves_the_header(compression: str) -> None:
    image = bzimage(stripped(), compression)
    # Of gzip its checksum, for damage inside may unpack to more than output_len, which is refused;
    # of lzop the size of a block, for what differs in one may unpack to the same size.
    at = {"gzip": -8, "lzo": len(lzop_header())}.get(compression, len(image.payload) // 2)
    damaged = bytes(byte ^ 0x5A for byte in image.payload[at:][:4])
    image.payload = image.payload[:at] + damaged + image.payload[at:][4:]
    reason = header_alone(image)
    assert reason.startswith("the payload cannot be unpacked: it ")
    assert reason.endswith("; copy the file again")


@pytest.mark.parametrize("compression", sorted(PACKERS))
def test_a_payload_that_ends_early_leaves_the_header(compression: str) -> None:
    image = bzimage(stripped(), compression)
    image.output_len = len(stripped()) + 64
    image.payload = image.payload[: len(image.payload) // 2]
    assert header_alone(image).startswith("the payload cannot be unpacked: it ")


def test_less_than_output_len_leaves_the_header() -> None:
    image = bzimage(stripped(), "xz")
    assert image.output_len
    size = image.output_len
    image.output_len += 1
    assert f"it unpacks to {size} bytes, not to the {size + 1} of" in header_alone(image)


def test_an_unknown_compression_leaves_the_header() -> None:
    image = replace(bzimage(stripped(), "xz"), payload=b"\x01\x02\x03\x04\x05\x06\x07" * 9)
    assert "its first bytes, 010203040506, are of no known compression" in header_alone(image)


def test_more_of_a_slow_compression_than_is_unpacked_leaves_the_header() -> None:
    image = BzImage(PACKERS["bzip2"](b"x"), (128 << 20) + 1).build()
    found = read_bzimage(io.BytesIO(image), Span(0, len(image)), "vmlinuz")
    assert isinstance(found.header.init_size, Known)
    assert isinstance(found.build_id, Unknown)
    assert "no more than 128 MiB of bzip2 are unpacked" in found.build_id.reason


def test_a_protocol_without_a_payload_leaves_the_header() -> None:
    image = read(replace(bzimage(stripped()), protocol=0x207))
    reason = "boot protocol 2.07 has no payload_offset (2.08 brought it)"
    assert image.header.output_len == Unknown(reason)
    assert image.build_id == Unknown(reason)
    assert value_of(image.header.kernel_alignment) == 0x200000


@pytest.mark.parametrize(
    ("compression", "modules", "program", "remedy"),
    [
        ("lz4", ("cramjam", "lz4.block"), "lz4", "pip install 'cramjam', or lz4 of"),
        ("zstd", (ZSTD,), "zstd", "pip install 'backports.zstd', or zstd of"),
        ("lzo", ("lzallright",), "lzop", "pip install 'smecheck[lzo]', or lzop of"),
    ],
)
def test_a_missing_decoder_is_named(
    compression: str,
    modules: tuple[str, ...],
    program: str,
    remedy: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    for module in modules:
        monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.setenv("PATH", str(tmp_path))
    reason = header_alone(bzimage(stripped(), compression))
    assert f"neither the Python module {modules[0]} nor " in reason
    assert f"the program {program} is installed" in reason
    assert remedy in reason


def test_more_than_output_len_is_refused_at_once(passes: list[int]) -> None:
    image = bzimage(stripped(), "xz", relocations=bytes(96 << 20))
    image.output_len = len(stripped()) + 64
    with pytest.raises(MalformedInput, match="does not end within") as caught:
        read(image)
    assert caught.value.where == "vmlinuz: payload"
    assert passes[0] < image.output_len + (1 << 20)


@pytest.mark.parametrize("output_len", [0, (512 << 20) + 1, 0xFFFFFFFF])
def test_an_output_len_that_no_kernel_has(output_len: int) -> None:
    with pytest.raises(MalformedInput, match=f"output_len at .* is {output_len:#x}") as caught:
        read(replace(bzimage(stripped(), "xz"), output_len=output_len))
    assert caught.value.where == "vmlinuz"


@pytest.mark.parametrize(
    ("content", "kind", "words"),
    [
        (b"\x1f\x8b" + bytes(99), WrongKind, "something unknown"),
        (b"070701" + bytes(99), WrongKind, "a cpio archive"),
        (b"# CONFIG_SME is not set\n" * 9, WrongKind, "a kernel configuration"),
        (b"\x7fELF\2\1", MalformedInput, "ends inside the ELF header"),
        (b"\x7fELF\1\1" + bytes(99), WrongKind, "32-bit"),
        (vmlinux(sme=False).build()[:-100], MalformedInput, "does not end within"),
        (replace(vmlinux(), machine=183).build(), WrongKind, "AARCH64"),
    ],
)
def test_a_payload_that_is_no_kernel(content: bytes, kind: type[InputError], words: str) -> None:
    with pytest.raises(kind, match=words) as caught:
        read(bzimage(content, "xz", relocations=b""))
    assert caught.value.where == "vmlinuz: payload"
    assert caught.value.help_text


def lying(change: Callable[[bytearray], None]) -> bytes:
    data = bytearray(stripped())
    change(data)
    return bytes(data)


def set_number(data: bytearray, offset: int, value: int, size: int = 8) -> None:
    data[offset : offset + size] = value.to_bytes(size, "little")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda data: set_number(data, 40, 1 << 62), "does not end within"),
        (lambda data: set_number(data, 40, len(data) - 64), "does not end within"),
        (lambda data: set_number(data, 32, 1 << 60), "program headers at 0x1"),
        (lambda data: set_number(data, 58, 9, 2), "section headers of 9 bytes"),
        (lambda data: set_number(data, 60, 0, 2), "0 section headers"),
    ],
)
def test_an_elf_header_that_lies(change: Callable[[bytearray], None], words: str) -> None:
    with pytest.raises(MalformedInput, match=words):
        read(bzimage(lying(change), "zstd"))


def test_a_section_behind_the_end_is_named() -> None:
    elf = vmlinux(stripped=True)
    next(section for section in elf.sections if section.name == ".rodata").offset = 1 << 40
    with pytest.raises(MalformedInput, match=r"section \.rodata at 0x10000000000"):
        read(bzimage(elf.build()))


def test_tables_too_large_to_keep_are_refused() -> None:
    elf = vmlinux(stripped=True)
    elf.sections.append(Section(".symtab", "SYMTAB", size=40 << 20, flags=0, link=1))
    with pytest.raises(UnreadableInput, match="too much of it would have to be unpacked"):
        read(bzimage(elf.build(), "zstd"))


def test_every_truncation_is_an_input_error() -> None:
    image = replace(bzimage(vmlinux(stripped=True).build()), trailer=b"").build()
    for length in [*range(0x280), *range(0x280, len(image), 511), len(image) - 1]:
        with pytest.raises(InputError) as caught:
            read(image[:length])
        assert caught.value.where


SMALL = {
    name: bzimage(with_notes(vmlinux(stripped=True, init_data=SME_TEXT)), name).build()
    for name in PACKERS
}


@settings(max_examples=150)
@given(st.data())
def test_damage_never_escapes_as_another_error(data: st.DataObject) -> None:
    damaged = bytearray(SMALL[data.draw(st.sampled_from(sorted(SMALL)))])
    for _ in range(data.draw(st.integers(1, 6))):
        place = st.integers(0, len(damaged) - 1)
        at = data.draw(st.one_of(st.integers(0x1F0, 0x26C), st.integers(0x52CC, 0x5300), place))
        damaged[at] = data.draw(st.integers(0, 255))
    with contextlib.suppress(InputError):
        identify(read(bytes(damaged)))


@settings(max_examples=100)
@given(st.data())
def test_damage_inside_the_payload_never_escapes_either(data: st.DataObject) -> None:
    inner = bytearray(with_notes(vmlinux(stripped=True, init_data=SME_TEXT)))
    for _ in range(data.draw(st.integers(1, 4))):
        headers = st.integers(len(inner) - 700, len(inner) - 1)
        at = data.draw(st.one_of(st.integers(4, 400), headers, st.integers(4, len(inner) - 1)))
        inner[at] = data.draw(st.integers(0, 255))
    with contextlib.suppress(InputError):
        identify(read(bzimage(bytes(inner), "gzip")))


MEASURED = r"""
import re, sys
from pathlib import Path
from smecheck import record
from smecheck.errors import InputError
from smecheck.read.kernel.kernel import read_kernel
try:
    print(read_kernel(sys.argv[1]).kind.value)
except InputError as error:
    print(error.where, error)
print(re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())[1])
"""
"""The counter of getrusage() begins with what the tests themselves use."""


def reading(path: Path) -> tuple[str, int]:
    """Return what a process of its own reads in the file, and its peak of memory in MiB."""
    command = [sys.executable, "-c", MEASURED, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    said, peak = done.stdout.splitlines()
    return said, int(peak) >> 10


@pytest.mark.parametrize("pack", [pack_gzip, pack_xz, PACKERS["lz4"]])
def test_memory_does_not_grow_with_the_payload(
    pack: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    content = stripped() + bytes(100 << 20)
    path = tmp_path / "vmlinuz"
    output_len = None if pack is pack_gzip else len(content)
    path.write_bytes(BzImage(pack(content), output_len).build())
    said, peak = reading(path)
    assert said == KernelKind.BZIMAGE.value
    assert peak <= 80


def test_a_bomb_stops_at_what_it_said(tmp_path: Path) -> None:
    content = vmlinux(stripped=True).build()
    path = tmp_path / "vmlinuz"
    path.write_bytes(BzImage(pack_zstd(content + bytes(400 << 20)), len(content)).build())
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    said, peak = reading(path)
    assert "of output_len" in said
    assert peak <= 80
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before < 2
