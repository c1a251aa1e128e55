"""What a crash kernel may write to: its reservation, and what it is handed over beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smecheck.evidence import Known, Unknown, value_of
from smecheck.load.crash_areas import ASSUMED, crash_areas, ram_of
from smecheck.remembered import remembered_by
from smecheck.span import Span, SpanSet

if TYPE_CHECKING:
    from smecheck.boot.boot import Boot
    from smecheck.case import Identified
    from smecheck.load.segments import SegmentList
    from smecheck.machine.host import Host

_LOW_MEMORY = SpanSet([Span(0, 1 << 20)])


def _decisive(found: Identified, boot: Boot) -> tuple[object, ...]:
    """Return what it follows from: not from where a load puts its segments."""
    table = None if found.segments is None else found.segments.table
    return found.memory, table, found.host, boot.path, value_of(boot.loader)


@remembered_by(_decisive)
def crash_memory(found: Identified, boot: Boot) -> SpanSet | None:
    """Return the memory that is not of the kernel that crashed, nor in its vmcore.

    ``None`` where the boot is not that of a crash kernel, or where it is not known.

    arch/x86/kernel/crash.c, crash_setup_memmap_entries() and elf_header_exclude_ranges(), v6.17:
    kexec_file_load hands areas of ``crashkernel=…,cma`` over as RAM, and leaves them out of the
    vmcore. kexec-tools does neither.
    """
    memory, segments, loader = found.memory, found.segments, boot.loader
    if not boot.path.is_crash or memory is None:
        return None
    spans = [region.span for region in memory.crash_kernel]
    if segments is not None and segments.table is not None:
        # The low 1 MiB is handed over as well, and is of the kernel that crashed.
        spans += SpanSet(ram_of(segments)) - _LOW_MEMORY
    elif isinstance(loader, Known) and loader.value.rules.hands_over_crash_cma:
        areas = crash_areas(found.host)
        spans += areas.value if isinstance(areas, Known) else ()
    return SpanSet(spans) or None


def premise_of_areas(boot: Boot, segments: SegmentList, host: Host | None) -> str | None:
    """Return what is assumed of such areas if nothing shows it; ``None`` where something does."""
    is_shown = not boot.path.is_crash or segments.table is not None
    loader = segments.loader
    has_none = isinstance(loader, Known) and not loader.value.rules.hands_over_crash_cma
    areas = crash_areas(host)
    if is_shown or has_none or isinstance(areas, Unknown) or areas.origin != ASSUMED:
        return None
    return (
        "kexec_file_load hands over nothing besides Crash kernel (crashkernel=…,cma: --dmesg, "
        "--crash-cma, or crash_cma_ranges of --host)"
    )
