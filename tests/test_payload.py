"""Decoders and files that are compressed whole."""

from __future__ import annotations

import contextlib
import io
import itertools
import lzma
import struct
import subprocess
import sys
from collections.abc import Callable
from hashlib import shake_128
from pathlib import Path
from shutil import which
from typing import Any

import pytest
from bzimage_writer import (
    PACKERS,
    ZSTD,
    bzimage,
    lzop_header,
    pack_gzip,
    pack_lz4_frame,
    pack_lz4_legacy,
    pack_xz,
    pack_zstd,
)
from elfwriter import TEXT, vmlinux
from hypothesis import given, settings
from hypothesis import strategies as st
from lzallright import LZOCompressor

from smecheck import record
from smecheck.errors import InputError, MalformedInput, UnreadableInput, WrongKind
from smecheck.kernel.image import KernelKind
from smecheck.read.kernel import compressed_vmlinux
from smecheck.read.kernel.elf import read_elf
from smecheck.read.kernel.kernel import read_kernel
from smecheck.read.kernel.packed import NotUnpacked, PackedBytes
from smecheck.read.kernel.payload import MAGIC_SIZE, Payload, compression_of, payload_of
from smecheck.span import Span

ALL = PACKERS | {"lz4 frame": pack_lz4_frame}
PATTERN = bytes(range(251)) * 4001  # larger than what a decoder puts out at once


def unpack(packed: bytes) -> bytes:
    return b"".join(
        payload_of(PackedBytes(io.BytesIO(packed), Span(0, len(packed))), None).blocks()
    )


@pytest.mark.parametrize("name", sorted(ALL))
@pytest.mark.parametrize("content", [b"", b"x", PATTERN, bytes(9 << 20)])
def test_what_was_packed_comes_back(name: str, content: bytes) -> None:
    if content or name != "lz4":  # an lz4 block of nothing is no block
        assert unpack(ALL[name](content)) == content


@pytest.mark.parametrize("name", sorted(ALL))
def test_blocks_are_small(name: str) -> None:
    packed = ALL[name](bytes(20 << 20))
    payload = payload_of(PackedBytes(io.BytesIO(packed), Span(0, len(packed))), None)
    assert max(len(block) for block in payload.blocks()) <= (8 if name == "lz4" else 1) << 20


@pytest.mark.parametrize("name", ["gzip", "bzip2", "xz", "zstd", "lz4", "lz4 frame"])
def test_streams_that_follow_upon_each_other(name: str) -> None:
    assert unpack(ALL[name](b"one") + ALL[name](b"two") * 2) == b"onetwotwo"


@pytest.mark.parametrize("name", ["gzip", "bzip2", "xz", "zstd"])
@pytest.mark.parametrize("rest", [b"\0" * 4096, b"\0" * (1 << 20), b"signature", b"x"])
def test_what_follows_the_stream_is_no_part_of_it(name: str, rest: bytes) -> None:
    assert unpack(ALL[name](PATTERN) + rest) == PATTERN


@pytest.mark.parametrize("name", sorted(ALL))
def test_every_end_that_comes_early_is_said(name: str) -> None:
    packed = ALL[name](b"".join(number.to_bytes(2, "big") for number in range(300)))
    for length in range(16, len(packed)):
        with pytest.raises(NotUnpacked, match=r"^it (ends|is damaged)"):
            unpack(packed[:length])


def test_an_unknown_compression() -> None:
    with pytest.raises(NotUnpacked, match="61626364"):
        unpack(b"abcd")
    assert compression_of(b"") is None


