"""A kernel as code that can be run: its bytes and all its symbols, from a vmlinux or a vmlinuz.

What the other readers leave out, since it takes megabytes, is what this one is for. A vmlinux is
read where it is asked for; what a vmlinuz unpacks is held in memory.
"""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import BinaryIO

from smecheck.evidence import Fact, Known, Unknown
from smecheck.kernel.image import Section
from smecheck.kernel.program import KernelProgram
from smecheck.kernel.symbols import FewSymbols
from smecheck.read.kernel.elf_file import ElfFile
from smecheck.read.kernel.kernel_symbols import kernel_symbols
from smecheck.read.kernel.packed import NotUnpacked, PackedBytes
from smecheck.read.kernel.payload import Payload
from smecheck.read.kinds import ELF_MAGIC, PE_MAGIC, is_bzimage
from smecheck.read.source import display_name, opened_stream
from smecheck.span import Span

_HEAD_SIZE = 0x208
_UNPACKED_LIMIT = 256 << 20
"""Bytes of a kernel that are held in memory: a kernel with KASAN unpacks to 200 MiB."""


@contextlib.contextmanager
def open_program(
    path: str, complement: Mapping[str, int] = MappingProxyType({})
) -> Iterator[Fact[KernelProgram]]:
    """Open the code of a kernel; unknown where the file holds none, with the reason.

    Args:
        path: of the file.
        complement: symbols from elsewhere, for a kernel that has none itself.

    Raises:
        InputError: the file cannot be read, or is damaged.
    """
    name = display_name(path)
    with opened_stream(path) as stream:
        if stream.seekable():
            yield _program(stream, name, complement)
        else:
            yield Unknown("a pipe can be read only once: put the kernel into a file")


def _program(stream: BinaryIO, name: str, complement: Mapping[str, int]) -> Fact[KernelProgram]:
    size = stream.seek(0, os.SEEK_END)
    stream.seek(0)
    head = stream.read(_HEAD_SIZE)
    if head.startswith(ELF_MAGIC):
        return _of_elf(ElfFile(stream, size, name), complement)
    try:
        payload = _payload(stream, head, size, name)
        if payload is None:
            return Unknown("it holds no code: give a vmlinux or a vmlinuz")
        unpacked = _unpacked(payload)
    except NotUnpacked as problem:
        return Unknown(f"it cannot be unpacked: {problem.reason}")
    elf = ElfFile(io.BytesIO(unpacked), len(unpacked), f"{name}: payload")
    return _of_elf(elf, complement)


def _payload(stream: BinaryIO, head: bytes, size: int, name: str) -> Payload | None:
    if is_bzimage(head):
        from smecheck.read.kernel.bzimage import bzimage_payload

        return bzimage_payload(stream, Span(0, size), name)
    if head.startswith(PE_MAGIC):
        from smecheck.read.kernel.bzimage import bzimage_payload
        from smecheck.read.kernel.uki import linux_section

        return bzimage_payload(stream, linux_section(stream, size, name), name)
    from smecheck.read.kernel.payload import compression_of

    compression = compression_of(head)
    if compression is None:
        return None
    return Payload(PackedBytes(stream, Span(0, size)), compression, None)


def _unpacked(payload: Payload) -> bytes:
    limit = min(payload.limit, _UNPACKED_LIMIT)
    unpacked = bytearray()
    for block in payload.blocks():
        unpacked += block
        if len(unpacked) > limit:
            raise NotUnpacked(f"it is larger than {limit >> 20} MiB; unpack it to a file")
    return bytes(unpacked)


def _of_elf(elf: ElfFile, complement: Mapping[str, int]) -> Fact[KernelProgram]:
    elf.read_header()
    sections = elf.read_sections()
    symbols = kernel_symbols(elf, sections)
    if isinstance(symbols, Unknown):
        if not complement:
            return symbols
        symbols = Known(FewSymbols(complement), "complements")
    allocated = [section for section in sections if section.is_allocated]
    program = KernelProgram(
        entry=elf.entry,
        loads=elf.read_loads(),
        sections=tuple(Section(s.name, s.address, s.size, s.type) for s in allocated),
        symbols=symbols.value,
        read=elf.bytes_at,
    )
    return Known(program, elf.name)
