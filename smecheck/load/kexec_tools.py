"""The generations of kexec-tools: what changed in where it puts things, and when."""

from __future__ import annotations

from smecheck.load.versions import Change, Version

NEWEST: Version = (2, 0, 32)
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
    """``-d`` asks the kernel as well to tell of the load: 2.0.29 does, 2.0.25 does not."""
    ABOVE_PREF_ADDRESS = ((2, 0, 30), "07a6217")
    """No kernel is placed below its pref_address; before, from 1 MiB on."""
    ENTRY32_INIT_SIZE = ((2, 0, 30), "ec3e4df")
    """The 32-bit loader keeps init_size for the kernel; before, only the size of its file."""
