"""How files begin, and what one is that was given in the wrong place, for an error that says so."""

from __future__ import annotations

import re

from smecheck.record import record

KERNEL_LOG = "a kernel log"
TOOLS_OUTPUT = "output of kexec -d"
HYPERVISOR_LOG = "the log of the Xen hypervisor (xl dmesg)"
_SAMPLE = 64 << 10


@record
class TextKind:
    """A kind of text that people hold in their hands."""

    description: str
    pattern: str
    """How one of its lines begins; compiled where a text is asked about."""
    as_kernel: str
    """What to do where it was given as the kernel."""


_KINDS = (
    TextKind(
        "Debian's stub of a System.map",
        r"^[0-9a-f]{16} B The real System\.map",
        "Debian's vmlinuz carries its symbols: give that one, or the vmlinux of the "
        "linux-image-*-dbg package",
    ),
    TextKind(
        "a System.map or /proc/kallsyms",
        r"^[0-9a-f]{8,16} [A-Za-z] \S+",
        "give the list alone, without the text before it",
    ),
    TextKind(
        TOOLS_OUTPUT,
        (
            r"^(?:nr_segments = |segment\[\d+\]\.|kernel: 0x[0-9a-f]+ kernel_size: "
            r"|MEMORY RANGES$|[0-9a-f]{16}-[0-9a-f]{16} (?::|\())"  # its echo of a memory map
        ),
        "give it with --segments, and a vmlinux or a description as KERNEL",
    ),
    TextKind(
        "an iomem dump",
        r"^ *[0-9a-f]{8,}-[0-9a-f]{8,} : ",
        "give it with --iomem, and a vmlinux or a description as KERNEL",
    ),
    TextKind(
        "a kernel configuration",
        r"^(?:CONFIG_\w+=|# CONFIG_\w+ is not set)",
        "give it with --config, and the kernel as KERNEL; a configuration alone places nothing",
    ),
    TextKind(
        HYPERVISOR_LOG,
        r"^\(XEN\) ",
        "give the kernel as KERNEL, and the kernel log of the domain with --dmesg",
    ),
    TextKind(
        KERNEL_LOG,
        r"^(?:<\d+>)?\[ *\d+\.\d+\]",
        "give it with --dmesg, or with --segments for the segments alone, and a vmlinux or a "
        "description as KERNEL",
    ),
)


def kind_of_text(text: str) -> TextKind | None:
    """Tell what the text is, if it is one of the known kinds; descriptions in YAML are none."""
    sample = text[:_SAMPLE]
    return next((kind for kind in _KINDS if re.search(kind.pattern, sample, re.MULTILINE)), None)


BOOT_MAGIC = b"HdrS"
BOOT_MAGIC_OFFSET = 0x202  # Documentation/arch/x86/boot.rst, "header"
ELF_MAGIC = b"\x7fELF"
PE_MAGIC = b"MZ"
KDUMP_MAGIC = b"KDUMP   "  # makedumpfile, diskdump_mod.h

GZIP_MAGIC = b"\x1f\x8b"
GZIP_DEFLATE_MAGIC = GZIP_MAGIC + b"\x08"
XZ_MAGIC = b"\xfd7zXZ\0"
BZIP2_MAGIC = b"BZh"
LZMA_MAGIC = b"\x5d\0\0"
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
LZ4_LEGACY_MAGIC = b"\x02\x21\x4c\x18"
LZ4_FRAME_MAGIC = b"\x04\x22\x4d\x18"
LZO_MAGIC = b"\x89LZO\0\r\n\x1a\n"
"""How what is compressed begins: the kernel's lib/decompress.c, and the formats themselves."""

_MAGICS = {
    b"!<arch>\n": "a .deb package or an ar archive",
    b"\xed\xab\xee\xdb": "an rpm package",
    b"070701": "a cpio archive (an initrd?)",
    b"070702": "a cpio archive (an initrd?)",
    KDUMP_MAGIC: "a compressed vmcore",
    b"hsqs": "a squashfs image",
    b"PK\x03\x04": "a zip archive",
    ELF_MAGIC: "an ELF file",
}
ARM64_MAGIC = b"ARM\x64"
ARM64_MAGIC_OFFSET = 0x38  # Documentation/arch/arm64/booting.rst
_TAR_MAGIC = b"ustar"
_TAR_MAGIC_OFFSET = 257


def is_bzimage(head: bytes) -> bool:
    """Return whether a file that begins with ``head`` has the setup header of an x86 kernel."""
    return head[BOOT_MAGIC_OFFSET : BOOT_MAGIC_OFFSET + len(BOOT_MAGIC)] == BOOT_MAGIC


def is_arm64_image(head: bytes) -> bool:
    """Return whether a file that begins with ``head`` is an arm64 kernel."""
    return head[ARM64_MAGIC_OFFSET : ARM64_MAGIC_OFFSET + len(ARM64_MAGIC)] == ARM64_MAGIC


def kind_of_binary(head: bytes) -> str | None:
    """Tell what a file is that begins with ``head``, if it is one of the known kinds."""
    if is_bzimage(head):
        return "a bzImage (vmlinuz)"
    if is_arm64_image(head):
        return "an arm64 kernel (Image)"
    if head[_TAR_MAGIC_OFFSET:].startswith(_TAR_MAGIC):
        return "a tar archive"
    for magic, kind in _MAGICS.items():
        if head.startswith(magic):
            return kind
    return "a PE/COFF program" if head.startswith(PE_MAGIC) else None
