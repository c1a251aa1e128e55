"""What a binary file is that is no kernel, for an error that says so."""

from __future__ import annotations

BOOT_MAGIC = b"HdrS"
BOOT_MAGIC_OFFSET = 0x202  # Documentation/arch/x86/boot.rst, "header"
ELF_MAGIC = b"\x7fELF"
PE_MAGIC = b"MZ"

_MAGICS = {
    b"!<arch>\n": "a .deb package or an ar archive",
    b"\xed\xab\xee\xdb": "an rpm package",
    b"070701": "a cpio archive (an initrd?)",
    b"070702": "a cpio archive (an initrd?)",
    b"KDUMP   ": "a compressed vmcore",
    b"hsqs": "a squashfs image",
    b"PK\x03\x04": "a zip archive",
    ELF_MAGIC: "an ELF file",
}
_TAR_MAGIC = b"ustar"
_TAR_MAGIC_OFFSET = 257


def is_bzimage(head: bytes) -> bool:
    """Tell whether a file that begins with ``head`` has the setup header of an x86 kernel."""
    return head[BOOT_MAGIC_OFFSET : BOOT_MAGIC_OFFSET + len(BOOT_MAGIC)] == BOOT_MAGIC


def kind_of_binary(head: bytes) -> str | None:
    """Tell what a file is that begins with ``head``, if it is one of the known kinds."""
    if is_bzimage(head):
        return "a bzImage (vmlinuz)"
    if head[_TAR_MAGIC_OFFSET:].startswith(_TAR_MAGIC):
        return "a tar archive"
    for magic, kind in _MAGICS.items():
        if head.startswith(magic):
            return kind
    return "a PE/COFF program" if head.startswith(PE_MAGIC) else None
