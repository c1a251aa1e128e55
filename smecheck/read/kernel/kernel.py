"""The kernel, whatever form it comes in: known by its first bytes, not by its name."""

from __future__ import annotations

import io
import os
from typing import BinaryIO

from smecheck.errors import MalformedInput, UnreadableInput, WrongKind
from smecheck.kernel.identity import identify, link_address_problem
from smecheck.kernel.image import KernelImage
from smecheck.read.source import (
    TEXT_LIMIT,
    UTF16_MARKS,
    Source,
    decode_text,
    display_name,
    reading,
)
from smecheck.span import Span

_HEAD_SIZE = 0x208
_PIPE_LIMIT = 64 << 20
_FORMS = "give a vmlinuz, a vmlinux, a System.map or a YAML description (smecheck schema kernel-v1)"


def read_kernel(source: Source) -> KernelImage:
    """Read a kernel from any form it comes in; ``-`` is standard input.

    Raises:
        UnreadableInput: the file cannot be read.
        WrongKind: it is something else; the message says what, the help how to go on.
        MalformedInput: it is a kernel or a description, but broken.
    """
    name = display_name(source)
    with reading(source) as stream:
        image = _read(stream if stream.seekable() else _buffered(stream, name), name)
    problem = link_address_problem(identify(image))
    if problem is not None:
        raise MalformedInput(problem, where=name, help_text="give link-time (virtual) addresses")
    return image


def _buffered(stream: BinaryIO, name: str) -> BinaryIO:
    data = stream.read(_PIPE_LIMIT + 1)
    if len(data) > _PIPE_LIMIT:
        raise UnreadableInput(
            f"is larger than {_PIPE_LIMIT >> 20} MiB, too much for a pipe",
            where=name,
            help_text="name the file, or redirect it: smecheck analyze - < vmlinux",
        )
    return io.BytesIO(data)


def _read(stream: BinaryIO, name: str) -> KernelImage:
    head = stream.read(_HEAD_SIZE)
    stream.seek(0)
    if not head.strip(b"\0"):
        what = "holds only zeros" if head else "is empty"
        raise UnreadableInput(what, where=name, help_text="copy the kernel again")
    if b"\0" not in head:
        from smecheck.read.kernel.symbol_list import is_symbol_list, read_symbol_list

        if is_symbol_list(head):
            return read_symbol_list(stream, name)
    image = _read_binary(stream, head, name)
    if image is not None:
        return image
    data = stream.read(TEXT_LIMIT + 1)
    if len(data) > TEXT_LIMIT:
        raise UnreadableInput(
            f"is not a kernel, and too large for a description (above {TEXT_LIMIT >> 20} MiB)",
            where=name,
            help_text=_FORMS,
        )
    text = decode_text(data, name)
    _refuse_other_text(text, name)
    from smecheck.read.kernel.kernel_description import read_kernel_description

    try:
        return read_kernel_description(text, name)
    except MalformedInput as error:
        if "schema:" in text or not error.message.startswith("not YAML"):
            raise
        raise WrongKind(
            "is not a kernel: neither an image, nor a list of symbols, nor a YAML description",
            where=name,
            help_text=_FORMS,
        ) from error


def _read_binary(stream: BinaryIO, head: bytes, name: str) -> KernelImage | None:
    """Read a kernel that is not text; ``None`` if it is one."""
    from smecheck.read.kinds import (
        ELF_MAGIC,
        PE_MAGIC,
        is_bzimage,
        is_foreign_kernel,
        kind_of_binary,
    )

    if head.startswith(ELF_MAGIC):
        from smecheck.read.kernel.elf import read_elf

        return read_elf(stream, name)
    size = stream.seek(0, os.SEEK_END)
    stream.seek(0)
    if is_bzimage(head):
        from smecheck.read.kernel.bzimage import read_bzimage

        return read_bzimage(stream, Span(0, size), name)
    if is_foreign_kernel(head):
        raise WrongKind(
            f"is {kind_of_binary(head)}, and SME exists on AMD x86-64 machines only",
            where=name,
            help_text="give an x86-64 kernel",
        )
    if head.startswith(PE_MAGIC):
        from smecheck.read.kernel.uki import read_uki

        return read_uki(stream, size, name)
    from smecheck.read.kernel.payload import compression_of

    compression = compression_of(head)
    if compression is not None:
        from smecheck.read.kernel.compressed_vmlinux import read_compressed_vmlinux

        return read_compressed_vmlinux(stream, size, compression, name)
    kind = kind_of_binary(head)
    if kind is not None:
        raise WrongKind(
            f"is {kind}, not a kernel", where=name, help_text="give the kernel it holds"
        )
    if b"\0" in head and not head.startswith(UTF16_MARKS):
        raise WrongKind("is a binary file, but not a kernel", where=name, help_text=_FORMS)
    return None


def _refuse_other_text(text: str, name: str) -> None:
    from smecheck.read.kinds import kind_of_text

    kind = kind_of_text(text)
    if kind is not None:
        raise WrongKind(
            f"is {kind.description}, not a kernel", where=name, help_text=kind.as_kernel
        )
