"""What a crash kernel may write to: its reservation, and what it is handed over beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smecheck.boot.boot import Path
from smecheck.evidence import Fact, Known, Unknown
from smecheck.kernel.cmdline import parameters
from smecheck.load.file_load_generations import KernelChange
from smecheck.load.segments import Loader
from smecheck.load.versions import parse_version
from smecheck.machine.firmware import E820Type
from smecheck.span import Span, SpanSet

if TYPE_CHECKING:
    from smecheck.boot.boot import Boot
    from smecheck.load.segments import SegmentList
    from smecheck.machine.host import Host
    from smecheck.machine.kernel_log import KernelLog
    from smecheck.machine.memory import MemoryMap

_LOW_MEMORY = SpanSet([Span(0, 1 << 20)])
_ASSUMED = "assumed"


def crash_memory(
    memory: MemoryMap, boot: Boot, segments: SegmentList | None, host: Host | None
) -> SpanSet:
    """Return the memory that is not of the kernel that crashed, nor in its vmcore.

    arch/x86/kernel/crash.c, crash_setup_memmap_entries() and elf_header_exclude_ranges(), v6.17:
    kexec_file_load hands areas of ``crashkernel=…,cma`` over as RAM, and leaves them out of the
    vmcore. kexec-tools does neither.
    """
    spans = [region.span for region in memory.crash_kernel]
    if segments is not None and segments.table is not None:
        # The low 1 MiB is handed over as well, and is of the kernel that crashed.
        return SpanSet([*spans, *(SpanSet(ram_of(segments)) - _LOW_MEMORY)])
    loader = boot.loader
    if isinstance(loader, Known) and loader.value is Loader.KEXEC_FILE_LOAD:
        areas = crash_areas(host)
        spans += areas.value if isinstance(areas, Known) else ()
    return SpanSet(spans)


def ram_of(segments: SegmentList) -> tuple[Span, ...]:
    """Return the RAM of the table that a load hands over; none where that is not shown."""
    ranges = segments.table.ranges if segments.table is not None else ()
    return tuple(entry.span for entry in ranges if entry.type == E820Type.RAM)


def crash_areas(host: Host | None) -> Fact[tuple[Span, ...]]:
    """Return the areas of ``crashkernel=…,cma``; none where nothing tells of any.

    They are not known where the command line of the running kernel asks for some, and nothing says
    where they are.
    """
    if host is None:
        return Known((), _ASSUMED)
    if isinstance(host.crash_cma_ranges, Known):
        return host.crash_cma_ranges
    release = host.kernel_release
    version = parse_version(release.value) if isinstance(release, Known) else None
    if version is not None and not KernelChange.CRASH_CMA.is_in(version):
        return Known((), f"{version[0]}.{version[1]} knows no crashkernel=…,cma")
    cmdline = host.cmdline
    asking = (
        [
            value
            for name, value in parameters(cmdline.value)
            if name == "crashkernel" and value is not None and value.endswith(",cma")
        ]
        if isinstance(cmdline, Known)
        else []
    )
    if asking and isinstance(cmdline, Known):
        return Unknown(
            f"{cmdline.origin} has crashkernel={asking[0]}, and nothing tells the ranges"
        )
    return Known((), _ASSUMED if isinstance(cmdline, Unknown) else cmdline.origin)


def premise_of_areas(boot: Boot, segments: SegmentList, host: Host | None) -> str | None:
    """Return what is taken for granted of such areas where nothing tells; ``None`` if it does."""
    is_told = boot.path is not Path.KDUMP or segments.table is not None
    by_tools = isinstance(segments.loader, Known) and segments.loader.value is Loader.KEXEC_LOAD
    areas = crash_areas(host)
    if is_told or by_tools or isinstance(areas, Unknown) or areas.origin != _ASSUMED:
        return None
    return (
        "kexec_file_load hands nothing over beside Crash kernel (crashkernel=…,cma: --dmesg, "
        "--crash-cma, or crash_cma_ranges of --host)"
    )


def logged_crash_areas(log: KernelLog) -> Fact[tuple[Span, ...]]:
    """Return the areas of ``crashkernel=…,cma`` as a kernel log shows them."""
    told = log.boot.crash_cma
    if told is not None and told.spans is not None:
        return Known(told.spans, told.where)
    return Unknown(f"{log.source} does not show them")
