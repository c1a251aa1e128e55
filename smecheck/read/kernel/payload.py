"""How kernels are compressed: known by the first bytes, as the kernel's lib/decompress.c does."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from smecheck.read.kernel.decoders import (
    unpack_bzip2,
    unpack_gzip,
    unpack_lz4_frame,
    unpack_lzma,
    unpack_xz,
    unpack_zstd,
)
from smecheck.read.kernel.lz4_legacy import unpack_lz4_legacy
from smecheck.read.kernel.lzop import unpack_lzop
from smecheck.read.kernel.packed import NotUnpacked, Packed, PackedBytes
from smecheck.read.kinds import (
    BZIP2_MAGIC,
    GZIP_MAGIC,
    LZ4_FRAME_MAGIC,
    LZ4_LEGACY_MAGIC,
    LZMA_MAGIC,
    LZO_MAGIC,
    XZ_MAGIC,
    ZSTD_MAGIC,
)
from smecheck.record import record

UNPACKED_LIMIT = 512 << 20
"""No more is ever unpacked. A kernel's image has 1 GiB of address space at most
(KERNEL_IMAGE_SIZE); stripped ones are below 100 MiB."""

_SLOW_LIMIT = 128 << 20
"""The same for bzip2, which unpacks 20 to 50 MiB a second whatever the data are."""

MAGIC_SIZE = 16


@record
class Compression:
    """A format: its name, how it begins, and its decoder."""

    name: str
    magic: bytes
    unpack: Callable[[Packed], Iterator[bytes]]
    ends_with_size: bool = False
    """Whether the format itself ends with the size of what is unpacked."""
    limit: int = UNPACKED_LIMIT
    """Bytes that are unpacked at most."""


_COMPRESSIONS = (
    Compression("gzip", GZIP_MAGIC, unpack_gzip, ends_with_size=True),
    Compression("xz", XZ_MAGIC, unpack_xz),
    Compression("bzip2", BZIP2_MAGIC, unpack_bzip2, limit=_SLOW_LIMIT),
    Compression("lzma", LZMA_MAGIC, unpack_lzma),
    Compression("zstd", ZSTD_MAGIC, unpack_zstd),
    Compression("lz4", LZ4_LEGACY_MAGIC, unpack_lz4_legacy),
    Compression("lz4", LZ4_FRAME_MAGIC, unpack_lz4_frame),
    Compression("lzo", LZO_MAGIC, unpack_lzop),
)


def compression_of(head: bytes) -> Compression | None:
    """Say how bytes that begin with ``head`` are compressed, if they are."""
    return next((known for known in _COMPRESSIONS if head.startswith(known.magic)), None)


@record
class Payload:
    """Something compressed, as far as it is known before it is unpacked."""

    packed: PackedBytes
    compression: Compression
    unpacked_size: int | None
    """What the file says that it unpacks to; ``None`` where it does not say."""

    @property
    def limit(self) -> int:
        """Bytes that it may unpack to."""
        return self.compression.limit if self.unpacked_size is None else self.unpacked_size

    def blocks(self) -> Iterator[bytes]:
        """Unpack it from the start, block by block.

        Raises:
            NotUnpacked: a library is missing, or the bytes are damaged.
        """
        self.packed.rewind()
        return self.compression.unpack(self.packed)


def payload_of(packed: PackedBytes, unpacked_size: int | None) -> Payload:
    """Say what the bytes are packed with.

    Raises:
        NotUnpacked: by nothing that is known, or it is more than is unpacked.
    """
    packed.rewind()
    head = packed.read(MAGIC_SIZE)
    compression = compression_of(head)
    if compression is None:
        raise NotUnpacked(f"its first bytes, {head[:6].hex()}, are of no known compression")
    if unpacked_size is not None and unpacked_size > compression.limit:
        raise NotUnpacked(
            f"output_len is {unpacked_size} bytes, and no more than {compression.limit >> 20} MiB "
            f"of {compression.name} are unpacked",
            "unpack it to a file, then give that",
        )
    return Payload(packed, compression, unpacked_size)
