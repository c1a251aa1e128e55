"""The form of a question that is the same for all machines that nothing distinguishes.

Machines of one model differ in the addresses and names of their devices, and from boot to boot in
where KASLR put the running kernel; so do the lines of their /proc/iomem. The canonical form leaves
out what neither loaders nor kernels nor the rules here ask a memory map for, and is answered in the
place of each of them.

What goes by which names: kexec-tools by those of ``load/candidates.py`` and ``load/crash_map.py``,
kexec_file_load and the kernels by "System RAM" and "Crash kernel", page tables by
``workarea/entry_tables.py``, "RAM buffer" and what firmware claims by ``machine/memory.py``. Of the
running kernel count the number of lines and their distances (``load/shown_kernel.py``), and for a
first boot its place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from smecheck.machine.memory import MapKind, MemoryMap, Region
from smecheck.record import replace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from smecheck.case import Case

_RAM = "system ram"
_COUNTS = (
    *("ram buffer", "reserved", "acpi", "unusable", "unknown e820"),
    *("soft reserved", "persistent memory", "efi", "gart", "kernel ", "crash kernel"),
)
"""How other names begin that anything goes by, in lower case."""
_KERNEL = "Kernel "


def canonical(question: Case) -> Case:
    """Return the question in the form that is shared by machines that nothing distinguishes."""
    memory = question.memory
    if memory is None or memory.kind is not MapKind.IOMEM:
        return question
    return replace(question, memory=canonical_map(memory, *what_counts(question)))


def what_counts(question: Case) -> tuple[bool, bool]:
    """Return whether devices count for a question, and whether the running kernel's place does.

    A device matters where another map says that there is RAM, and in a fragment, in which an
    address that no line names may be memory.
    """
    memory = question.memory
    is_fragment = memory is not None and not memory.complete
    has_other_map = question.log is not None or question.firmware is not None
    return is_fragment or has_other_map, not _is_of_a_load(question)


def canonical_map(memory: MemoryMap, devices: bool, place_of_kernel: bool) -> MemoryMap:
    """Return a map without what does not count.

    Args:
        memory: of /proc/iomem.
        devices: whether regions count that are not memory.
        place_of_kernel: whether it counts where the running kernel lies.
    """
    regions: Sequence[Region] = memory.regions
    if not devices:
        regions = [one for one in regions if _counts(one.name.lower())]
    moves = {} if place_of_kernel else _moves(regions)
    return replace(
        memory,
        regions=tuple(
            Region(
                one.name,
                one.span.moved(moves[index]) if index in moves else one.span,
                one.depth,
                0,
                memory.source,
            )
            for index, one in enumerate(regions)
        ),
        ignored_lines=(),
    )


def _counts(name: str) -> bool:
    return _RAM in name or name.startswith(_COUNTS)


def _is_of_a_load(question: Case) -> bool:
    """Return whether a kernel is asked about that kexec loads, wherever the running one is."""
    boot = question.asked
    if boot.is_first_boot or boot.load_address is not None or question.early is not None:
        return False
    says_so = boot.path is not None or boot.mode is not None or boot.loader is not None
    memory = question.memory
    is_reserved = memory is not None and bool(memory.crash_kernel)
    return says_so or question.segments is not None or is_reserved


def _moves(regions: Sequence[Region]) -> dict[int, int]:
    """Return by how much to move the running kernel to the beginning of the RAM that holds it."""
    indices = [i for i, one in enumerate(regions) if one.name.startswith(_KERNEL) and one.depth]
    if not indices:
        return {}
    first, last = regions[indices[0]], regions[indices[-1]]
    holder = next(
        (
            one
            for one in reversed(regions[: indices[0]])
            if one.depth < first.depth
            and one.span.start <= first.span.start
            and last.span.end <= one.span.end
        ),
        None,
    )
    if holder is None:
        return {}
    distance = holder.span.start - first.span.start
    return dict.fromkeys(indices, distance)
