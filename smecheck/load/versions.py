"""Versions of kexec-tools and of kernels that load: what changed in where they put things."""

from __future__ import annotations

import re
from enum import Enum

from smecheck.evidence import Fact, Known

Version = tuple[int, int, int]

_VERSION = r"(?:[0-9]+:)?v?([0-9]{1,6})\.([0-9]{1,6})(?:\.([0-9]{1,6}))?"


def parse_version(text: str) -> Version | None:
    """Return the numbers that a version begins with: ``6.1.0-56-amd64`` is (6, 1, 0).

    It is what people and packages write: ``v6.9``, ``kexec-tools 2.0.25``, the epoch of a Debian
    package, and the third number counts. The release that an image itself shows is read more
    narrowly, by ``version_of`` of ``kernel/identity.py``.

    Returns:
        ``None`` where the text is not a version.
    """
    match = re.match(_VERSION, text.strip().removeprefix("kexec-tools").strip())
    if match is None:
        return None
    major, minor, patch = match.groups()
    return int(major), int(minor), int(patch or 0)


def stated_version(fact: Fact[str]) -> Version | None:
    """Return the version that a fact states, where it is known and is one."""
    return parse_version(fact.value) if isinstance(fact, Known) else None


def version_text(version: Version) -> str:
    """Print a version: ``2.0.25``."""
    return ".".join(map(str, version))


class Change(Enum):
    """What a version of a program brought: the first version that has it, and the commit."""

    def __init__(self, since: Version, commit: str) -> None:
        self.since = since
        """The first version that has it."""
        self._commit = commit

    @property
    def source(self) -> str:
        """The version and the commit, for a derivation."""
        return f"{version_text(self.since)} ({self._commit})"

    def is_in(self, version: Version) -> bool:
        """Return whether that version has it."""
        return version >= self.since


NEWEST_TOOLS: Version = (2, 0, 32)
"""What is assumed where the version is not known."""


class ToolsChange(Change):
    """What a version of kexec-tools brought."""

    COUNTS_LAST_BYTE = ((2, 0, 6), "6145726")
    """locate_hole() uses the last byte of a range; before, it lay one page lower from the top."""
    HIGH_CRASH_KERNEL = ((2, 0, 11), "4fbf781")
    """The last "Crash kernel" line counts; before, the largest."""
    RESERVED_IN_ANY_CASE = ((2, 0, 21), '"Reserved" of /proc/iomem')
    """Lines "Reserved" of /proc/iomem count; before, only "reserved", as kernels wrote it once."""
    WHOLE_VECTOR_TABLE = ((2, 0, 22), "774a16b")
    """The interrupt vector table is 0x400 bytes long; before, 0x100."""
    HOTPLUGGED_RAM = ((2, 0, 22), '"System RAM (kmem)" of /proc/iomem')
    """What drivers made System RAM is dumped as well, "System RAM (kmem)" and the like."""
    SHRINKS_RESERVATIONS = ((2, 0, 22), "add_memmap()")
    """A reservation is cut to whole KiB; before, one that is not whole KiB was refused."""
    MORE_CRASH_RANGES = ((2, 0, 22), "CRASH_MAX_MEMORY_RANGES")
    """32768 ranges may be dumped; before, 2050."""
    RNG_SEED = ((2, 0, 25), "6cd3e94")
    """A seed for the random number generator is passed in setup_data."""
    FALLS_BACK = ((2, 0, 25), "EFALLBACK")
    """Where the kernel does not take an image or its arguments, kexec_load is tried, or kexec says
    that kexec_file_load is not available. So do 2.0.25 and later that were run; 2.0.20 does not."""
    FILE_LOAD_FIRST = ((2, 0, 27), "29fe506")
    """kexec_file_load is tried first, where no option says otherwise."""
    HOTPLUG = ((2, 0, 28), "--hotplug")
    """An elfcorehdr that the kernel may update, with ``--hotplug``; before, no such option."""
    DEBUG_FLAG = ((2, 0, 29), "KEXEC_FILE_DEBUG")
    """``-d`` asks the kernel as well to log the load: 2.0.29 does, 2.0.25 does not."""
    ABOVE_PREF_ADDRESS = ((2, 0, 30), "07a6217")
    """No kernel is placed below its pref_address; before, from 1 MiB on."""
    ENTRY32_INIT_SIZE = ((2, 0, 30), "ec3e4df")
    """The 32-bit loader keeps init_size for the kernel; before, only the size of its file."""


NEWEST_KERNEL: Version = (7, 3, 0)
"""What is assumed where the running kernel is not known: the newest whose rules were checked."""


class KernelChange(Change):
    """What a release of the kernel brought."""

    NO_BACKUP = ((5, 5, 0), "7c321eb2b843")
    """The low 1 MiB is reserved, so that nothing of it is backed up nor described."""
    LARGE_PURGATORY = ((5, 10, 0), "seen in Debian's 5.10")
    """The purgatory takes a page more: its size is that of the compiled code, not of a rule, and of
    kernels before v5.10 none was looked at."""
    SMALL_PURGATORY = ((6, 0, 0), "seen in Debian's 6.1")
    """The purgatory takes that page less again, up to v7.3."""
    RNG_SEED = ((6, 0, 0), "68b8e9713c8e")
    """A seed for the random number generator is passed with boot_params."""
    IMA = ((6, 0, 0), "b69a2afd5afc")
    """The measurement list of IMA may be passed on (CONFIG_IMA_KEXEC)."""
    CRASH_HOTPLUG = ((6, 6, 0), "CONFIG_CRASH_HOTPLUG")
    """elfcorehdr has room for every CPU and range that may come."""
    DEBUG_FLAG = ((6, 8, 0), "KEXEC_FILE_DEBUG")
    """The flag that asks for messages is taken; before, a load with it was refused."""
    FROM_HIGHEST_RANGE = ((6, 8, 0), "b3ba234171cd")
    """The highest range of RAM is tried first; before, the lowest one, even from its top."""
    COUNTS_LAST_BYTE = ((6, 8, 0), "18d565ea95fe")
    """The last byte of a range is used; before, the first segment lay one page lower."""
    ABOVE_PREF_ADDRESS = ((6, 9, 0), "43b1d3e68ee7")
    """No kernel is placed below its pref_address; before, from 1 MiB on."""
    HANDOVER = ((6, 16, 0), "CONFIG_KEXEC_HANDOVER")
    """With kexec handover active, only its scratch areas are searched, but for a crash."""
    DM_CRYPT_KEYS = ((6, 16, 0), "CONFIG_CRASH_DM_CRYPT")
    """A crash kernel may be given keys of dm-crypt, in a segment at a random place."""
    CONTIGUOUS = ((6, 17, 0), "kexec_alloc_contig()")
    """An area for contiguous memory (CMA), where there is one, is tried first, but for a crash."""
    NO_CMA_FLAG = ((6, 17, 0), "KEXEC_FILE_NO_CMA")
    """The flag that forbids such areas is taken; before, a load with it was refused."""
    CRASH_CMA = ((6, 17, 0), "crashkernel=…,cma")
    """A crash kernel is given areas for contiguous memory beside its reservation."""
    KEEPS_MEMBLOCK = ((6, 18, 0), "INTEL_TDX_HOST beside KEXEC_CORE")
    """memblock's free ranges may be walked (CONFIG_ARCH_KEEP_MEMBLOCK), but for a crash."""
