"""A vmlinux that was compressed as a file: vmlinux.gz, .xz, .zst, .bz2 and the like."""

from __future__ import annotations

from typing import BinaryIO

from smecheck.errors import MalformedInput, UnreadableInput
from smecheck.kernel.image import KernelImage
from smecheck.read.kernel.packed import NotUnpacked, PackedBytes
from smecheck.read.kernel.payload import UNPACKED_LIMIT, Compression, Payload
from smecheck.read.kernel.unpacked import read_unpacked_elf
from smecheck.record import replace
from smecheck.span import Span


def read_compressed_vmlinux(
    stream: BinaryIO, size: int, compression: Compression, name: str
) -> KernelImage:
    """Read a kernel from a compressed ELF file.

    Args:
        stream: seekable.
        size: of the file.
        compression: what its first bytes say.
        name: what the user called it.

    Raises:
        UnreadableInput: it is too large, or a library is missing.
        MalformedInput: it is damaged.
        WrongKind: what it holds is not an x86-64 kernel; the message says what it is.
    """
    if size > UNPACKED_LIMIT:
        raise UnreadableInput(
            f"is compressed, and larger than {UNPACKED_LIMIT >> 20} MiB",
            where=name,
            help_text="unpack it, then give the vmlinux",
        )
    payload = Payload(PackedBytes(stream, Span(0, size)), compression, None)
    try:
        image = read_unpacked_elf(payload, f"{name}: unpacked by {compression.name}")
    except NotUnpacked as problem:
        raise MalformedInput(
            f"is compressed with {compression.name}, but cannot be unpacked: {problem.reason}",
            where=name,
            help_text=problem.help_text,
        ) from problem
    return replace(image, source=name)
