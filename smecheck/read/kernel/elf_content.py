"""What is read out of a kernel's sections: the banner, the build-id, the texts of the SME code."""

from __future__ import annotations

from smecheck.evidence import Fact, Known, Unknown
from smecheck.read.kernel.banner import BANNER_REACH, BANNER_TEXT, Banner, banner_at
from smecheck.read.kernel.elf_file import ElfFile, ElfSection

_GNU_BUILD_ID = (b"GNU", 3)
_BUILD_SALT = (b"Linux", 0x100)
"""include/linux/elfnote-lto.h and build-salt.h, LINUX_ELFNOTE_BUILD_SALT, v4.19 to v7.3."""

NOTES_LIMIT = 1 << 20
"""Bytes of a note section that is read: real ones are below 1 KiB."""

SME_TEXTS = (b"mem_encrypt\0", b"Secure Memory Encryption (SME)")
"""The option's name in .init.data (sme_cmdline_arg, v4.14 to v6.8, mem_encrypt*.c) and the message
of v4.14 to v5.9: kernels of the after-end scheme have both."""


def find_banner(elf: ElfFile, sections: list[ElfSection], address: int | None) -> Fact[Banner]:
    """Return the "Linux version" banner.

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
                data = elf.read(section.offset + within, size, "the banner")
                banner = _banner(data, 0) if data.startswith(BANNER_TEXT) else None
                if banner is not None:
                    return Known(banner, "symbol linux_banner")
    for section in sections:
        if section.name == ".rodata" and section.is_in_file:
            for chunk in elf.chunks(section, BANNER_REACH):
                at = -1
                while (at := chunk.find(BANNER_TEXT, at + 1)) >= 0:
                    banner = _banner(chunk, at)
                    if banner is not None:
                        return Known(banner, "banner in .rodata")
    return Unknown("no Linux version banner in the image")


def _banner(data: bytes, at: int) -> Banner | None:
    return banner_at(data, at + len(BANNER_TEXT))


def find_notes(elf: ElfFile, sections: list[ElfSection]) -> tuple[Fact[str], str | None]:
    """Return the GNU build-id, in hex, and CONFIG_BUILD_SALT, where there is one."""
    build_id: Fact[str] = Unknown("no GNU build-id note in the image")
    salt = None
    for section in sections:
        if section.type == "NOTE" and 0 < section.size <= NOTES_LIMIT:
            data = elf.read(section.offset, section.size, f"section {section.name}")
            for name, note_type, description in elf.iter_notes(data):
                if (name, note_type) == _GNU_BUILD_ID and description:
                    if isinstance(build_id, Unknown):
                        origin = f"GNU build-id note in {section.name}"
                        build_id = Known(description.hex(), origin)
                elif (name, note_type) == _BUILD_SALT and salt is None:
                    salt = description.rstrip(b"\0").decode("utf-8", "replace")
    return build_id, salt


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
