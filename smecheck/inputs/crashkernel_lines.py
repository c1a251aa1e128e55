"""The lines of a kernel log about the memory reserved for a crash kernel.

Their ends differ: up to v6.6 they give whole MiB, rounded down; since v6.7 addresses, of which the
second is exclusive.
"""

from __future__ import annotations

import re

from smecheck.model.kernel_log import CrashReservation, LogLine
from smecheck.span import Span

_MIB = 1 << 20
_ADDRESS_END = 1 << 64
# reserve_crashkernel(), arch/x86/kernel/setup.c: both numbers are shifted right by 20.
_IN_MIB = re.compile(
    r"Reserving ([0-9]{1,10})MB of (low )?memory at ([0-9]{1,12})MB for crashkernel"
)
# kernel/crash_reserve.c: "0x%016llx - 0x%016llx", base and base + size.
_BY_ADDRESS = re.compile(
    r"crashkernel (low memory )?reserved: (0x[0-9a-f]{1,16}) - (0x[0-9a-f]{1,16}) \("
)
_FAILURE = re.compile(
    r"(crashkernel (?:low )?(?:reservation|allocation) failed.{0,120}"
    r"|[Cc]annot (?:allocate|reserve) .{0,40}crashkernel.{0,80}"
    r"|crashkernel: (?:memory value expected|Memory value expected|cannot .{0,80}))"
)


def reservation(text: str, where: str) -> CrashReservation | None:
    """Read a line that tells a reservation; ``None`` if it is none."""
    if match := _IN_MIB.search(text):
        start, size = int(match[3]) * _MIB, int(match[1]) * _MIB
        is_low, in_mib = match[2] is not None, True
    elif match := _BY_ADDRESS.search(text):
        start = int(match[2], 16)
        size = int(match[3], 16) - start
        is_low, in_mib = match[1] is not None, False
    else:
        return None
    if size <= 0 or start + size > _ADDRESS_END:
        return None
    return CrashReservation(Span.sized(start, size), is_low, in_mib, where)


def failure(text: str, where: str) -> LogLine | None:
    """Read a line that says that nothing was reserved."""
    match = _FAILURE.search(text)
    return None if match is None else LogLine(match[1].strip(), where)
