"""What somebody holds after a crash kernel failed, what it says, and what follows from it."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from smecheck.record import record

if TYPE_CHECKING:
    from smecheck.answer import Report, Verdict
    from smecheck.kernel.image import KernelConfig, KernelImage
    from smecheck.load.segments import SegmentList
    from smecheck.machine.kernel_log import KernelLog
    from smecheck.machine.memory import MemoryMap


class FactName(Enum):
    """What a fact is about."""

    HOST = "host"
    COLLECTED_BY = "collected_by"
    """The program that collected the evidence, and its version."""
    RELEASE = "release"
    CMDLINE = "cmdline"
    CRASH_CMDLINE = "crash_cmdline"
    MEMORY_MAP = "memory_map"
    RESERVATION = "reservation"
    RESERVATION_FAILED = "reservation_failed"
    KEXEC_LOADED = "kexec_loaded"
    CRASH_LOADED = "crash_loaded"
    LOADED_AT_CRASH = "loaded_at_crash"
    """What an oops says of the crash kernel."""
    CRASH_SIZE = "crash_size"
    CRASH_CMA = "crash_cma_ranges"
    LOADER = "loader"
    KEXEC_COMMAND = "kexec_command"
    KEXEC_ARGS = "kexec_args"
    CMDLINE_SET = "crash_cmdline_set"
    """A command line that the configuration gives whole."""
    CMDLINE_APPEND = "crash_cmdline_append"
    CMDLINE_REMOVE = "crash_cmdline_remove"
    CRASH_CPUS = "crash_cpus"
    """KDUMP_CPUS of SUSE."""
    CRASH_KERNEL_VERSION = "crash_kernel_version"
    """KDUMP_KERNELVER: another kernel than the one that runs."""
    DISTRIBUTION = "kdump_of"
    """Whose scripts load the crash kernel: red-hat, debian, suse."""
    DUMP_TARGET = "dump_target"
    KDUMP_STATE = "kdump_state"
    LOAD = "load"
    """Where a recorded load put the kernel."""
    LOAD_FAILED = "load_failed"
    INITRD_SIZE = "initrd_size"
    KERNEL_FILE_SIZE = "kernel_file_size"
    SYMBOLS = "symbols"
    CONFIG = "config"
    CPUS = "cpus"
    """Possible CPUs."""
    ONLINE_CPUS = "online_cpus"
    CPU_VENDOR = "cpu_vendor"
    CPU_FLAGS = "cpu_flags"
    """Those of memory encryption and of page sizes."""
    BOOT_APICID = "boot_apicid"
    EFI = "efi"
    HYPERVISOR = "hypervisor"
    KEXEC_TOOLS = "kexec_tools"
    SME = "sme"
    SME_MASK = "sme_mask"
    SNP_HOST = "snp_host"
    NUMA = "numa_nodes"
    MEMORY_OFFLINE = "memory_offline"
    VMCORE = "vmcore"
    SECOND_KERNEL = "second_kernel"
    """A line that the crash kernel wrote."""
    SIGN = "sign"
    """A line by which a failure is known."""


@record
class TriageFact:
    """Something that a member says."""

    name: FactName
    value: str
    member: str
    """The file, by its path in the root of the machine's files."""
    line: int | None = None

    @property
    def place(self) -> str:
        """Where it stands: ``proc/cmdline:1``."""
        return self.member if self.line is None else f"{self.member}:{self.line}"


class Sign(Enum):
    """A line of a log by which a failure is known."""

    OUT_OF_MEMORY = "out of memory"
    INITRAMFS = "the initramfs could not be unpacked"
    NO_ROOT = "no root file system"
    INIT_KILLED = "init was killed"
    GARBAGE_POINTER = "a pointer of random bits"
    UNPACKED = "the decompressor has done its work"
    DUMP_TARGET = "the dump could not be written"
    DUMP_SAVED = "the dump was saved"
    CORRUPT_DUMP = "the dump does not make sense"
    PURGATORY = "purgatory found the segments changed"
    CRASHED = "the first kernel crashed"
    LATE_ESRT = "the ESRT was overwritten"


@record
class SeenSign:
    """A sign, and the line that is one."""

    sign: Sign
    text: str
    member: str
    line: int
    of_crash_kernel: bool
    """Whether it was the crash kernel that wrote it."""

    @property
    def place(self) -> str:
        """Where it stands: ``console.log:17``."""
        return f"{self.member}:{self.line}"


@record
class ListedFile:
    """A file in a listing: ``/boot/vmlinuz-6.1.0``."""

    path: str
    size: int
    member: str
    line: int


@record
class MissingFact:
    """Something that is not known, and how to get it."""

    what: str
    why: str
    """What it would decide."""
    command: str
    """The one command that gets it."""


