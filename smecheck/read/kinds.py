"""What each kind of text and file is known by: for whoever reads it, or finds it among others.

And what one is that was given in the wrong place, for an error that says so.
"""

from __future__ import annotations

import re

from smecheck.record import record

QUOTED = r"^[ \t>]*"
"""What may stand before a line in a mail; the patterns below are of what follows it."""
IOMEM_LINE = r"[0-9a-f]{8,}-[0-9a-f]{8,} : \S"
"""A resource of /proc/iomem: r_show(), kernel/resource.c."""
SYMBOL_LINE = r"[0-9a-f]{8,16}[ \t]+[A-Za-z?][ \t]+\S"
"""A symbol as nm, System.map and /proc/kallsyms list it."""
CONFIG_LINE = r"(?:CONFIG_\w+=|# CONFIG_\w+ is not set\b)"
"""An option as conf_write() writes it: scripts/kconfig/confdata.c."""
SEGMENT_LINE = r"(?:nr_segments = |segment\[[0-9]+\]\.)"
"""Of the list that kexec -d prints: kexec-tools, kexec/kexec.c, print_segments()."""
STAMPED_LINE = r"(?:<[0-9]+>)?\[ *[0-9]+\.[0-9]+\]"
"""Of a kernel's ring buffer: print_time(), kernel/printk/printk.c."""
BANNER_LINE = r"Linux version [0-9]"
"""With which a kernel's log begins: linux_banner, init/version.c."""

_SAMPLE = 64 << 10


@record
class TextKind:
    """A kind of text that people hold in their hands."""

    description: str
    pattern: str
    """How one of its lines begins; compiled where a text is asked about."""
    as_kernel: str
    """What to do where it was given as the kernel."""


_BINARY = TextKind("a binary file (compressed?)", r"\0", "give a vmlinux or a vmlinuz")
KEXEC_OUTPUT = TextKind(
    "output of kexec -d",
    rf"{QUOTED}(?:{SEGMENT_LINE}|kernel: 0x[0-9a-f]+ kernel_size: "
    r"|MEMORY RANGES$|[0-9a-f]{16}-[0-9a-f]{16} (?::|\())",  # its echo of a memory map
    "give it with --segments, and a vmlinux or a description as KERNEL",
)
XEN_LOG = TextKind(
    "the log of the Xen hypervisor (xl dmesg)",
    r"^\(XEN\) ",
    "give the kernel as KERNEL, and the kernel log of the domain with --dmesg",
)
KERNEL_LOG = TextKind(
    "a kernel log",
    rf"^{STAMPED_LINE}",
    "give it with --dmesg, or with --segments for the segments alone, and a vmlinux or a "
    "description as KERNEL",
)
_KINDS = (
    TextKind(
        "Debian's stub of a System.map",
        r"^[0-9a-f]{16} B The real System\.map",
        "Debian's vmlinuz carries its symbols: give that one, or the vmlinux of the "
        "linux-image-*-dbg package",
    ),
    TextKind(
        "a System.map or /proc/kallsyms",
        QUOTED + SYMBOL_LINE,
        "give the list alone, without the text before it",
    ),
    KEXEC_OUTPUT,
    TextKind(
        "an iomem dump",
        QUOTED + IOMEM_LINE,
        "give it with --iomem, and a vmlinux or a description as KERNEL",
    ),
    TextKind(
        "a kernel configuration",
        rf"^{CONFIG_LINE}",
        "give it with --config, and the kernel as KERNEL; a configuration alone places nothing",
    ),
    XEN_LOG,
    KERNEL_LOG,
)


def kind_of_text(text: str) -> TextKind | None:
    """Say what the text is, if it is one of the known kinds; descriptions in YAML are not."""
    sample = text[:_SAMPLE]
    return next((kind for kind in _KINDS if re.search(kind.pattern, sample, re.MULTILINE)), None)


def kind_of_sample(sample: bytes) -> TextKind | None:
    """Say what a file is that begins with ``sample`` and was taken for a text of another kind."""
    return _BINARY if b"\0" in sample else kind_of_text(sample.decode("utf-8", "replace"))


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
    b"\xd0\x0d\xfe\xed": "a flattened device tree (a FIT image?)",
    b"\x27\x05\x19\x56": "a U-Boot image (uImage)",
    b"ANDROID!": "an Android boot image",
    b"makedumpfile": "a vmcore in makedumpfile's flattened format",
    ELF_MAGIC: "an ELF file (a vmlinux or a core dump?)",
}
ARM64_MAGIC = b"ARM\x64"
ARM64_MAGIC_OFFSET = 0x38  # Documentation/arch/arm64/booting.rst
EFI_ZBOOT_MAGIC = b"MZ\0\0zimg"  # drivers/firmware/efi/libstub/zboot-header.S
_TAR_MAGIC = b"ustar"
_TAR_MAGIC_OFFSET = 257


def is_bzimage(head: bytes) -> bool:
    """Return whether a file that begins with ``head`` has the setup header of an x86 kernel."""
    return head[BOOT_MAGIC_OFFSET : BOOT_MAGIC_OFFSET + len(BOOT_MAGIC)] == BOOT_MAGIC


def is_foreign_kernel(head: bytes) -> bool:
    """Return whether a file that begins with ``head`` is a kernel of another architecture."""
    return is_arm64_image(head) or head.startswith(EFI_ZBOOT_MAGIC)


def is_arm64_image(head: bytes) -> bool:
    """Return whether a file that begins with ``head`` is an arm64 kernel."""
    return head[ARM64_MAGIC_OFFSET : ARM64_MAGIC_OFFSET + len(ARM64_MAGIC)] == ARM64_MAGIC


def kind_of_binary(head: bytes) -> str | None:
    """Say what a file is that begins with ``head``, if it is one of the known kinds."""
    if is_bzimage(head):
        return "a bzImage (vmlinuz)"
    if is_arm64_image(head):
        return "an arm64 kernel (Image)"
    if head.startswith(EFI_ZBOOT_MAGIC):
        return "an EFI zboot image (an arm64, RISC-V or LoongArch kernel)"
    if head[_TAR_MAGIC_OFFSET:].startswith(_TAR_MAGIC):
        return "a tar archive"
    for magic, kind in _MAGICS.items():
        if head.startswith(magic):
            return kind
    return "a PE/COFF program" if head.startswith(PE_MAGIC) else None
