"""Which files of a machine are read, by their paths in reports of many ages; a table, no code.

``*`` stands for anything but ``/``. The paths are those in the root of a machine's files: sos puts
a folder ``sosreport-HOST-…/`` above them, others none. Names of commands are as sos mangles them,
which differs from version to version: hence the patterns.
"""

from __future__ import annotations

import re
from enum import Enum

from smecheck.record import record


class MemberKind(Enum):
    """What a member is read as."""

    IOMEM = "iomem"
    SYMBOLS = "symbols"
    CMDLINE = "cmdline"
    VALUE = "value"
    """A number in sysfs."""
    UNAME = "uname"
    CPUINFO = "cpuinfo"
    CPUS = "cpus"
    """lscpu, or the list of possible CPUs."""
    LOG = "log"
    """Of the running kernel."""
    CONSOLE = "console"
    """A log that somebody gave: of whichever kernels wrote it."""
    JOURNAL = "journal"
    """The same, among what else the system said, perhaps of several boots."""
    CRASHED_LOG = "crashed log"
    """Of a kernel that crashed, taken from its dump."""
    CRASH_LOG = "crash log"
    """Of the crash kernel."""
    KEXEC_OUTPUT = "kexec output"
    CONFIG = "config"
    FILES = "files"
    """A listing of files with their sizes."""
    KDUMP_SETTINGS = "kdump settings"
    """Shell variables."""
    KDUMP_CONF = "kdump.conf"
    KDUMP_STATE = "kdump state"
    """kdumpctl, kdump-config, systemctl."""
    KEXEC_COMMAND = "kexec command"
    PACKAGES = "packages"
    MEMORY_BLOCKS = "memory blocks"
    NUMA = "numa"
    VMCORE = "vmcore"
    KERNEL = "kernel"
    HOSTNAME = "host name"
    VERSION = "version"
    """Of the program that collected."""
    SECTIONS = "sections"
    """A flat file of a supportconfig."""
    PASTED_VALUES = "pasted values"
    """Lines of ``grep . /sys/kernel/kexec_*``."""
    UNKNOWN = "unknown"
    """Its content is to show what it is."""


@record
class Pattern:
    """Files that are read as one kind."""

    kind: MemberKind
    path: str
    most: int = 8
    """How many of them are read."""


PATTERNS = (
    Pattern(MemberKind.VERSION, "version.txt", 1),
    Pattern(MemberKind.HOSTNAME, "etc/hostname", 1),
    Pattern(MemberKind.HOSTNAME, "sos_commands/host/hostname", 1),
    # The plugin "pci" of sos: -n pci, or -o kernel,kdump, lose it.
    Pattern(MemberKind.IOMEM, "proc/iomem"),
    Pattern(MemberKind.CMDLINE, "proc/cmdline"),
    Pattern(MemberKind.CPUINFO, "proc/cpuinfo"),
    Pattern(MemberKind.UNAME, "sos_commands/kernel/uname*"),
    Pattern(MemberKind.UNAME, "proc/version"),
    Pattern(MemberKind.CPUS, "sos_commands/processor/lscpu"),
    Pattern(MemberKind.CPUS, "sos_commands/hardware/lscpu"),
    Pattern(MemberKind.CPUS, "sys/devices/system/cpu/possible"),
    Pattern(MemberKind.VALUE, "sys/kernel/kexec_loaded"),
    Pattern(MemberKind.VALUE, "sys/kernel/kexec_crash_loaded"),
    Pattern(MemberKind.VALUE, "sys/kernel/kexec_crash_size"),
    # Their places since v6.19; the old names stay until 2028.
    Pattern(MemberKind.VALUE, "sys/kernel/kexec/loaded"),
    Pattern(MemberKind.VALUE, "sys/kernel/kexec/crash_loaded"),
    Pattern(MemberKind.VALUE, "sys/kernel/kexec/crash_size"),
    Pattern(MemberKind.VALUE, "sys/kernel/kexec/crash_cma_ranges"),
    Pattern(MemberKind.LOG, "sos_commands/kernel/dmesg*"),
    Pattern(MemberKind.LOG, "sos_commands/general/dmesg*"),
    Pattern(MemberKind.LOG, "var/log/dmesg"),
    Pattern(MemberKind.LOG, "var/log/boot.msg"),
    Pattern(MemberKind.JOURNAL, "sos_commands/logs/journalctl_--no-pager*"),
    Pattern(MemberKind.JOURNAL, "var/log/kern.log"),
    Pattern(MemberKind.JOURNAL, "var/log/messages"),
    Pattern(MemberKind.JOURNAL, "var/log/syslog"),
    Pattern(MemberKind.SYMBOLS, "proc/kallsyms"),
    Pattern(MemberKind.CONFIG, "boot/config-*"),
    Pattern(MemberKind.CONFIG, "lib/modules/*/config"),
    Pattern(MemberKind.CONFIG, "usr/lib/modules/*/config"),
    Pattern(MemberKind.CONFIG, "proc/config.gz"),
    Pattern(MemberKind.SYMBOLS, "boot/System.map-*"),
    Pattern(MemberKind.FILES, "sos_commands/boot/ls*boot*"),
    Pattern(MemberKind.FILES, "sos_commands/grub2/ls*boot*"),
    Pattern(MemberKind.FILES, "sos_commands/boot/ls*sys.firmware*"),
    Pattern(MemberKind.FILES, "sos_commands/kdump/ls*"),
    Pattern(MemberKind.KDUMP_SETTINGS, "etc/sysconfig/kdump"),
    Pattern(MemberKind.KDUMP_SETTINGS, "etc/default/kdump-tools"),
    Pattern(MemberKind.KDUMP_CONF, "etc/kdump.conf"),
    Pattern(MemberKind.KDUMP_STATE, "sos_commands/kdump/kdumpctl*"),
    Pattern(MemberKind.KDUMP_STATE, "sos_commands/kdump/kdump-config*"),
    Pattern(MemberKind.KDUMP_STATE, "sos_commands/kdump/systemctl*"),
    Pattern(MemberKind.KDUMP_STATE, "sos_commands/systemd/systemctl_status_kdump*"),
    Pattern(MemberKind.KEXEC_OUTPUT, "sos_commands/kdump/kexec*"),
    Pattern(MemberKind.KEXEC_OUTPUT, "var/log/kdump.log"),
    Pattern(MemberKind.KEXEC_COMMAND, "var/crash/kexec_cmd"),
    Pattern(MemberKind.CRASHED_LOG, "var/crash/*/vmcore-dmesg*"),
    Pattern(MemberKind.CRASHED_LOG, "var/crash/*/dmesg.*"),
    Pattern(MemberKind.CRASHED_LOG, "var/crash/*/dmesg.txt"),
    Pattern(MemberKind.CRASH_LOG, "var/crash/*/kexec-dmesg*"),
    Pattern(MemberKind.KDUMP_STATE, "var/crash/*/vmcore-creation.status"),
    Pattern(MemberKind.VMCORE, "var/crash/*/vmcore*"),
    Pattern(MemberKind.VMCORE, "var/crash/*/dump.*"),
    Pattern(MemberKind.PACKAGES, "installed-rpms"),
    Pattern(MemberKind.PACKAGES, "installed-debs"),
    Pattern(MemberKind.PACKAGES, "sos_commands/rpm/*rpm*qa*"),
    Pattern(MemberKind.PACKAGES, "sos_commands/dpkg/dpkg_-l"),
    Pattern(MemberKind.PACKAGES, "var/lib/dpkg/status"),
    Pattern(MemberKind.MEMORY_BLOCKS, "sos_commands/memory/lsmem*"),
    Pattern(MemberKind.NUMA, "sos_commands/numa/numactl*hardware*"),
    # No report has it; a system, and what was copied by hand, may.
    Pattern(MemberKind.KERNEL, "boot/vmlinuz-*", 4),
    # A supportconfig has all of this in flat files of sections.
    Pattern(MemberKind.SECTIONS, "basic-environment.txt", 1),
    Pattern(MemberKind.SECTIONS, "boot.txt", 1),
    Pattern(MemberKind.SECTIONS, "crash.txt", 1),
    Pattern(MemberKind.SECTIONS, "env.txt", 1),
    Pattern(MemberKind.SECTIONS, "hardware.txt", 1),
    Pattern(MemberKind.SECTIONS, "memory.txt", 1),
    Pattern(MemberKind.SECTIONS, "messages.txt", 1),
    Pattern(MemberKind.SECTIONS, "proc.txt", 1),
    Pattern(MemberKind.SECTIONS, "rpm.txt", 1),
    Pattern(MemberKind.SECTIONS, "sysfs.txt", 1),
    Pattern(MemberKind.SECTIONS, "systemd.txt", 1),
)

