"""Archives made byte by byte, right ones and such as no tar program writes."""

from __future__ import annotations

import bz2
import gzip
import lzma
from dataclasses import dataclass

from bzimage_writer import zstd

BLOCK = 512
PACKERS = {
    "": lambda data: data,
    ".gz": lambda data: gzip.compress(data, 1),
    ".xz": lambda data: lzma.compress(data, preset=0),
    ".bz2": lambda data: bz2.compress(data, 1),
    ".zst": zstd.compress,
}
"""How an archive is packed, by what its name ends in."""


@dataclass
class TarMember:
    """A member; what is not given is as tar writes it."""

    name: bytes
    data: bytes = b""
    type: bytes = b"0"
    link: bytes = b""
    size: int | None = None
    size_field: bytes | None = None
    checksum: bytes | None = None
    magic: bytes = b"ustar\x0000"
    prefix: bytes = b""
    sparse_continues: bool = False

    def build(self) -> bytes:
        header = bytearray(BLOCK)
        size = len(self.data) if self.size is None else self.size
        header[0:100] = self.name[:100].ljust(100, b"\0")
        header[100:124] = b"0000644\x000000000\x000000000\x00"
        header[124:136] = self.size_field or b"%011o\0" % size
        header[136:148] = b"00000000000\0"
        header[156:157] = self.type
        header[157:257] = self.link[:100].ljust(100, b"\0")
        header[257:265] = self.magic
        header[345:500] = self.prefix.ljust(155, b"\0")
        if self.sparse_continues:
            header[482] = 1
        header[148:156] = b" " * 8
        header[148:156] = self.checksum or b"%06o\0 " % sum(header)
        return bytes(header) + padded(self.data)


def padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % BLOCK)


def pax(records: dict[str, str], of: TarMember, kind: bytes = b"x") -> bytes:
    """Return a member with a pax header before it."""
    text = b"".join(_record(f"{key}={value}") for key, value in records.items())
    return TarMember(b"PaxHeaders/x", text, kind).build() + of.build()


def _record(text: str) -> bytes:
    body = f" {text}\n".encode()
    size = len(body)
    while len(str(size)) + len(body) != size:
        size = len(str(size)) + len(body)
    return str(size).encode() + body


def gnu_long(name: bytes, of: TarMember) -> bytes:
    """Return a member with a long name, as GNU tar writes it."""
    return TarMember(b"././@LongLink", name + b"\0", b"L").build() + of.build()


def archive(*members: bytes | TarMember, end: bytes = bytes(2 * BLOCK)) -> bytes:
    """Return an archive of members, built or not."""
    return b"".join(m if isinstance(m, bytes) else m.build() for m in members) + end
