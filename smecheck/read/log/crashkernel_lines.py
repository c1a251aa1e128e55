"""The lines of a kernel log about the memory reserved for a crash kernel.

Their ends differ: up to v6.6 they give whole MiB, rounded down; since v6.7 addresses, of which the
second is exclusive.
"""

from __future__ import annotations

import re

from smecheck.kernel.constants import PAGE_SIZE
from smecheck.machine.kernel_log import CrashReservation, LogLine
from smecheck.read.lines.known_lines import ANNOTATED, About, KnownLine
from smecheck.span import Span

_MIB = 1 << 20
_ADDRESS_END = 1 << 64
_TAG = r"(?:(?:kexec|kexec_core|crash_core|crash_reserve|setup): )?"
"""pr_fmt() of the file that says it, which changed with the years."""

# reserve_crashkernel(), arch/x86/kernel/setup.c: both numbers are shifted right by 20.
IN_MIB = KnownLine(
    About.CRASH_KERNEL,
    ("Reserving", "crashkernel"),
    r"Reserving [0-9]{1,10}(?:MB\b|$)",
    r"Reserving ([0-9]{1,10})MB of (low )?memory at ([0-9]{1,12})MB for crashkernel"
    rf"(?: \((?:System RAM|low RAM limit|System low RAM): [0-9]{{1,12}}MB\))?{ANNOTATED}",
)
# kernel/crash_reserve.c: "0x%016llx - 0x%016llx (%lld MB)", base and base + size.
BY_ADDRESS = KnownLine(
    About.CRASH_KERNEL,
    ("crashkernel",),
    rf"{_TAG}crashkernel(?: (?:low(?: (?:memory|$)|$)|reserved\b|$)|$)",
    rf"{_TAG}crashkernel (low memory )?reserved: (0x[0-9a-f]{{1,16}}) - (0x[0-9a-f]{{1,16}}) "
    rf"\(([0-9]{{1,12}}) MB\){ANNOTATED}",
)
# parse_crashkernel_mem() and its neighbours, kernel/crash_core.c, later crash_reserve.c;
# reserve_crashkernel() of v4.14 to v7.3; the line about "auto" is of RHEL 7 and 8.
FAILURE = KnownLine(
    About.CRASH_KERNEL,
    ("crashkernel", "Memory value expected"),
    rf"{_TAG}(?:crashkernel (?:low )?(?:reservation|allocation)\b|[Cc]annot (?:allocate|reserve)\b"
    r".{0,40}crashkernel|crashkernel: |crashkernel size|crashkernel=auto|Ignoring crashkernel"
    r"|Memory value expected)",
    rf"{_TAG}(crashkernel (?:low )?(?:reservation|allocation) failed.{{0,120}}"
    r"|[Cc]annot (?:allocate|reserve) .{0,40}crashkernel.{0,80}"
    r"|crashkernel: (?:[Mm]emory value expected|unrecognized char|'-' expected|':' expected"
    r"|end <= start|invalid size|cannot ).{0,80}"
    r"|crashkernel size resulted in zero bytes.{0,40}"
    r"|crashkernel=auto resulted in zero bytes of reserved memory\.?"
    r"|Ignoring crashkernel for a Xen PV domain.{0,40}"
    r"|Memory value expected.{0,20})",
)
LINES = (IN_MIB, BY_ADDRESS, FAILURE)


def reserved_in_mib(match: re.Match[str], where: str) -> CrashReservation | None:
    """Read a line that gives whole MiB; ``None`` if they are not memory."""
    start, size = int(match[3]) * _MIB, int(match[1]) * _MIB
    return _reservation(start, size, where, is_low=match[2] is not None, in_mib=True)


def reserved_by_address(match: re.Match[str], where: str) -> CrashReservation | None:
    """Read a line that gives addresses; ``None`` where they and the size in it do not agree.

    Or where it does not begin with a page, as each reservation does.
    """
    start, end = int(match[2], 16), int(match[3], 16)
    if (end - start) // _MIB != int(match[4]) or start % PAGE_SIZE:
        return None
    return _reservation(start, end - start, where, is_low=match[1] is not None, in_mib=False)


def _reservation(
    start: int, size: int, where: str, *, is_low: bool, in_mib: bool
) -> CrashReservation | None:
    if size <= 0 or start + size > _ADDRESS_END:
        return None
    return CrashReservation(Span.sized(start, size), is_low, in_mib, where)


def failure(match: re.Match[str], where: str) -> LogLine:
    """Read a line that says why nothing was reserved."""
    return LogLine(match[1].strip(), where)
