"""The decoders of libraries, each as an iterator over blocks of bounded size.

A library is imported when a payload needs it: most runs need none, no run needs two. Where one is
missing, a program takes its place.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any, Protocol

from smecheck.read.kernel.decoder_program import DecoderProgram
from smecheck.read.kernel.packed import NotUnpacked, Packed

_INPUT = 64 << 10
BLOCK = 256 << 10
"""Bytes that a decoder may put out at once: fits into a cache, and is searched there."""
_MEMORY_LIMIT = 192 << 20
"""For the dictionary of xz and lzma; scripts/xz_wrap.sh of the kernel sets 32 MiB, 128 MiB later.
What is not written is not touched, so a small output costs no more than its size."""

_STREAMS = 4096
"""One after the other, in one file. Some programs (pbzip2) write one for each 900 KiB."""


class _Decoder(Protocol):
    @property
    def eof(self) -> bool: ...

    @property
    def needs_input(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, max_length: int) -> bytes: ...


class _Inflater:
    """zlib's decoder with the interface of the others."""

    def __init__(self, decoder: Any) -> None:
        self._decoder = decoder
        self.needs_input = True

    @property
    def eof(self) -> bool:
        return bool(self._decoder.eof)

    @property
    def unused_data(self) -> bytes:
        return bytes(self._decoder.unused_data)

    def decompress(self, data: bytes, max_length: int) -> bytes:
        data = self._decoder.unconsumed_tail + data
        block: bytes = self._decoder.decompress(data, max_length)
        self.needs_input = not self._decoder.unconsumed_tail and len(block) < max_length
        return block


def installed(*names: str) -> Any:
    """Import the first of these modules that is there.

    Returns:
        ``None`` where none is.
    """
    for name in names:
        with contextlib.suppress(ImportError):
            return import_module(name)
    return None


def unpack_gzip(packed: Packed) -> Iterator[bytes]:
    """Unpack gzip."""
    import zlib

    with_header = 16 + zlib.MAX_WBITS
    return _blocks(packed, lambda: _Inflater(zlib.decompressobj(with_header)), zlib.error)


def unpack_bzip2(packed: Packed) -> Iterator[bytes]:
    """Unpack bzip2."""
    bz2 = installed("bz2")  # a Python that was built without the library has no such module
    if bz2 is None:
        return DecoderProgram("bzip2", ("bz2",)).unpack(packed)
    return _blocks(packed, bz2.BZ2Decompressor, OSError)


def unpack_xz(packed: Packed) -> Iterator[bytes]:
    """Unpack xz, whatever its filters."""
    return _lzma(packed, "FORMAT_XZ")


def unpack_lzma(packed: Packed) -> Iterator[bytes]:
    """Unpack the older format of the LZMA tools."""
    return _lzma(packed, "FORMAT_ALONE")


def unpack_zstd(packed: Packed) -> Iterator[bytes]:
    """Unpack zstd; its window is 128 MiB at most, the decoder's own limit."""
    name = "compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd"
    zstd = installed(name)
    if zstd is None:
        return DecoderProgram("zstd", (name,), "backports.zstd").unpack(packed)
    return _blocks(packed, zstd.ZstdDecompressor, zstd.ZstdError)


def unpack_lz4_frame(packed: Packed) -> Iterator[bytes]:
    """Unpack lz4 as the lz4 program writes it today; kernels use ``lz4_legacy``."""
    frame = installed("lz4.frame")
    if frame is None:
        return DecoderProgram("lz4", ("lz4.frame",), "lz4").unpack(packed)
    return _blocks(packed, frame.LZ4FrameDecompressor, RuntimeError)


def _lzma(packed: Packed, file_format: str) -> Iterator[bytes]:
    lzma = installed("lzma")
    if lzma is None:
        options = ("-d", "-c", "-q", f"--memlimit={_MEMORY_LIMIT}")
        return DecoderProgram("xz", ("lzma",), options=options).unpack(packed)
    container = getattr(lzma, file_format)
    return _blocks(packed, lambda: lzma.LZMADecompressor(container, _MEMORY_LIMIT), lzma.LZMAError)


def _blocks(
    packed: Packed, start: Callable[[], _Decoder], error: type[Exception]
) -> Iterator[bytes]:
    """Yield what the decoder makes of the bytes; a further stream after the first is unpacked too.

    Raises:
        NotUnpacked: the bytes are damaged, or end early.
    """
    data = packed.read(_INPUT)
    magic = data[:2]
    try:
        for _ in range(_STREAMS):
            decoder = start()
            yield from _stream(packed, decoder, data)
            data = decoder.unused_data or packed.read(_INPUT)
            data = data.lstrip(b"\0")  # xz pads streams, tape archivers pad files
            if not data.startswith(magic):
                return
    except (error, EOFError, MemoryError) as problem:
        raise NotUnpacked(f"it is damaged: {problem or type(problem).__name__}") from problem
    raise NotUnpacked(f"it is in more than {_STREAMS} pieces")


def _stream(packed: Packed, decoder: _Decoder, data: bytes) -> Iterator[bytes]:
    while True:
        block = decoder.decompress(data, BLOCK)
        if block:
            yield block
        if decoder.eof:
            return
        data = b""
        if decoder.needs_input or not block:
            data = packed.read(_INPUT)
            if not data:
                raise NotUnpacked("it ends early")