@pytest.mark.parametrize(
    ("packed", "words"),
    [
        (struct.pack("<II", 0x184C2102, 0), "an lz4 block of 0 bytes"),
        (struct.pack("<II", 0x184C2102, 0xFFFFFFFF), "an lz4 block of 4294967295 bytes"),
        (struct.pack("<II", 0x184C2102, 9) + b"abc", "inside an lz4 block"),
        (struct.pack("<IIB", 0x184C2102, 1, 0), "an empty lz4 block"),
        (pack_lz4_legacy(b"abc") + b"\1\2", "inside the size of an lz4 block"),
        (lzop_header() + struct.pack(">II", 9, 10), "an lzo block of 10 for 9 bytes"),
        (lzop_header() + struct.pack(">II", 9, 0), "an lzo block of 0 for 9 bytes"),
        (lzop_header() + struct.pack(">II", 1 << 31, 9), "an lzo block of 9 for"),
        (lzop_header()[:30], "inside the lzop header"),
    ],
)
def test_sizes_of_blocks_that_lie(packed: bytes, words: str) -> None:
    with pytest.raises(NotUnpacked, match=words):
        unpack(packed)


@pytest.mark.parametrize(
    ("header", "checksums"),
    [
        (lzop_header(0x1), 1),
        (lzop_header(0), 0),
        (lzop_header(0x103), 2),
        (lzop_header(0x801, extra=bytes(4)), 1),
        (lzop_header(0x1, version=0x0930), 1),
    ],
)
def test_the_forms_of_lzop_s_header(header: bytes, checksums: int) -> None:
    block = struct.pack(">II", 3, 3) + bytes(4 * checksums) + b"abc"
    assert unpack(header + block * 2 + bytes(4)) == b"abcabc"


@pytest.mark.parametrize(
    "packed",
    [
        *(ALL[name](b"") * 9000 for name in ("gzip", "bzip2", "xz", "zstd", "lz4 frame")),
        struct.pack("<I", 0x184C2102) + pack_lz4_legacy(b"x")[4:] * 9000,
        lzop_header(0) + struct.pack(">IIB", 1, 1, 0) * 9000,
    ],
)
def test_pieces_without_end_are_refused(packed: bytes) -> None:
    with pytest.raises(NotUnpacked, match=r"in more than \d+ pieces"):
        unpack(packed)


def test_lzo_blocks_that_are_damaged() -> None:
    packed = bytes(LZOCompressor().compress(PATTERN[:50000]))
    sizes = struct.pack(">II", 50000, len(packed))
    data = lzop_header(0x3) + sizes + bytes(8) + packed + bytes(4)
    assert unpack(data) == PATTERN[:50000]
    with pytest.raises(NotUnpacked, match="it is damaged"):
        unpack(lzop_header(0x3) + sizes + bytes(8) + b"\xff" * len(packed) + bytes(4))
    longer = struct.pack(">II", 49999, len(packed))
    with pytest.raises(NotUnpacked, match="an lzo block of 50000, not 49999 bytes"):
        unpack(lzop_header(0x3) + longer + bytes(8) + packed + bytes(4))


BY_BUILDS = {
    "gzip": ("gzip", "-n", "-9"),
    "bzip2": ("bzip2", "-9"),
    "lzma": ("lzma", "-9"),
    "xz": ("xz", "--check=crc32", "--x86", "--lzma2=dict=32MiB"),
    "lzo": ("lzop", "-9"),
    "lz4": ("lz4", "-l", "-9", "-q", "-", "-"),
    "zstd": ("zstd", "-q", "-22", "--ultra"),
}
"""How kernels are packed: scripts/Makefile.lib and scripts/xz_wrap.sh of v6.12, but for xz, whose
dictionary is 128 MiB there."""


@pytest.mark.parametrize("name", BY_BUILDS)
def test_what_the_programs_of_a_build_pack_comes_back(name: str) -> None:
    command = BY_BUILDS[name]
    if not which(command[0]):
        pytest.skip(f"no {command[0]} on this machine")
    content = PATTERN + bytes(300 << 10) + shake_128().digest(300 << 10)  # which no program packs
    packed = subprocess.run(command, input=content, capture_output=True, check=True).stdout
    assert unpack(packed) == content


