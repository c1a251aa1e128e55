"""The kernel, whatever form it comes in: told by its first bytes, not by its name."""

from __future__ import annotations

import io
from typing import BinaryIO

from smecheck.errors import MalformedInput, UnreadableInput, WrongKind
from smecheck.inputs.source import (
    STDIN,
    TEXT_LIMIT,
    UTF16_MARKS,
    decode_text,
    display_name,
    open_binary,
)
from smecheck.model.kernel import KernelImage
from smecheck.placement.identity import identify, link_address_problem

_HEAD_SIZE = 0x208
_PIPE_LIMIT = 64 << 20
_BOOT_MAGIC_OFFSET = 0x202  # Documentation/arch/x86/boot.rst, "HdrS"
_EXTRACT = (
    "unpack it first (scripts/extract-vmlinux of the kernel source does), or describe it in YAML: "
    "setup_header with init_size, symbols, sections"
)

_COMPRESSED = {
    b"\x1f\x8b": "gzip",
    b"\xfd7zXZ\0": "xz",
    b"BZh": "bzip2",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"\x02\x21\x4c\x18": "lz4",
    b"\x89LZO\0": "lzo",
}
_OTHERS = {
    b"!<arch>\n": "a .deb package or an ar archive",
    b"\xed\xab\xee\xdb": "an rpm package",
    b"070701": "a cpio archive (an initrd?)",
    b"KDUMP   ": "a compressed vmcore",
}


def read_kernel(path: str) -> KernelImage:
    """Read a kernel from a vmlinux or a YAML description; ``-`` is standard input.

    Raises:
        UnreadableInput: the file cannot be read.
        WrongKind: it is something else; the message says what, the help how to go on.
        MalformedInput: it is a kernel or a description, but broken.
    """
    name = display_name(path)
    stream = open_binary(path)
    try:
        if not stream.seekable():
            stream = _buffered(stream, name)
        image = _read(stream, name)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UnreadableInput(reason, where=name, help_text="copy the file again") from error
    finally:
        if path != STDIN:
            stream.close()
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
    if head.startswith(b"\x7fELF"):
        from smecheck.inputs.elf import read_elf

        return read_elf(stream, name)
    _refuse_other_binaries(head, name)
    data = stream.read(TEXT_LIMIT + 1)
    if len(data) > TEXT_LIMIT:
        raise UnreadableInput(
            f"is no kernel, and too large for a description (above {TEXT_LIMIT >> 20} MiB)",
            where=name,
            help_text="give a vmlinux or a YAML description",
        )
    text = decode_text(data, name)
    _refuse_other_text(text, name)
    from smecheck.inputs.kernel_description import read_kernel_description

    return read_kernel_description(text, name)


def _refuse_other_binaries(head: bytes, name: str) -> None:
    if head[_BOOT_MAGIC_OFFSET : _BOOT_MAGIC_OFFSET + 4] == b"HdrS":
        raise WrongKind("is a bzImage (vmlinuz), not a vmlinux", where=name, help_text=_EXTRACT)
    for magic, kind in _COMPRESSED.items():
        if head.startswith(magic):
            raise WrongKind(
                f"is compressed with {kind}",
                where=name,
                help_text="unpack it, then give the vmlinux",
            )
    for magic, kind in _OTHERS.items():
        if head.startswith(magic):
            raise WrongKind(
                f"is {kind}, not a kernel", where=name, help_text="give the vmlinux it holds"
            )
    if b"\0" in head and not head.startswith(UTF16_MARKS):
        raise WrongKind(
            "is a binary file, but no ELF kernel",
            where=name,
            help_text="give a vmlinux (ELF) or a YAML description",
        )


def _refuse_other_text(text: str, name: str) -> None:
    from smecheck.inputs.text_kind import kind_of_text

    kind = kind_of_text(text)
    if kind is not None:
        raise WrongKind(
            f"is {kind.description}, not a kernel", where=name, help_text=kind.as_kernel
        )
