"""Memory that kexec_file_load hands to a crash kernel beside its reservation: crashkernel=…,cma."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from smecheck.evidence import Fact, Known, Unknown
from smecheck.kernel.cmdline import parameters
from smecheck.load.versions import KernelChange, stated_version
from smecheck.machine.firmware import E820Type
from smecheck.span import Span

if TYPE_CHECKING:
    from smecheck.load.segments import SegmentList
    from smecheck.machine.host import Host
    from smecheck.machine.kernel_log import KernelLog


ASSUMED = "assumed"

_SHOWN = re.compile(r"([0-9a-f]{1,16})-([0-9a-f]{1,16})")


def area_of(text: str) -> Span | None:
    """Return the range that /sys/kernel/kexec/crash_cma_ranges shows as ``52000000-71ffffff``."""
    match = _SHOWN.fullmatch(text)
    if match is None:
        return None
    first, last = int(match[1], 16), int(match[2], 16)
    return Span(first, last + 1) if first <= last else None


def ram_of(segments: SegmentList) -> tuple[Span, ...]:
    """Return the RAM of the table that a load hands over; none where that is not shown."""
    ranges = segments.table.ranges if segments.table is not None else ()
    return tuple(entry.span for entry in ranges if entry.type == E820Type.RAM)


def crash_areas(host: Host | None) -> Fact[tuple[Span, ...]]:
    """Return the areas of ``crashkernel=…,cma``; none where nothing shows any.

    They are not known where the command line of the running kernel asks for some, and nothing says
    where they are.
    """
    if host is None:
        return Known((), ASSUMED)
    if isinstance(host.crash_cma_ranges, Known):
        return host.crash_cma_ranges
    release = host.kernel_release
    version = stated_version(release)
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
            f"{cmdline.origin} has crashkernel={asking[0]}, and nothing shows the ranges"
        )
    return Known((), ASSUMED if isinstance(cmdline, Unknown) else cmdline.origin)


def logged_crash_areas(log: KernelLog) -> Fact[tuple[Span, ...]]:
    """Return the areas of ``crashkernel=…,cma`` as a kernel log shows them."""
    logged = log.boot.crash_cma
    if logged is not None and logged.spans is not None:
        return Known(logged.spans, logged.where)
    return Unknown(f"{log.source} does not show them")
