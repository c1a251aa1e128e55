"""The lines of a kernel log about memory that is kept contiguous (CMA), and whose it is.

Every area is announced in the same words. Which of them the kernel allocates from by default, as
kexec_file_load does since v6.17, shows in what follows: areas that are reserved for a crash kernel,
or for huge pages, are summed up in a line after their own.
"""

from __future__ import annotations

import re

from smecheck.machine.kernel_log import CrashCma, LogLine, LogSpan
from smecheck.read.lines.known_lines import ANNOTATED, About, KnownLine
from smecheck.span import Span

_MIB = 1 << 20
_ADDRESS_END = 1 << 64
_AREAS_LIMIT = 64
"""MAX_CMA_AREAS, include/linux/cma.h: 8 to 20."""

# mm/cma.c, __cma_declare_contiguous_nid(): whole MiB, rounded down; areas are multiples of more.
AREA = KnownLine(
    About.OTHER,
    ("cma: Reserved",),
    r"cma: Reserved\b",
    rf"cma: Reserved ([0-9]{{1,9}}) MiB at (0x[0-9a-f]{{1,16}})(?: on node -?[0-9]+)?{ANNOTATED}",
)
# kernel/crash_reserve.c, reserve_crashkernel_cma(): when all it could get is there.
OF_CRASH_KERNEL = KnownLine(
    About.OTHER,
    ("crashkernel CMA",),
    r"crashkernel CMA\b",
    r"crashkernel CMA (?:(reservation not supported)|(?:reserved: ([0-9]{1,9}) MB"
    r"|reservation failed: [0-9]{1,9} MB requested, ([0-9]{1,9}) MB reserved) "
    rf"in ([0-9]{{1,2}}) ranges?){ANNOTATED}",
)
# mm/hugetlb_cma.c, hugetlb_cma_reserve(): after the area of each node.
OF_HUGE_PAGES = KnownLine(
    About.OTHER,
    ("hugetlb_cma: reserved",),
    r"hugetlb_cma: reserved\b",
    rf"hugetlb_cma: reserved [0-9]{{1,9}} MiB on node [0-9]+{ANNOTATED}",
)
# init/main.c, print_unknown_bootoptions().
IGNORED = KnownLine(
    About.OTHER,
    ("Unknown kernel command line",),
    r"Unknown kernel command line parameters ",
    r'Unknown kernel command line parameters "(.{1,4000})", will be passed to user space\.?.*',
)
LINES = (AREA, OF_CRASH_KERNEL, OF_HUGE_PAGES, IGNORED)


class ContiguousMemory:
    """What the lines of one boot said so far."""

    def __init__(self) -> None:
        self.areas: list[LogSpan] = []
        """Areas that nothing says to be kept for a crash kernel or for huge pages."""
        self.crash: CrashCma | None = None
        self.ignored: LogLine | None = None
        """The words of the command line that the kernel does not know."""

    def feed(self, kind: KnownLine, where: str, match: re.Match[str]) -> None:
        """Take in a line of one of :data:`LINES`."""
        if kind is AREA:
            self._on_area(where, match)
        elif kind is OF_CRASH_KERNEL:
            self._on_crash_kernel(where, match)
        elif kind is OF_HUGE_PAGES:
            del self.areas[-1:]
        else:
            self.ignored = LogLine(match[1].strip(), where)

    def _on_area(self, where: str, match: re.Match[str]) -> None:
        """Take in an area."""
        start, size = int(match[2], 16), int(match[1]) * _MIB
        if size and start + size <= _ADDRESS_END and len(self.areas) < _AREAS_LIMIT:
            self.areas.append(LogSpan(Span.sized(start, size), where))

    def _on_crash_kernel(self, where: str, match: re.Match[str]) -> None:
        """Take away the last areas, if they are what is summed up."""
        if match[1]:
            self.crash = CrashCma((), where)
            return
        first = len(self.areas) - int(match[4])
        last = self.areas[first:] if first >= 0 else []
        if sum(area.span.size for area in last) != int(match[2] or match[3]) * _MIB:
            self.crash = CrashCma(None, where)
            return
        del self.areas[first:]
        self.crash = CrashCma(tuple(area.span for area in last), where)
