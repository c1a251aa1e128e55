"""What a file is whose name does not say: told by its first bytes, or by the lines of a text."""

from __future__ import annotations

import re

from smecheck.read.archive.member_patterns import MemberKind
from smecheck.read.archive.supportconfig import is_supportconfig
from smecheck.read.archive.tar_header import BLOCK, is_header
from smecheck.read.archive.vmcore_notes import is_vmcore
from smecheck.read.kernel.payload import compression_of
from smecheck.read.kernel.symbol_list import is_symbol_list
from smecheck.read.kinds import ELF_MAGIC, PE_MAGIC, is_bzimage
from smecheck.read.lines.journal_records import form_of
from smecheck.read.lines.mail import encoding_of_mail

ARCHIVE = "an archive in the archive"

_TEXTS = (
    (MemberKind.KERNEL, re.compile(rb"^[ \t{'\"]*schema['\"]?: *['\"]?smecheck/kernel-v1", re.M)),
    (MemberKind.KEXEC_OUTPUT, re.compile(rb"^(?:nr_segments = |segment\[[0-9]+\]\.mem)", re.M)),
    (MemberKind.CONFIG, re.compile(rb"^(?:CONFIG_\w+=|# CONFIG_\w+ is not set)", re.M)),
    (
        MemberKind.KDUMP_STATE,
        re.compile(rb"^(?:DUMP_MODE:|current state *:)|Kdump is (?:not )?operational", re.M),
    ),
    (MemberKind.KDUMP_SETTINGS, re.compile(rb"^(?:KDUMP_\w+|KEXEC_ARGS|USE_KDUMP)=", re.M)),
    (MemberKind.IOMEM, re.compile(rb"^[ \t>]*[0-9a-f]{8,}-[0-9a-f]{8,} : \S", re.M)),
    (MemberKind.CPUINFO, re.compile(rb"^vendor_id\s*: ", re.M)),
    (MemberKind.UNAME, re.compile(rb"\ALinux (?:version )?[0-9\w.-]+ .*#[0-9]+.* SMP")),
    (MemberKind.CMDLINE, re.compile(rb"\A(?:BOOT_IMAGE=|root=)\S+ [^\n]*\n?\Z")),
)
_LOG = re.compile(
    rb"^[ \t>|]*(?:<[0-9]+>)?\[ *[0-9]+\.[0-9]+\]|BIOS-e820: |Linux version [0-9]|crashkernel"
    rb"|kexec_file|Booting the kernel|Kernel panic - not syncing",
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


def kind_by_content(head: bytes, name: str) -> MemberKind | str | None:
    """Say what a file is.

    Args:
        head: its first bytes.
        name: its own name, without the folder.

    Returns:
        What it is read as; :data:`ARCHIVE`; ``None`` where it is not known.
    """
    if is_header(head[:BLOCK]):
        return ARCHIVE
    if is_vmcore(head):
        return MemberKind.VMCORE
    if head.startswith((ELF_MAGIC, PE_MAGIC)) or is_bzimage(head):
        return MemberKind.KERNEL
    if compression_of(head) is not None:
        return ARCHIVE if _ARCHIVE_NAME.search(name) else None
    if b"\0" in head[:BLOCK]:
        return None
    for pattern, kind in _NAMES:
        if pattern.fullmatch(name):
            return kind
    return _of_text(head)


def _of_text(head: bytes) -> MemberKind | None:
    if is_supportconfig(head):
        return MemberKind.SECTIONS
    if encoding_of_mail(head) is not None or form_of(head) is not None:
        return MemberKind.LOG
    if is_symbol_list(head):
        return MemberKind.SYMBOLS
    for kind, pattern in _TEXTS:
        if pattern.search(head):
            return kind
    return MemberKind.LOG if _LOG.search(head) else None