@record
class UnusableMember:
    """A member that is there and says nothing."""

    what: str
    """Which fact it would have given."""
    member: str
    reason: str


@record
class LogEvidence:
    """A kernel log among the members."""

    log: KernelLog
    loads: tuple[SegmentList, ...]
    """The last load of each mode that it shows."""
    is_crash: bool
    """Whether a crash kernel wrote it."""
    is_running: bool
    """Whether the system wrote it that the other members are of, since it was last booted."""


@record
class Evidence:
    """All that was read of the sources."""

    sources: tuple[str, ...]
    facts: tuple[TriageFact, ...] = ()
    iomems: tuple[MemoryMap, ...] = ()
    logs: tuple[LogEvidence, ...] = ()
    loads: tuple[SegmentList, ...] = ()
    """Of output of kexec."""
    symbols: tuple[KernelImage, ...] = ()
    configs: tuple[KernelConfig, ...] = ()
    kernels: tuple[KernelImage, ...] = ()
    signs: tuple[SeenSign, ...] = ()
    files: tuple[ListedFile, ...] = ()
    unusable: tuple[UnusableMember, ...] = ()
    remarks: tuple[str, ...] = ()
    """What was not read, and why."""

    def said(self, name: FactName) -> tuple[TriageFact, ...]:
        """Return what the members say of something, in the order of reading."""
        return tuple(fact for fact in self.facts if fact.name is name)

    def one(self, name: FactName) -> TriageFact | None:
        """Return the first fact of a name, if all members that say it agree."""
        facts = self.said(name)
        values = {fact: _comparable(fact) for fact in facts}
        longest = max(values.values(), key=len, default="")
        if name is FactName.CMDLINE:
            # A message of the log is cut after 1 KiB; CONFIG_CMDLINE comes before it.
            agree = all(value in longest for value in values.values())
        else:
            agree = all(value == longest for value in values.values())
        fitting = [fact for fact in facts if values[fact] == longest]
        return max(fitting, key=lambda fact: len(fact.value), default=None) if agree else None


_ADDED_BY_KEXEC = ("elfcorehdr=", "acpi_rsdp=", "memmap=")
"""Words that kexec adds to the command line that it is given."""


def _comparable(fact: TriageFact) -> str:
    """Return a value without what differs from member to member."""
    words = fact.value.split()
    if fact.name is FactName.CRASH_CMDLINE:
        words = [word for word in words if not word.startswith(_ADDED_BY_KEXEC)]
    return " ".join(words)


class FailureClass(Enum):
    """Where a crash kernel failed, by the letter of the stage."""

    RESERVATION = "R"
    LOAD = "L"
    JUMP = "J"
    PLACEMENT = "P"
    DECOMPRESSION = "D"
    MEMORY = "M"
    INITRAMFS = "I"
    CORRUPTION = "C"


@record
class Exclusion:
    """A class that it is not."""

    failure: FailureClass
    why: str


@record
class Lookalike:
    """A known failure that looks the same, and what it is known by."""

    name: str
    kernels: str
    """The range of releases that have it."""
    why: str
    """What in the evidence points to it."""


@record
class Budget:
    """The memory that a crash kernel needs, beside what is reserved for it; bytes."""

    reserved: int
    kernel: int
    initrd: int
    """Its size; three times that is needed."""
    encryption: int
    """The bounce buffers that SME forces."""
    kernel_from: str
    initrd_from: str

    @property
    def needed(self) -> int:
        """The sum."""
        return self.kernel + 3 * self.initrd + self.encryption


@record
class Diagnosis:
    """The class of a failure, and how it was found."""

    failure: FailureClass | None
    """``None`` where nothing shows a failure, or it cannot be found."""
    summary: str
    evidence: tuple[str, ...]
    excluded: tuple[Exclusion, ...]
    do_now: tuple[str, ...]
    experiment: str
    """What to try next to distinguish the remaining classes."""
    suspects: tuple[str, ...]
    """Where to look next, the most likely first."""
    cautions: tuple[str, ...]
    lookalikes: tuple[Lookalike, ...]


@record
class Contradiction:
    """What two members say of the same thing."""

    name: str
    facts: tuple[TriageFact, ...]
    used: str
    """What was made of it."""


@record
class TriageReport:
    """The answer."""

    sources: tuple[str, ...]
    verdict: Verdict
    headline: str
    report: Report | None
    """The placement analysis; ``None`` where there was not enough for one."""
    diagnosis: Diagnosis
    facts: tuple[TriageFact, ...]
    contradictions: tuple[Contradiction, ...]
    missing: tuple[MissingFact, ...]
    budget: Budget | None
    remarks: tuple[str, ...]
