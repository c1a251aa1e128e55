"""What a file is whose name does not say: known by its first bytes, or by the lines of a text.

A mail, or what somebody put together for a ticket, may be several things at once.
"""

from __future__ import annotations

import re

from smecheck.read.archive.member_patterns import MemberKind
from smecheck.read.archive.supportconfig import is_supportconfig
from smecheck.read.archive.tar_header import BLOCK, is_header
from smecheck.read.archive.vmcore_notes import is_vmcore
from smecheck.read.kernel.payload import compression_of
from smecheck.read.kernel.symbol_list import is_symbol_list
from smecheck.read.kinds import (
    BANNER_LINE,
    CONFIG_LINE,
    ELF_MAGIC,
    IOMEM_LINE,
    PE_MAGIC,
    QUOTED,
    SEGMENT_LINE,
    STAMPED_LINE,
    is_bzimage,
)
from smecheck.read.lines.journal_records import form_of
from smecheck.read.log.decompressor_lines import STEP

_TEXTS = (
    (MemberKind.KERNEL, re.compile(rb"^[ \t{'\"]*schema['\"]?: *['\"]?smecheck/kernel-v1", re.M)),
    (MemberKind.CONFIG, re.compile(rf"^{CONFIG_LINE}".encode(), re.M)),
    (MemberKind.KDUMP_SETTINGS, re.compile(rb"^(?:KDUMP_\w+|KEXEC_ARGS|USE_KDUMP)=", re.M)),
    (MemberKind.CPUINFO, re.compile(rb"^vendor_id\s*: ", re.M)),
    (MemberKind.UNAME, re.compile(rb"\ALinux (?:version )?[0-9\w.-]+ .*#[0-9]+.* SMP")),
    (MemberKind.CMDLINE, re.compile(rb"\A(?:BOOT_IMAGE=|root=)\S+ [^\n]*\n?\Z")),
)
"""What a text is as a whole."""
_PARTS = (
    (MemberKind.IOMEM, re.compile((QUOTED + IOMEM_LINE).encode(), re.M)),
    (MemberKind.PASTED_VALUES, re.compile(rb"^[ \t>]*/sys/kernel/kexec[\w/]*: ?[0-9]", re.M)),
    (
        MemberKind.KDUMP_STATE,
        re.compile(rb"^(?:DUMP_MODE:|current state *:)|Kdump is (?:not )?operational", re.M),
    ),
    (
        MemberKind.KEXEC_OUTPUT,
        re.compile(rf"{SEGMENT_LINE}|^[^\n]{{0,80}}\bkexec -".encode(), re.M),
    ),
)
"""What may stand in a text beside others."""
_LOG = re.compile(
    rf"^[ \t>|]*{STAMPED_LINE}|{BANNER_LINE}|{STEP.begins.pattern}".encode()
    + rb"|BIOS-e820: |crashkernel|kexec_file|Kernel panic - not syncing",
    re.MULTILINE,
)
_ARCHIVE_NAME = re.compile(r"\.(?:tar(?:\.\w{1,5})?|t[gx]z|tbz2?)$")
_NAMES = (
    (re.compile(r"(?:proc_)?cmdline(?:\.txt)?"), MemberKind.CMDLINE),
    (re.compile(r"(?:proc_)?cpuinfo.*"), MemberKind.CPUINFO),
    (re.compile(r"uname[-_]a(?:\.txt)?"), MemberKind.UNAME),
    (re.compile(r"(?:sys_kernel_)?kexec_(?:crash_)?(?:loaded|size)(?:\.txt)?"), MemberKind.VALUE),
    (re.compile(r"vmcore-dmesg.*|dmesg\.[0-9]{8,}"), MemberKind.CRASHED_LOG),
    (re.compile(r"kexec-dmesg.*"), MemberKind.CRASH_LOG),
    (re.compile(r"kdump\.conf"), MemberKind.KDUMP_CONF),
    (re.compile(r"kdump-tools|kdump"), MemberKind.KDUMP_SETTINGS),
    (re.compile(r"ls_?-.*|ls-.*boot.*"), MemberKind.FILES),
    (re.compile(r"(?:installed-)?(?:rpms|debs|rpm-qa|dpkg-l).*"), MemberKind.PACKAGES),
    (re.compile(r"lsmem.*"), MemberKind.MEMORY_BLOCKS),
)


def is_archive(head: bytes, name: str) -> bool:
    """Return whether a file is an archive itself.

    Args:
        head: its first bytes.
        name: its own name, without the folder.
    """
    is_packed = compression_of(head) is not None
    return is_header(head[:BLOCK]) or (is_packed and _ARCHIVE_NAME.search(name) is not None)


def kinds_by_content(head: bytes, name: str) -> tuple[MemberKind, ...]:
    """Say what a file is read as; nothing where it is not known.

    Args:
        head: its first bytes.
        name: its own name, without the folder.
    """
    if is_vmcore(head):
        return (MemberKind.VMCORE,)
    if head.startswith((ELF_MAGIC, PE_MAGIC)) or is_bzimage(head):
        return (MemberKind.KERNEL,)
    if compression_of(head) is not None or b"\0" in head[:BLOCK]:
        return ()
    for pattern, kind in _NAMES:
        if pattern.fullmatch(name):
            return (kind,)
    return _of_text(head)


def _of_text(head: bytes) -> tuple[MemberKind, ...]:
    if is_supportconfig(head):
        return (MemberKind.SECTIONS,)
    if form_of(head) is not None:
        return (MemberKind.CONSOLE,)
    if is_symbol_list(head):
        return (MemberKind.SYMBOLS,)
    for kind, pattern in _TEXTS:
        if pattern.search(head):
            return (kind,)
    parts = [kind for kind, pattern in _PARTS if pattern.search(head)]
    return (*parts, MemberKind.CONSOLE) if _LOG.search(head) else tuple(parts)