MODULES = {
    "zstd": (ZSTD,),
    "lz4": ("cramjam", "lz4.block"),
    "lz4 frame": ("lz4.frame",),
    "lzo": ("lzallright",),
    "bzip2": ("bz2",),
    "xz": ("lzma",),
    "lzma": ("lzma",),
}
"""What unpacks them; a Python may be without any of it."""
BY_PROGRAM = [
    pytest.param(
        name,
        marks=pytest.mark.skipif(not which(program), reason=f"no {program} on this machine"),
    )
    for name, program in {
        "zstd": "zstd",
        "lz4": "lz4",
        "lz4 frame": "lz4",
        "lzo": "lzop",
        "bzip2": "bzip2",
        "xz": "xz",
        "lzma": "xz",
    }.items()
]


@pytest.fixture
def without_modules(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in itertools.chain(*MODULES.values()):
        monkeypatch.setitem(sys.modules, module, None)


@pytest.mark.usefixtures("without_modules")
@pytest.mark.parametrize("name", BY_PROGRAM)
def test_a_program_takes_the_place_of_a_missing_module(name: str) -> None:
    for content in (b"x", PATTERN, bytes(9 << 20)):
        packed = ALL[name](content)
        assert unpack(packed) == content
    with pytest.raises(NotUnpacked, match=r"^it is damaged, or something follows it: \w+ ended"):
        unpack(packed[:-9])


@pytest.mark.usefixtures("without_modules")
@pytest.mark.parametrize("name", BY_PROGRAM)
def test_a_program_ends_when_no_more_is_wanted(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[subprocess.Popen[bytes]] = []

    class Noted(subprocess.Popen):  # type: ignore[type-arg]
        def __init__(self, *args: Any, **named: Any) -> None:
            super().__init__(*args, **named)
            started.append(self)

    packed = ALL[name](PATTERN * 5)  # more than all pipes hold
    monkeypatch.setattr(subprocess, "Popen", Noted)
    blocks = payload_of(PackedBytes(io.BytesIO(packed), Span(0, len(packed))), None).blocks()
    assert next(blocks).startswith(PATTERN[:251])
    blocks.close()  # type: ignore[attr-defined]
    (program,) = started
    assert program.returncode is not None  # it ended, and was waited for


class Broken(io.BytesIO):
    """A file whose first bytes can be read, as their kind is told by them, and no more."""

    def read(self, size: int | None = -1) -> bytes:
        if size is None or size > MAGIC_SIZE:
            raise OSError(5, "Input/output error")
        return super().read(size)


@pytest.mark.usefixtures("without_modules")
@pytest.mark.parametrize("name", BY_PROGRAM)
def test_what_cannot_be_read_is_no_damage(name: str) -> None:
    packed = ALL[name](PATTERN)

    payload = payload_of(PackedBytes(Broken(packed), Span(0, len(packed))), None)
    with pytest.raises(OSError, match="Input/output error"):
        list(payload.blocks())


def test_an_lz4_block_by_either_module(monkeypatch: pytest.MonkeyPatch) -> None:
    packed = ALL["lz4"](PATTERN * 10)
    damaged = packed[:8] + b"\xff" * (len(packed) - 8)
    for missing in ("lz4.block", "cramjam"):
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, missing, None)
            assert unpack(packed) == PATTERN * 10
            with pytest.raises(NotUnpacked, match=r"^it is damaged"):
                unpack(damaged)


def test_a_dictionary_beyond_all_kernels() -> None:
    packed = bytearray(lzma.compress(b"x" * 99, lzma.FORMAT_ALONE, preset=0))
    packed[1:5] = (1 << 30).to_bytes(4, "little")
    with pytest.raises(NotUnpacked, match=r"^it is damaged: Memory usage limit"):
        unpack(bytes(packed))


@settings(max_examples=150)
@given(st.data())
def test_damage_is_always_said_or_harmless(data: st.DataObject) -> None:
    packed = bytearray(ALL[data.draw(st.sampled_from(sorted(ALL)))](PATTERN[:3000]))
    for _ in range(data.draw(st.integers(1, 5))):
        packed[data.draw(st.integers(0, len(packed) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(NotUnpacked):
        unpack(bytes(packed))


def written(path: Path, data: bytes) -> str:
    path.write_bytes(data)
    return str(path)


@pytest.mark.parametrize("name", sorted(ALL))
@pytest.mark.parametrize("stripped", [False, True])
def test_a_compressed_vmlinux_is_the_vmlinux(name: str, stripped: bool, tmp_path: Path) -> None:
    plain = vmlinux(stripped=stripped, local_symbols={"__sme_map_range": TEXT + 99}).build()
    path = written(tmp_path / "vmlinux.packed", ALL[name](plain))
    image = read_kernel(path)
    assert image.kind is KernelKind.VMLINUX
    assert image == record.replace(read_elf(io.BytesIO(plain), "vmlinux"), source=path)


@pytest.mark.parametrize("pack", [pack_gzip, pack_xz, pack_zstd])
@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"070701" + bytes(200), r"a cpio archive \(an initrd\?\)"),
        (b"CONFIG_X86_64=y\n# CONFIG_KEXEC is not set\n", "a kernel configuration"),
        (b"ffffffff81000000 T _text\n", "a System.map or /proc/kallsyms"),
        (bzimage(b"", "xz").build(), r"a bzImage \(vmlinuz\)"),
        (bytes(257) + b"ustar\0" + bytes(200), "a tar archive"),
        (b"!<arch>\ndebian-binary", r"a \.deb package or an ar archive"),
        (b"\1\2\3", "something unknown"),
        (b"", "something unknown"),
    ],
)
def test_a_compressed_file_of_another_kind_is_named(
    pack: Callable[[bytes], bytes], content: bytes, what: str, tmp_path: Path
) -> None:
    path = written(tmp_path / "file", pack(content))
    with pytest.raises(WrongKind, match=f"is {what}, not the ELF file of a kernel") as caught:
        read_kernel(path)
    assert caught.value.where == f"{path}: unpacked by {pack.__name__.removeprefix('pack_')}"


def test_a_damaged_file_names_its_compression(tmp_path: Path) -> None:
    path = written(tmp_path / "vmlinux.xz", pack_xz(vmlinux().build())[:-100])
    with pytest.raises(MalformedInput, match="with xz, but cannot be unpacked: it ends") as caught:
        read_kernel(path)
    assert caught.value.where == path


def test_a_missing_library_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lz4.frame", None)
    monkeypatch.setenv("PATH", str(tmp_path))
    path = written(tmp_path / "vmlinux.lz4", pack_lz4_frame(vmlinux().build()))
    with pytest.raises(InputError, match=r"lz4\.frame nor the program lz4 is inst") as caught:
        read_kernel(path)
    assert caught.value.help_text == "install one: pip install 'lz4', or lz4 of your distribution"


def test_more_than_the_ceiling_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Payload, "limit", 8 << 20)
    bomb = pack_gzip(vmlinux(stripped=True).build() + bytes(16 << 20))
    with pytest.raises(UnreadableInput, match="unpacks to more than 8 MiB") as caught:
        read_kernel(written(tmp_path / "vmlinux.gz", bomb))
    assert "unpack it" in caught.value.help_text


def test_a_file_beyond_the_ceiling_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "vmlinux.zst"
    path.write_bytes(pack_zstd(vmlinux().build()))
    with path.open("r+b") as stream:
        stream.truncate(1 << 42)
    with pytest.raises(UnreadableInput, match="compressed, and larger than 512 MiB"):
        read_kernel(str(path))
    assert compressed_vmlinux.UNPACKED_LIMIT == 512 << 20


def test_packed_bytes_stay_in_their_span() -> None:
    packed = PackedBytes(io.BytesIO(bytes(range(10))), Span(3, 7))
    pieces = list(itertools.takewhile(bool, (packed.read(3) for _ in range(9))))
    assert pieces == [b"\3\4\5", b"\6"]
    packed.rewind()
    assert packed.read(99) == b"\3\4\5\6"
