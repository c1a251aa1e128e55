"""The options of kexec on x86_64, and the names that ``--type`` takes, as data.

kexec/kexec.h (KEXEC_OPTIONS, KEXEC_OPT_STR), kexec/arch/i386/include/arch/options.h
(KEXEC_ALL_OPTIONS) and kexec/arch/x86_64/kexec-x86_64.c (file_type) of kexec-tools 2.0.25, 2.0.29
and 2.0.32; the tables in the binaries of 2.0.20, 2.0.25, 2.0.29 and 2.0.32 as Debian builds them
(tests/data/kexec-options).
"""

from __future__ import annotations

from smecheck.load.versions import ToolsChange, Version
from smecheck.record import record

ALWAYS: Version = (0, 0, 0)
"""Of what 2.0.20 has, the oldest that was looked at."""


_LIVE_UPDATE: Version = (2, 0, 21)
"""Options for a live update of Xen."""

_DEVICE_TREE: Version = (2, 0, 26)
"""2.0.25 does not know it, 2.0.29 does."""

_UNIFIED_IMAGE: Version = (2, 0, 30)

_NO_CMA: Version = (2, 0, 33)
"""Whatever comes after 2.0.32."""


@record
class KexecOption:
    """One option of kexec."""

    name: str
    takes_value: bool = False
    letter: str = ""
    """Its short form, where it has one."""
    since: Version = ALWAYS
    """The first version that knows it."""


KEXEC_OPTIONS = (
    KexecOption("help", letter="h"),
    KexecOption("version", letter="v"),
    KexecOption("force", letter="f"),
    KexecOption("no-checks", letter="i"),
    KexecOption("no-ifdown", letter="x"),
    KexecOption("no-sync", letter="y"),
    KexecOption("load", letter="l"),
    KexecOption("unload", letter="u"),
    KexecOption("exec", letter="e"),
    KexecOption("exec-live-update", since=_LIVE_UPDATE),
    KexecOption("load-preserve-context"),
    KexecOption("load-jump-back-helper"),
    KexecOption("load-live-update", since=_LIVE_UPDATE),
    KexecOption("entry", takes_value=True),
    KexecOption("type", takes_value=True, letter="t"),
    KexecOption("load-panic", letter="p"),
    KexecOption("mem-min", takes_value=True),
    KexecOption("mem-max", takes_value=True),
    KexecOption("reuseinitrd"),
    KexecOption("kexec-file-syscall", letter="s"),
    KexecOption("kexec-syscall", letter="c"),
    KexecOption("kexec-syscall-auto", letter="a"),
    KexecOption("debug", letter="d"),
    KexecOption("status", letter="S"),
    KexecOption("print-ckr-size"),
    KexecOption("hotplug", since=ToolsChange.HOTPLUG.since),
    KexecOption("no-cma", since=_NO_CMA),
    KexecOption("reset-vga"),
    KexecOption("serial", takes_value=True),
    KexecOption("serial-baud", takes_value=True),
    KexecOption("console-vga"),
    KexecOption("console-serial"),
    KexecOption("elf32-core-headers"),
    KexecOption("elf64-core-headers"),
    KexecOption("pass-memmap-cmdline"),
    KexecOption("noefi"),
    KexecOption("reuse-video-type"),
    KexecOption("command-line", takes_value=True),
    KexecOption("append", takes_value=True),
    KexecOption("reuse-cmdline"),
    KexecOption("initrd", takes_value=True),
    KexecOption("ramdisk", takes_value=True),
    KexecOption("args-elf"),
    KexecOption("args-linux"),
    KexecOption("args-none"),
    KexecOption("module", takes_value=True),
    KexecOption("real-mode"),
    KexecOption("entry-32bit"),
    KexecOption("dtb", takes_value=True, since=_DEVICE_TREE),
)
"""In the order of the program's own table, in which it lists what an abbreviation may mean."""

ELF_TYPE = "elf-x86_64"
BZIMAGE64_TYPE = "bzImage64"
BZIMAGE32_TYPE = "bzImage"

FILE_TYPES = {
    "multiboot2-x86": ALWAYS,
    ELF_TYPE: ALWAYS,
    "multiboot-x86": ALWAYS,
    "elf-x86": ALWAYS,
    BZIMAGE64_TYPE: ALWAYS,
    BZIMAGE32_TYPE: ALWAYS,
    "beoboot-x86": ALWAYS,
    "nbi-x86": ALWAYS,
    "uki": _UNIFIED_IMAGE,
}
"""What ``--type`` takes, with the first version that knows it."""


def options_of(version: Version | None) -> tuple[KexecOption, ...]:
    """Return the options that a version knows; all that any does where it is not known."""
    return tuple(one for one in KEXEC_OPTIONS if version is None or one.since <= version)
