"""A unified kernel image: a PE/COFF program whose section .linux is a bzImage.

Layout: Microsoft's PE format, https://learn.microsoft.com/windows/win32/debug/pe-format; the name
of the section: systemd-stub(7), https://uapi-group.org/specifications/specs/unified_kernel_image/.
"""

from __future__ import annotations

import struct
from typing import BinaryIO

from smecheck.errors import MalformedInput, WrongKind
from smecheck.kernel.image import KernelImage
from smecheck.quantity import address_text
from smecheck.read.kernel.bzimage import read_bzimage
from smecheck.read.kinds import BOOT_MAGIC, BOOT_MAGIC_OFFSET
from smecheck.span import Span

_PE_OFFSET_AT = 0x3C
_PE_SIGNATURE = b"PE\0\0"
_COFF = struct.Struct("<4sHHIIIHH")
"""Signature, machine, number of sections, time, symbols (two), size of the optional header, …"""
_SECTION = struct.Struct("<8sIIII16x")
"""Name, virtual size, virtual address, size in the file, offset in the file, …"""
_SECTION_NAME = b".linux"
_NO_UKI = "give a vmlinuz, a vmlinux, or a UKI (unified kernel image)"


def read_uki(stream: BinaryIO, size: int, name: str) -> KernelImage:
    """Read a kernel from the section .linux.

    Args:
        stream: seekable.
        size: of the file.
        name: what the user called it.

    Raises:
        WrongKind: it is not a PE/COFF program, has no such section, or no x86 kernel in it.
        MalformedInput: it is damaged.
    """
    span = linux_section(stream, size, name)
    inner = f"{name}: section .linux"
    stream.seek(span.start)
    head = stream.read(min(span.size, BOOT_MAGIC_OFFSET + len(BOOT_MAGIC)))
    if head[BOOT_MAGIC_OFFSET:] != BOOT_MAGIC:
        raise WrongKind(
            "is not a bzImage of an x86 kernel",
            where=inner,
            help_text="SME exists on AMD x86-64 machines only: is it a UKI for those?",
        )
    return read_bzimage(stream, span, inner)


def linux_section(stream: BinaryIO, size: int, name: str) -> Span:
    """Return where the section .linux lies; arguments and errors as of :func:`read_uki`."""
    stream.seek(_PE_OFFSET_AT)
    at = int.from_bytes(stream.read(4), "little")
    stream.seek(at)
    header = stream.read(_COFF.size)
    if len(header) < _COFF.size or not header.startswith(_PE_SIGNATURE):
        raise WrongKind(
            "is a DOS program, or a damaged PE/COFF one, not a kernel",
            where=name,
            help_text=_NO_UKI,
        )
    _signature, _machine, count, _time, _symbols, _number, optional, _flags = _COFF.unpack(header)
    stream.seek(at + _COFF.size + optional)
    table = stream.read(count * _SECTION.size)
    if len(table) < count * _SECTION.size:
        raise MalformedInput(
            f"ends inside the {count} section headers after {address_text(at)}",
            where=name,
            help_text="copy the file again",
        )
    for section_name, virtual_size, _address, in_file, offset in _SECTION.iter_unpack(table):
        if section_name.rstrip(b"\0") == _SECTION_NAME:
            # The size in the file is padded; that in memory is the bzImage's own.
            length = min(virtual_size, in_file)
            if offset + length > size:
                raise MalformedInput(
                    f"section .linux at {address_text(offset)} (0x{length:x} bytes) lies past "
                    f"the end of the file ({size} bytes)",
                    where=name,
                    help_text="the file is truncated or damaged: copy it again",
                )
            return Span.sized(offset, length)
    raise WrongKind(
        "is a PE/COFF program without a section .linux: neither a kernel nor a UKI",
        where=name,
        help_text=_NO_UKI,
    )
