"""The generations of kexec_file_load: what changed in where the kernel puts things, and when."""

from __future__ import annotations

from smecheck.load.versions import Change, Version

NEWEST: Version = (7, 3, 0)
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
