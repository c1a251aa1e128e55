"""What was not checked, so that a "clear" is never read as more than it says."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from smecheck.boot.boot import Boot
from smecheck.evidence import Fact, Known, Unknown
from smecheck.load.segments import SegmentRole
from smecheck.machine.memory import MapKind, MemoryMap, Missing
from smecheck.quantity import count_text

if TYPE_CHECKING:
    from smecheck.boot.kaslr.slots import KaslrSweep
    from smecheck.case import Resolved
    from smecheck.load.segments import SegmentList
    from smecheck.machine.kernel_log import KernelLog


def not_checked(resolved: Resolved) -> tuple[str, ...]:
    """List what the answer leaves open."""
    boot, memory, placement = resolved.boot, resolved.memory, resolved.actual
    load = _of_load(boot, resolved.segments, resolved.not_predicted)
    gaps = [*_of_machine(memory), *_of_firmware(resolved.log), *load]
    if boot.path.is_crash and memory is not None and not memory.crash_kernel:
        gaps.append(f"the crash reservation: {memory.source} has no line Crash kernel")
    gaps += _of_kaslr(boot, resolved.places)
    if placement is not None and placement.extents is not None and not placement.written_is_exact:
        gaps.append(f"how many page-table pages are written: {placement.reason}")
    gaps.append("caches, wbinvd and DMA; memory budget; mappings after the early encryption")
    return tuple(gaps)


def _of_kaslr(boot: Boot, kaslr: Fact[KaslrSweep]) -> list[str]:
    if isinstance(kaslr, Unknown):
        if boot.base_is_certain or isinstance(boot.kernel_base, Unknown):
            return []
        return [f"the possible KASLR positions: {kaslr.reason}"]
    sweep = kaslr.value
    return [*(f"KASLR: {bound}" for bound in sweep.bounds), *sweep.differences]


def _of_machine(memory: MemoryMap | None) -> list[str]:
    if memory is None:
        return ["whether the workarea is System RAM: no memory map was given"]
    gaps = [f"memory that {memory.source} does not show: {_not_shown(memory.kind)}"]
    if not memory.complete:
        gaps.append(f"memory missing from {memory.source}: it is a fragment of a map")
    if Missing.END in memory.missing:
        gaps.append(f"memory and Crash kernel past the end of {memory.source}: it seems cut off")
    if memory.ignored_lines:
        gaps.append(
            f"{count_text(len(memory.ignored_lines), 'line')} of {memory.source} that are not "
            f"resources (first: line {memory.ignored_lines[0]})"
        )
    return gaps


def _of_firmware(log: KernelLog | None) -> list[str]:
    if log is None or log.boot.efi_map is not None or not log.boot.efi_tables:
        return []
    return [
        f"memory that the EFI firmware uses: {log.source} has no EFI memory map (efi=debug on the "
        "command line of the running kernel prints it)"
    ]


def _not_shown(kind: MapKind) -> str:
    """Say what is missing from a memory map of that kind by design."""
    match kind:
        case MapKind.IOMEM:
            return (
                "firmware tables (ESRT, EFI) and memblock reservations are missing from it by "
                "design"
            )
        case MapKind.KERNEL_LOG:
            return (
                "it is the e820 map of the kernel that wrote the log; memory that was added or "
                "taken later, firmware tables (ESRT, EFI), memblock reservations and the place of "
                "the running kernel are missing from it"
            )
        case MapKind.FIRMWARE:
            return (
                "it is the firmware's map; what the kernel and its command line (mem=, memmap=) "
                "took from it, memory that was added later, firmware tables (ESRT, EFI) and "
                "memblock reservations are missing from it"
            )
        case MapKind.EFI:
            return (
                "it is the map of the EFI firmware; what the boot loader, the kernel and its "
                "command line made of it, and memblock reservations are missing from it"
            )
        case MapKind.RESERVATION:
            return "it is the crash reservation and nothing else"
        case MapKind.LOAD:
            return (
                "it is the table that the load hands over; what the kernel that loads knows "
                "besides, firmware tables (ESRT, EFI) and memblock reservations are missing from it"
            )
        case _:
            assert_never(kind)


def _of_load(boot: Boot, segments: SegmentList | None, not_predicted: str | None) -> list[str]:
    if segments is not None and segments.predicted:
        return [
            "whether the load is in memory, and where: it is predicted, not recorded",
            "kexec's control pages and page tables: they are ordinary memory, not predictable",
        ]
    if segments is not None:
        gaps = ["kexec's control pages and page tables: no segment list shows them"]
        unnamed = _unnamed(boot, segments)
        if unnamed:
            gaps.append(f"{' and '.join(unnamed)}: {segments.source} does not name them")
        return gaps
    if not boot.path.by_kexec:
        return ["command line, initrd, boot_params and setup_data of the first boot"]
    if not_predicted is not None:
        loader = boot.loader.value.value if isinstance(boot.loader, Known) else "kexec"
        return [f"the segments that {loader} would place: {not_predicted}"]
    if isinstance(boot.loader, Unknown):
        return ["the segments of a load: none were given"]
    return [f"the segments that {boot.loader.value.value} would place: none were given"]


def _unnamed(boot: Boot, segments: SegmentList) -> list[str]:
    """Return what every load of that kind has, and the list does not name."""
    if not boot.path.by_kexec or segments.of(SegmentRole.OTHER):
        return []
    of_crash = (SegmentRole.ELFCOREHDR,) if boot.path.is_crash else ()
    return [role.value for role in (SegmentRole.PURGATORY, *of_crash) if not segments.of(role)]
