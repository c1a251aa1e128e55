"""lzo as ``lzop`` writes it for the kernel: a header, then blocks, each after its sizes.

Layout: lib/decompress_unlzo.c of the kernel, and the flags of lzop's own conf.h.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

from smecheck.read.kernel.decoder_program import DecoderProgram
from smecheck.read.kernel.decoders import installed
from smecheck.read.kernel.packed import NotUnpacked, Packed
from smecheck.read.kinds import LZO_MAGIC

_BLOCK = 256 << 10
"""LZO_BLOCK_SIZE; lzop writes no larger block unless asked to."""
_BLOCKS = 8192
"""2048 of them are 512 MiB."""
_VERSION_WITH_LEVEL = 0x0940
_HAS_FILTER = 0x800
_OF_UNPACKED = (0x1, 0x100)  # adler32, crc32
_OF_PACKED = (0x2, 0x200)
_CHECKSUM_SIZE = 4


def unpack_lzop(packed: Packed) -> Iterator[bytes]:
    """Return an iterator over the blocks.

    Raises:
        NotUnpacked: lzallright and lzop are missing, a block is damaged, or the last ends early.
    """
    module = installed("lzallright")
    if module is None:
        return DecoderProgram("lzop", ("lzallright",), "smecheck[lzo]").unpack(packed)
    return _unpacked(packed, module)


def _unpacked(packed: Packed, module: Any) -> Iterator[bytes]:
    flags = _skip_header(packed)
    for _ in range(_BLOCKS):
        (size,) = _numbers(packed, ">I")
        if size == 0:
            return
        (packed_size,) = _numbers(packed, ">I")
        if not 0 < packed_size <= size <= _BLOCK:
            raise NotUnpacked(f"it is damaged: an lzo block of {packed_size} for {size} bytes")
        checksums = sum(bool(flags & bit) for bit in _OF_UNPACKED)
        if packed_size < size:
            checksums += sum(bool(flags & bit) for bit in _OF_PACKED)
        packed.read_all(checksums * _CHECKSUM_SIZE, "a checksum")
        data = packed.read_all(packed_size, "an lzo block")
        yield _decoded(module, data, size) if packed_size < size else data
    raise NotUnpacked(f"it is in more than {_BLOCKS} pieces")


def _decoded(module: Any, data: bytes, size: int) -> bytes:
    try:
        decoded: bytes = module.LZOCompressor.decompress(data, size)
    except module.LZOError as error:
        raise NotUnpacked(f"it is damaged: {error}") from error
    if len(decoded) != size:  # it only takes the size as a hint
        raise NotUnpacked(f"it is damaged: an lzo block of {len(decoded)}, not {size} bytes")
    return decoded


def _skip_header(packed: Packed) -> int:
    """Read past the header; return its flags."""
    packed.read(len(LZO_MAGIC))
    version, _library = _numbers(packed, ">HH")
    if version < _VERSION_WITH_LEVEL:
        _method, flags = _numbers(packed, ">BI")
    else:
        _needed, _method, _level, flags = _numbers(packed, ">HBBI")
    if flags & _HAS_FILTER:
        _numbers(packed, ">I")
    _mode, _time = _numbers(packed, ">II")
    if version >= _VERSION_WITH_LEVEL:
        _numbers(packed, ">I")  # the time's upper half
    (name_size,) = _numbers(packed, ">B")
    packed.read_all(name_size + _CHECKSUM_SIZE, "the lzop header")
    return int(flags)


def _numbers(packed: Packed, form: str) -> tuple[int, ...]:
    return struct.unpack(form, packed.read_all(struct.calcsize(form), "the lzop header"))
