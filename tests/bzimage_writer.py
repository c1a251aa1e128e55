"""bzImages, UKIs and payloads, written byte by byte: right, or wrong in one place."""

from __future__ import annotations

import bz2
import gzip
import lzma
import struct
import sys
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module

import lz4.block
import lz4.frame
from lzallright import LZOCompressor

ZSTD = "compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd"
zstd = import_module(ZSTD)

VERSION = "6.1.0-56-amd64 (builder@host) #1 SMP Debian 6.1.192-2"
X86_XZ = [
    {"id": lzma.FILTER_X86},
    {"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 32 << 20},
]
SMALL, DICTIONARY = 16 << 20, 1 << 20
LZ4_BLOCK = 8 << 20
LZOP_BLOCK = 256 << 10


def pack_gzip(data: bytes) -> bytes:
    return gzip.compress(data, 1, mtime=0)


def gzip_bomb(data: bytes, mebibytes: int) -> bytes:
    """Return what unpacks to data and so much of zeros: gzip, packed a MiB at a time."""
    zeros = bytes(1 << 20)
    packer = zlib.compressobj(1, wbits=-zlib.MAX_WBITS)
    begin = packer.compress(data) + packer.flush(zlib.Z_FULL_FLUSH)
    # Nothing that comes after a full flush refers to what comes before it.
    again = packer.compress(zeros) + packer.flush(zlib.Z_FULL_FLUSH)
    check = zlib.crc32(data)
    for _ in range(mebibytes):
        check = zlib.crc32(zeros, check)
    header = b"\x1f\x8b\x08" + bytes(6) + b"\xff"
    size = (len(data) + (mebibytes << 20)) & 0xFFFFFFFF
    return header + begin + again * mebibytes + packer.flush() + struct.pack("<II", check, size)


def pack_bzip2(data: bytes) -> bytes:
    return bz2.compress(data, 1)


def pack_xz(data: bytes) -> bytes:
    # What is small needs no dictionary of that size, which takes 40 ms to set up.
    filters = X86_XZ if len(data) > SMALL else [X86_XZ[0], {**X86_XZ[1], "dict_size": DICTIONARY}]
    return lzma.compress(data, check=lzma.CHECK_CRC32, filters=filters)


def pack_lzma(data: bytes) -> bytes:
    return lzma.compress(data, lzma.FORMAT_ALONE, preset=0)


def pack_zstd(data: bytes) -> bytes:
    packed: bytes = zstd.compress(data, 3)
    return packed


def pack_lz4_legacy(data: bytes) -> bytes:
    blocks = (
        lz4.block.compress(data[at : at + LZ4_BLOCK], store_size=False)
        for at in range(0, len(data), LZ4_BLOCK)
    )
    return struct.pack("<I", 0x184C2102) + b"".join(
        struct.pack("<I", len(block)) + block for block in blocks
    )


def pack_lz4_frame(data: bytes) -> bytes:
    packed: bytes = lz4.frame.compress(data)
    return packed


def lzop_header(flags: int = 0x1, version: int = 0x1040, extra: bytes = b"") -> bytes:
    numbers = struct.pack(">HH", version, 0x20A0)
    numbers += struct.pack(">HBB", 0x0940, 1, 5) if version >= 0x0940 else b"\1"
    numbers += struct.pack(">I", flags) + extra + struct.pack(">II", 0o100644, 0)
    if version >= 0x0940:
        numbers += bytes(4)
    name = b"vmlinux"
    numbers += bytes([len(name)]) + name
    return b"\x89LZO\0\r\n\x1a\n" + numbers + struct.pack(">I", zlib.adler32(numbers))


def pack_lzop(data: bytes) -> bytes:
    """Return lzop's format; a block by which lzo gains nothing is stored, as lzop does."""
    compressor = LZOCompressor()
    packed = lzop_header()
    for at in range(0, len(data), LZOP_BLOCK):
        block = data[at : at + LZOP_BLOCK]
        shorter = compressor.compress(block)
        stored = shorter if len(shorter) < len(block) else block
        packed += struct.pack(">III", len(block), len(stored), zlib.adler32(block)) + stored
    return packed + bytes(4)


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": pack_gzip,
    "bzip2": pack_bzip2,
    "xz": pack_xz,
    "lzma": pack_lzma,
    "zstd": pack_zstd,
    "lz4": pack_lz4_legacy,
    "lzo": pack_lzop,
}
"""What the kernel's Kconfig offers, by the name that smecheck has for it."""


