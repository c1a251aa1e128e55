"""The resource tree that a load goes by, and the memory reserved in it for a crash kernel."""

from __future__ import annotations

from smecheck.load.assumptions import Assumptions
from smecheck.load.bzimage_facts import NotPredictable
from smecheck.load.request import LoadRequest, Refusal
from smecheck.machine.map_without_iomem import memory_of_firmware
from smecheck.machine.memory import MapKind, MemoryMap
from smecheck.remembered import remembered
from smecheck.span import Span

NOT_RESERVED = Refusal("Memory for crashkernel is not reserved")
"""kexec-tools, kexec/kexec.c, main(): said before either system call is made."""

_LIMIT = 8
"""kexec-tools, CRASH_RESERVED_MEM_NR."""


def known_iomem(request: LoadRequest, assumptions: Assumptions) -> MemoryMap:
    """Return /proc/iomem, or what it should show by the firmware's map.

    Raises:
        NotPredictable: neither is known.
    """
    if request.memory is not None:
        return request.memory
    if request.firmware is None:
        raise NotPredictable("neither /proc/iomem nor the firmware's memory map is given")
    assumptions.say("/proc/iomem shows the ranges of the firmware's memory map and nothing else")
    return memory_of_firmware(request.firmware, request.host.crash_kernel)


def reservations_of(request: LoadRequest, memory: MemoryMap) -> tuple[Span, ...]:
    """Return the reservations for a crash kernel, as far as kexec-tools reads them.

    Raises:
        NotPredictable: none is shown, by a map that is not whole.
    """
    reserved = _shown(memory)
    if not reserved and request.host.crash_kernel is not None:
        return (request.host.crash_kernel,)
    if not reserved and not memory.shows_kernel:
        what = "no complete /proc/iomem" if memory.kind is MapKind.IOMEM else "no /proc/iomem"
        raise NotPredictable(f"{memory.source}, {what}, shows no Crash kernel")
    return reserved


@remembered
def _shown(memory: MemoryMap) -> tuple[Span, ...]:
    return tuple(region.span for region in memory.crash_kernel)[:_LIMIT]


@remembered
def highest(reserved: tuple[Span, ...]) -> tuple[Span, ...]:
    """Return the highest of the reservations alone, where there is one."""
    return reserved[-1:]
