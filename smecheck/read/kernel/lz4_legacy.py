"""lz4 as ``lz4 -l`` writes it for the kernel: a magic, then blocks, each after its size.

Layout and limits: lib/decompress_unlz4.c of the kernel.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from smecheck.read.kernel.decoder_program import DecoderProgram
from smecheck.read.kernel.decoders import BLOCK, installed
from smecheck.read.kernel.packed import NotUnpacked, Packed
from smecheck.read.kinds import LZ4_LEGACY_MAGIC

_BLOCK = 8 << 20
"""LZ4_DEFAULT_UNCOMPRESSED_CHUNK_SIZE."""
_PACKED_LIMIT = _BLOCK + _BLOCK // 255 + 16  # LZ4_COMPRESSBOUND
_SIZE_BYTES = 4
_BLOCKS = 1024
"""64 of them are 512 MiB; a frame may end with a smaller one."""

_Decode = Callable[[bytes], memoryview]


def unpack_lz4_legacy(packed: Packed) -> Iterator[bytes]:
    """Return an iterator over what is unpacked, in pieces.

    Raises:
        NotUnpacked: a block is damaged, or the last ends early.
    """
    module = installed("cramjam", "lz4.block")
    if module is None:
        return DecoderProgram("lz4", ("cramjam", "lz4"), "cramjam").unpack(packed)
    if module.__name__ == "cramjam":
        return _unpacked(packed, _Cramjam(module).decode, module.DecompressionError)
    return _unpacked(packed, _lz4_block(module), module.LZ4BlockError)


class _Cramjam:
    """cramjam's decoder of a block, into one buffer that serves all blocks."""

    def __init__(self, module: Any) -> None:
        self._into = module.lz4.decompress_block_into
        self._buffer = bytearray(_BLOCK)

    def decode(self, data: bytes) -> memoryview:
        size = self._into(data, self._buffer, output_len=_BLOCK)  # no size stands before the data
        return memoryview(self._buffer)[:size]


def _lz4_block(module: Any) -> _Decode:
    def decode(data: bytes) -> memoryview:
        return memoryview(module.decompress(data, uncompressed_size=_BLOCK))

    return decode


def _unpacked(packed: Packed, decode: _Decode, damaged: type[Exception]) -> Iterator[bytes]:
    """Yield what is unpacked: of the blocks of 8 MiB, one is held at a time."""
    packed.read(_SIZE_BYTES)
    for _ in range(_BLOCKS):
        size = _next_size(packed)
        if not size:
            return
        data = packed.read_all(size, "an lz4 block")
        try:
            unpacked = decode(data)
        except damaged as error:
            raise NotUnpacked(f"it is damaged: {error}") from error
        del data  # before the consumer has its turn: 8 MiB
        if not unpacked:
            raise NotUnpacked("it is damaged: an empty lz4 block")
        for at in range(0, len(unpacked), BLOCK):
            yield bytes(unpacked[at : at + BLOCK])
        del unpacked
    raise NotUnpacked(f"it is in more than {_BLOCKS} pieces")


def _next_size(packed: Packed) -> int:
    """Return the size of the next block, 0 at the end; frames may follow upon each other."""
    field = packed.read(_SIZE_BYTES)
    if field == LZ4_LEGACY_MAGIC:
        field = packed.read(_SIZE_BYTES)
    if not field:
        return 0
    size = int.from_bytes(field, "little")
    if len(field) < _SIZE_BYTES:
        raise NotUnpacked("it ends inside the size of an lz4 block")
    if not 0 < size <= _PACKED_LIMIT:
        raise NotUnpacked(f"it is damaged: an lz4 block of {size} bytes")
    return size
