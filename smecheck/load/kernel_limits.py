"""What the running kernel itself allows of a load, whoever placed it."""

from __future__ import annotations

from collections.abc import Iterable

from smecheck.load.segments import Segment
from smecheck.machine.memory import MemoryMap
from smecheck.remembered import remembered
from smecheck.span import Span

MORE_THAN_HALF = "the segments take more than half of the running kernel's memory"


@remembered
def system_ram(memory: MemoryMap) -> tuple[Span, ...]:
    """Return the resources that walk_system_ram_res() finds, without what drivers manage.

    "System RAM (kmem)" and the like are passed over (IORESOURCE_SYSRAM_DRIVER_MANAGED); what lies
    inside "System RAM" is not taken off.
    """
    ram: list[Span] = []
    for region in memory.named("System RAM"):
        if not ram or region.span.start >= ram[-1].end:
            ram.append(region.span)
    return tuple(ram)


def takes_too_much(segments: Iterable[Segment], memory: MemoryMap) -> bool:
    """Return whether the kernel surely refuses the load for its size.

    kernel/kexec_core.c, sanity_check_segment_list(): no more than half of totalram_pages(), which
    is somewhat less than all System RAM.
    """
    total = sum(segment.span.size for segment in segments)
    return memory.complete and total > _size(system_ram(memory)) // 2


@remembered
def _size(spans: tuple[Span, ...]) -> int:
    return sum(span.size for span in spans)
