"""The configuration that a kernel embeds, with CONFIG_IKCONFIG=y: a gzip file after a marker.

kernel/configs.c: ``IKCFG_ST``, the file, ``IKCFG_ED``, all in .rodata. The symbol
kernel_config_data stands after the first marker since v5.1 (13610aa908dc), at it before.
"""

from __future__ import annotations

from smecheck.errors import InputError
from smecheck.kernel.image import KernelConfig
from smecheck.read.kernel.config import parse_config, unpacked
from smecheck.read.kernel.elf_file import ElfFile, ElfSection
from smecheck.read.kinds import GZIP_DEFLATE_MAGIC

_MARKER = b"IKCFG_ST"
_START = _MARKER + GZIP_DEFLATE_MAGIC
_PACKED_LIMIT = 1 << 20
"""Bytes of the gzip file that are read; a distribution's has 60 KiB."""


def find_ikconfig(
    elf: ElfFile, sections: list[ElfSection], address: int | None
) -> KernelConfig | None:
    """Return the configuration in the image; ``None`` if there is none, or a damaged one.

    Args:
        elf: the file.
        sections: its sections.
        address: of the symbol kernel_config_data; ``None`` to search .rodata for the marker.
    """
    for section in sections:
        if not section.is_allocated or not section.is_in_file:
            continue
        if address is None:
            if section.name == ".rodata":
                return _config(_searched(elf, section))
        elif 0 <= address - section.address < section.size:
            return _config(_at(elf, section, address - section.address))
    return None


def _at(elf: ElfFile, section: ElfSection, within: int) -> bytes:
    begin = max(within - len(_MARKER), 0)
    size = min(_PACKED_LIMIT, section.size - begin)
    data = elf.read(section.offset + begin, size, "the embedded configuration")
    at = data.find(_START, 0, 2 * len(_MARKER) + len(_START))
    return data[at + len(_MARKER) :] if at >= 0 else b""


def _searched(elf: ElfFile, section: ElfSection) -> bytes:
    packed = b""
    for chunk in elf.chunks(section, len(_START)):
        if packed:
            packed += chunk[len(_START) :]
        elif (at := chunk.find(_START)) >= 0:
            packed = chunk[at + len(_MARKER) :]
        if packed and (len(packed) >= _PACKED_LIMIT or unpacked(packed) is not None):
            break
    return packed


def _config(packed: bytes) -> KernelConfig | None:
    text = unpacked(packed)
    if text is None:
        return None
    try:
        return parse_config(text.decode("utf-8", "replace"), "embedded configuration")
    except InputError:
        # It is only a complement: the kernel itself may well be sound.
        return None
