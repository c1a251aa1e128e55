"""What is read out of a kernel's sections: the banner, the build-id, the texts of the SME code."""

from __future__ import annotations

import re

from smecheck.evidence import Fact, Known, Unknown
from smecheck.inputs.elf_file import ElfFile, ElfSection

BANNER_TEXT = b"Linux version "
_BANNER = re.compile(re.escape(BANNER_TEXT) + rb"([0-9][!-~]{0,127})[\s\0]")
BANNER_REACH = 256
"""Bytes from the banner's start on that hold its release."""

_NT_GNU_BUILD_ID = 3
NOTES_LIMIT = 1 << 20
"""Bytes of a note section that is read: real ones are below 1 KiB."""

SME_TEXTS = (b"mem_encrypt\0", b"Secure Memory Encryption (SME)")
"""The option's name in .init.data (sme_cmdline_arg, v4.14 to v6.8, mem_encrypt*.c) and the message
of v4.14 to v5.9: kernels of the after-end scheme have both."""


def find_banner(elf: ElfFile, sections: list[ElfSection], address: int | None) -> Fact[str]:
    """Return the release out of the "Linux version" banner.

    Args:
        elf: the file.
        sections: its sections.
        address: of the symbol linux_banner, where there are symbols.
    """
    for section in sections:
        if address is not None and section.is_allocated and section.is_in_file:
            within = address - section.address
            if 0 <= within < section.size:
                size = min(BANNER_REACH, section.size - within)
                match = _BANNER.match(elf.read(section.offset + within, size, "the banner"))
                if match:
                    return Known(match[1].decode("ascii"), "symbol linux_banner")
    for section in sections:
        if section.name == ".rodata" and section.is_in_file:
            for chunk in elf.chunks(section, BANNER_REACH):
                match = _BANNER.search(chunk)
                if match:
                    return Known(match[1].decode("ascii"), "banner in .rodata")
    return Unknown("no Linux version banner in the image")


def find_build_id(elf: ElfFile, sections: list[ElfSection]) -> Fact[str]:
    """Return the GNU build-id, in hex."""
    for section in sections:
        if section.type == "NOTE" and 0 < section.size <= NOTES_LIMIT:
            data = elf.read(section.offset, section.size, f"section {section.name}")
            for name, note_type, description in elf.iter_notes(data):
                if name == b"GNU" and note_type == _NT_GNU_BUILD_ID and description:
                    return Known(description.hex(), f"GNU build-id note in {section.name}")
    return Unknown("no GNU build-id note in the image")


def find_sme_text(elf: ElfFile, sections: list[ElfSection]) -> str | None:
    """Return a text of the SME code that the image holds, if it holds one."""
    longest = max(len(text) for text in SME_TEXTS)
    for section in sections:
        if section.is_allocated and section.is_in_file and "text" not in section.name:
            for chunk in elf.chunks(section, longest):
                for text in SME_TEXTS:
                    if text in chunk:
                        return text.rstrip(b"\0").decode("ascii")
    return None
