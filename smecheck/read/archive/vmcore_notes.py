"""What a vmcore says of the kernel that crashed: its notes, and nothing of the memory it holds.

Three forms are known by their first bytes: ELF as /proc/vmcore has it, the compressed format of
makedumpfile, and its "flattened" form, in which a dump goes through a pipe.
"""

from __future__ import annotations

import io
import struct

from smecheck.errors import InputError, MalformedInput
from smecheck.evidence import Fact, Known, Unknown
from smecheck.machine.vmcore import VmcoreNotes
from smecheck.read.kernel.elf_file import ElfFile
from smecheck.read.kinds import ELF_MAGIC, KDUMP_MAGIC
from smecheck.read.readable import Readable

HEAD_LIMIT = 4 << 20
"""Bytes that are read: the notes come before the memory, 1.2 KiB of them for each CPU."""

_INFO_LIMIT = 64 << 10
_ET_CORE_AT, _ET_CORE = 16, 4
_FLAT = b"makedumpfile\0\0\0\0"

# makedumpfile, diskdump_mod.h: struct disk_dump_header and struct kdump_sub_header, on x86-64.
_VERSION_AT, _RELEASE_AT, _RELEASE_SIZE, _BLOCK_SIZE_AT = 8, 142, 65, 428
_SUB_INFO_AT = 32
_SUB_HAS_INFO = 3
"""Version of the header from which on it says where vmcoreinfo lies."""
_BLOCKS = (1 << 9, 1 << 16)

# makedumpfile.h: struct makedumpfile_header, then makedumpfile_data_header before each piece.
_FLAT_BEGINS = 4096
_FLAT_PIECE = struct.Struct(">qq")


def is_vmcore(head: bytes) -> bool:
    """Return whether a file that begins with ``head`` is a dump of a kernel's memory."""
    if head.startswith(ELF_MAGIC) and len(head) > _ET_CORE_AT:
        return head[_ET_CORE_AT] == _ET_CORE
    return head.startswith((KDUMP_MAGIC, _FLAT))


def read_vmcore_notes(content: Readable, name: str) -> VmcoreNotes:
    """Read the notes of a dump.

    Args:
        content: of a file that :func:`is_vmcore` knew by its head.
        name: what errors and origins call it.

    Raises:
        MalformedInput: it is damaged, or its notes do not come first.
    """
    head = _read(content, HEAD_LIMIT)
    if head.startswith(_FLAT):
        head = _unflattened(head)
    if head.startswith(KDUMP_MAGIC):
        release, info = _of_kdump(head, name)
    else:
        release, info = None, _of_elf(head, name)
    return _notes(info, release, name)


def _read(content: Readable, size: int) -> bytes:
    pieces, left = [], size
    while left and (piece := content.read(left)):
        pieces.append(piece)
        left -= len(piece)
    return b"".join(pieces)


def _unflattened(data: bytes) -> bytes:
    """Put the pieces of the beginning in their places."""
    made = bytearray()
    at = _FLAT_BEGINS
    while at + _FLAT_PIECE.size <= len(data):
        offset, size = _FLAT_PIECE.unpack_from(data, at)
        at += _FLAT_PIECE.size
        if offset < 0 or size < 0:
            break
        if offset + size <= HEAD_LIMIT:
            if len(made) < offset + size:
                made.extend(bytes(offset + size - len(made)))
            made[offset : offset + size] = data[at : at + size].ljust(size, b"\0")
        at += size
    return bytes(made)


def _of_elf(head: bytes, name: str) -> bytes | None:
    elf = ElfFile(io.BytesIO(head), len(head), name)
    elf.read_header()
    for span in elf.note_spans():
        if span.end > len(head):
            continue
        for owner, _, description in elf.iter_notes(head[span.start : span.end]):
            if owner == b"VMCOREINFO":
                return description[:_INFO_LIMIT]
    return None


def _of_kdump(head: bytes, name: str) -> tuple[str | None, bytes | None]:
    if len(head) < _BLOCK_SIZE_AT + 4:
        raise _damaged("ends inside its header", name)
    release = head[_RELEASE_AT : _RELEASE_AT + _RELEASE_SIZE].split(b"\0")[0]
    (version,) = struct.unpack_from("<i", head, _VERSION_AT)
    (block,) = struct.unpack_from("<i", head, _BLOCK_SIZE_AT)
    if not _BLOCKS[0] <= block <= _BLOCKS[1]:
        raise _damaged(f"is damaged: a block of {block} bytes", name)
    info = None
    if version >= _SUB_HAS_INFO and block + _SUB_INFO_AT + 16 <= len(head):
        offset, size = struct.unpack_from("<qQ", head, block + _SUB_INFO_AT)
        if 0 < offset <= offset + min(size, _INFO_LIMIT) <= len(head):
            info = head[offset : offset + min(size, _INFO_LIMIT)]
    return release.decode("ascii", "replace") or None, info


def _damaged(what: str, name: str) -> InputError:
    return MalformedInput(what, where=name, help_text="copy the file again")


def parse_vmcoreinfo(text: str) -> dict[str, str]:
    """Read lines KEY=VALUE; where a key is there twice, the first one counts."""
    said: dict[str, str] = {}
    for line in text.split("\n"):
        key, equals, value = line.partition("=")
        if equals:
            said.setdefault(key.strip(), value.strip())
    return said


def _notes(info: bytes | None, release: str | None, name: str) -> VmcoreNotes:
    said = parse_vmcoreinfo(info.decode("utf-8", "replace")) if info else {}
    missing = f"{name} has no vmcoreinfo" if not said else f"vmcoreinfo of {name} does not say"

    def number(key: str, base: int) -> Fact[int]:
        try:
            return Known(int(said[key], base), f"{name}: vmcoreinfo {key}")
        except (KeyError, ValueError):
            return Unknown(missing)

    kernel: Fact[str] = Unknown(missing)
    if "OSRELEASE" in said:
        kernel = Known(said["OSRELEASE"], f"{name}: vmcoreinfo OSRELEASE")
    elif release is not None:
        kernel = Known(release, f"{name}: header")
    return VmcoreNotes(
        source=name,
        release=kernel,
        sme_mask=number("NUMBER(sme_mask)", 10),
        phys_base=number("NUMBER(phys_base)", 10),
        stext=number("SYMBOL(_stext)", 16),
    )