BY_NAME = {
    "vmcore-dmesg.txt": MemberKind.CRASHED_LOG,
    "vmcore-dmesg-incomplete.txt": MemberKind.CRASHED_LOG,
    "kexec-dmesg.log": MemberKind.CRASH_LOG,
    "kexec_cmd": MemberKind.KEXEC_COMMAND,
    "vmcore": MemberKind.VMCORE,
    "vmcore-incomplete": MemberKind.VMCORE,
    "vmcore.flat": MemberKind.VMCORE,
}
"""Files that are known wherever they lie: a crash folder may be anywhere (kdump.conf, path)."""


def regex_of(path: str) -> str:
    """Return a pattern's path as a regular expression."""
    return re.escape(path).replace(r"\*", "[^/]*")


COMPILED = tuple((pattern, re.compile(regex_of(pattern.path))) for pattern in PATTERNS)
SOME = re.compile("|".join(f"(?:{regex_of(pattern.path)})" for pattern in PATTERNS))

_COMMANDS = (
    (MemberKind.LOG, re.compile(r"(?:\S*/)?dmesg(?: .*)?")),
    (MemberKind.JOURNAL, re.compile(r"(?:\S*/)?journalctl .*")),
    (MemberKind.FILES, re.compile(r"(?:\S*/)?ls -\S*(?: -\S+)* .*/(?:boot|crash|firmware)/?")),
    (MemberKind.UNAME, re.compile(r"(?:\S*/)?uname -a")),
    (MemberKind.CPUS, re.compile(r"(?:\S*/)?lscpu")),
    (MemberKind.PACKAGES, re.compile(r"(?:\S*/)?rpm -qa.*")),
    (MemberKind.MEMORY_BLOCKS, re.compile(r"(?:\S*/)?lsmem.*")),
    (MemberKind.NUMA, re.compile(r"(?:\S*/)?numactl .*")),
    (MemberKind.KDUMP_STATE, re.compile(r"(?:\S*/)?(?:kdumptool|systemctl status kdump).*")),
)
_FILE_SHOWN = re.compile(r"(?:(?:\S*/)?(?:cat|grep \.) )?/(\S+)")


def kind_of_section(title: str) -> MemberKind | None:
    """Say what a section of a supportconfig is read as: a file by its path, or a command."""
    for kind, pattern in _COMMANDS:
        if pattern.fullmatch(title):
            return kind
    shown = _FILE_SHOWN.fullmatch(title)
    if shown is None:
        return None
    found = (pattern for pattern, regex in COMPILED if regex.fullmatch(shown[1]))
    return next((pattern.kind for pattern in found), None)
