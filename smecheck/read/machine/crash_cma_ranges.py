"""Reading /sys/kernel/kexec/crash_cma_ranges: what a crash kernel may use beside its reservation.

A line for each range, its end inclusive; nothing where ``crashkernel=…,cma`` was not given. Read of
a guest of 7.3.4.
"""

from __future__ import annotations

from smecheck.errors import UnreadableInput, WrongKind
from smecheck.evidence import Known
from smecheck.load.crash_areas import area_of
from smecheck.read.source import Source, decode_text, display_name, reading
from smecheck.span import Span

_LIMIT = 4 << 10
"""A file of sysfs is a page at most."""
_HELP = "copy it from the machine: cat /sys/kernel/kexec/crash_cma_ranges"


def read_crash_cma_ranges(source: Source) -> Known[tuple[Span, ...]]:
    """Read the ranges, with where they were read; there may be none.

    Raises:
        UnreadableInput: it cannot be read, or is not text.
        WrongKind: a line of it is not a range.
    """
    name = display_name(source)
    with reading(source) as stream:
        data = stream.read(_LIMIT + 1)
    if len(data) > _LIMIT:
        raise UnreadableInput("is larger than a file of sysfs", where=name, help_text=_HELP)
    spans = []
    for number, line in enumerate(decode_text(data, name).splitlines(), 1):
        if not line.strip():
            continue
        span = area_of(line.strip())
        if span is None:
            raise WrongKind(
                "is not a list of ranges like 52000000-71ffffff",
                where=f"{name}:{number}",
                help_text=_HELP,
            )
        spans.append(span)
    return Known(tuple(spans), name)