@dataclass
class BzImage:
    """A bzImage; its fields are those of the setup header unless they say otherwise."""

    payload: bytes = b""
    """Packed, without the output length behind it."""
    output_len: int | None = 0
    """``None``: the payload's own last bytes are it, as of gzip."""
    protocol: int = 0x20F
    jump: int = 0x6A
    boot_flag: int = 0xAA55
    setup_sects: int = 39
    kernel_version: int = 0x42C0
    version_text: str = VERSION
    kernel_alignment: int = 0x200000
    relocatable: int = 1
    payload_offset: int = 0x2CC
    payload_length: int | None = None
    pref_address: int = 0x1000000
    init_size: int = 0x3F98000
    trailer: bytes = b"signature"

    def build(self) -> bytes:
        payload = self.payload
        if self.output_len is not None:
            payload += struct.pack("<I", self.output_len)
        length = len(payload) if self.payload_length is None else self.payload_length
        setup_size = ((self.setup_sects or 4) + 1) * 512
        image = bytearray(setup_size)
        text = self.version_text.encode() + b"\0"
        text_at = 0x200 + self.kernel_version
        if self.kernel_version and text_at + len(text) <= setup_size:
            image[text_at : text_at + len(text)] = text
        image[0:2] = b"MZ"  # of the EFI stub
        for offset, form, value in self._fields(length):
            struct.pack_into(form, image, offset, value)
        image[0x202:0x206] = b"HdrS"
        return bytes(image) + bytes(0x2CC) + payload + self.trailer

    def _fields(self, payload_length: int) -> Iterator[tuple[int, str, int]]:
        yield 0x1F1, "<B", self.setup_sects
        yield 0x1F4, "<I", 0x7D820
        yield 0x1FE, "<H", self.boot_flag
        yield 0x200, "<B", 0xEB
        yield 0x201, "<B", self.jump
        yield 0x206, "<H", self.protocol
        yield 0x20E, "<H", self.kernel_version
        yield 0x211, "<B", 1
        yield 0x22C, "<I", 0x7FFFFFFF
        yield 0x230, "<I", self.kernel_alignment
        yield 0x234, "<B", self.relocatable
        yield 0x235, "<B", 21
        yield 0x236, "<H", 0x7F
        yield 0x238, "<I", 2047
        yield 0x248, "<I", self.payload_offset
        yield 0x24C, "<I", payload_length
        yield 0x258, "<Q", self.pref_address
        yield 0x260, "<I", self.init_size
        yield 0x264, "<I", 0x7C8DB0
        yield 0x268, "<I", 0x7D579C


def bzimage(vmlinux: bytes, compression: str = "gzip", relocations: bytes = bytes(64)) -> BzImage:
    """Return the bzImage of a kernel, with its relocations behind it in the payload."""
    content = vmlinux + relocations
    output_len = None if compression == "gzip" else len(content)
    return BzImage(PACKERS[compression](content), output_len)


@dataclass
class PeSection:
    name: bytes
    data: bytes
    virtual_size: int | None = None
    size: int | None = None
    offset: int | None = None


def pe_program(sections: list[PeSection], *, signature: bytes = b"PE\0\0") -> bytes:
    """Return a PE/COFF program, as ukify and objcopy make a UKI."""
    pe_at, optional = 0x80, 240
    dos = (b"MZ" + bytes(0x3A) + struct.pack("<I", pe_at)).ljust(pe_at, b"\0")
    coff = signature + struct.pack("<HHIIIHH", 0x8664, len(sections), 0, 0, 0, optional, 0x22E)
    at = (len(dos) + len(coff) + optional + 40 * len(sections) + 511) // 512 * 512
    headers, body = b"", b""
    for section in sections:
        padded = section.data.ljust((len(section.data) + 511) // 512 * 512, b"\0")
        headers += struct.pack(
            "<8sIIII16x",
            section.name,
            len(section.data) if section.virtual_size is None else section.virtual_size,
            0x1000,
            len(padded) if section.size is None else section.size,
            at + len(body) if section.offset is None else section.offset,
        )
        body += padded
    return (dos + coff + bytes(optional) + headers).ljust(at, b"\0") + body
