"""What the decompressor of a kernel finds that kexec loads: the segments, and the memory map."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from smecheck.boot.boot import Boot
from smecheck.boot.early_boot import SETUP_KEXEC_KHO, EarlyBoot, SetupDataNode
from smecheck.evidence import Fact, Known, Unknown, value_of, why
from smecheck.kernel.constants import PAGE_SIZE
from smecheck.load.crash_areas import crash_areas
from smecheck.load.hidden_places import handover_is_active
from smecheck.load.segments import SegmentList, SegmentRole
from smecheck.machine.firmware import E820Type, EfiMap, FirmwareMap, FirmwareMapKind, FirmwareRange
from smecheck.remembered import remembered, remembered_by
from smecheck.span import Span, SpanSet

if TYPE_CHECKING:
    from smecheck.case import Located

_SETUP_DATA = (SegmentRole.SETUP_DATA, SegmentRole.RNG_SEED, SegmentRole.E820_EXT)
"""Segments of kexec-tools that begin with a setup_data node; a page each."""

_NODE_HEADER = 16
"""sizeof(struct setup_data), arch/x86/include/uapi/asm/setup_data.h."""

_EFI_SEGMENTS = (SegmentRole.EFI_MEMMAP, SegmentRole.OTHER)
"""What kexec_load hands an EFI machine over with, and what might be it."""


def kexec_boot(located: Located, segments: SegmentList, *, is_efi: Fact[bool]) -> EarlyBoot:
    """Return the memory as the loaded kernel's decompressor finds it.

    Args:
        located: the boot, and the machine.
        segments: of the load.
        is_efi: whether the running kernel has EFI runtime services, which kexec hands on.
    """
    params = segments.of(SegmentRole.BOOT_PARAMS)
    address: Fact[int] = Unknown(f"{segments.source} names no boot_params")
    cmdline_address, loader = address, segments.loader
    if params:
        address = Known(params[0].span.start, params[0].where)
        # kexec-tools puts the command line after the header's sectors, the kernel after
        # boot_params (kexec-bzImage64.c of both).
        after = PAGE_SIZE
        if isinstance(loader, Known) and loader.value.rules.cmdline_after_sectors:
            sectors = located.image.header.other.get("setup_sects", 0)
            after = max(after, (sectors + 1) * 512)
        cmdline_address = Known(params[0].span.start + after, params[0].where)
        if cmdline_address.value not in params[0].span:
            cmdline_address = Unknown(f"{params[0].where}: too short for a command line as well")
    nodes = [
        SetupDataNode(segment.span, 0)
        for segment in segments.segments
        if segment.role in _SETUP_DATA
    ]
    if params and _hands_over(located, segments):
        # Where in the segment of boot_params it is does not matter: that is avoided as it is.
        start = params[0].span.start
        nodes.append(SetupDataNode(Span.sized(start, _NODE_HEADER), SETUP_KEXEC_KHO))
    return EarlyBoot(
        source=segments.source,
        e820=_e820(located, segments),
        efi=_efi(segments, is_efi),
        cmdline=located.boot.cmdline,
        cmdline_address=cmdline_address,
        boot_params_address=address,
        initrd=_initrd(located.boot, segments),
        setup_data=Known(tuple(nodes), segments.source),
    )


def _initrd(boot: Boot, segments: SegmentList) -> Fact[Span | None]:
    if boot.initrd.span is not None:
        return Known(boot.initrd.span, boot.initrd.origin)
    if boot.initrd.size:
        return Unknown("the place of the initrd is not known")
    return Known(None, segments.source)


def _decides_table(located: Located, segments: SegmentList) -> tuple[object, ...]:
    kept = (*segments.of(SegmentRole.ELFCOREHDR), *segments.of(SegmentRole.BACKUP))
    return (
        located.memory,
        located.firmware,
        located.host,
        located.boot.path,
        segments.table,
        value_of(segments.loader),
        why(segments.loader),
        tuple(border for segment in kept for border in (segment.span.start, segment.span.end)),
    )


@remembered_by(_decides_table)
def _e820(located: Located, segments: SegmentList) -> Fact[FirmwareMap]:
    memory = located.memory
    if segments.table is not None:
        return Known(segments.table, f"{segments.table.source}: E820 memmap")
    if located.boot.path.is_crash:
        if memory is None or not memory.crash_kernel:
            return Unknown("the crash reservation is not known")
        reserved = SpanSet(region.span for region in memory.crash_kernel)
        # kexec/arch/i386/crashdump-x86.c and arch/x86/kernel/crash.c: what the crash kernel may
        # use, without the ELF headers and the copy of low memory.
        kept = (*segments.of(SegmentRole.ELFCOREHDR), *segments.of(SegmentRole.BACKUP))
        usable = reserved - SpanSet(segment.span for segment in kept)
        areas = _areas(located, segments)
        if isinstance(areas, Unknown):
            return areas
        # An entry each: slots do not straddle what touches.
        table = _table(memory.source, (*usable, *areas.value))
        also = f" and {areas.origin}" if areas.value else ""
        return Known(table, f"{memory.source}: Crash kernel{also}")
    if located.firmware is not None:
        return Known(located.firmware, located.firmware.source)
    if memory is None:
        return Unknown("no memory map was given")
    if not memory.complete:
        return Unknown(f"{memory.source} is a fragment of a map")
    return Known(_table(memory.source, memory.system_ram), f"{memory.source}: System RAM")


def _hands_over(located: Located, segments: SegmentList) -> bool:
    """Return whether kexec handover is known to be active in a kernel that loads by file.

    arch/x86/kernel/kexec-bzimage64.c, setup_kho(); not for a crash kernel.
    """
    loader = segments.loader
    has_none = isinstance(loader, Known) and not loader.value.rules.hands_over_kho
    if has_none or located.boot.path.is_crash or located.host is None:
        return False
    return value_of(handover_is_active(located.host)) is True


def _areas(located: Located, segments: SegmentList) -> Fact[tuple[Span, ...]]:
    """Return the areas of ``crashkernel=…,cma``, which kexec_file_load alone hands over."""
    loader = segments.loader
    if isinstance(loader, Known) and not loader.value.rules.hands_over_crash_cma:
        return Known((), loader.origin)
    areas = crash_areas(located.host)
    if isinstance(areas, Known) and areas.value and isinstance(loader, Unknown):
        return Unknown(
            f"whether kexec_file_load, which alone hands over what {areas.origin} shows, loaded it "
            "is not known (--loader)"
        )
    return areas


@remembered
def _table(name: str, ram: Iterable[Span]) -> FirmwareMap:
    ranges = (FirmwareRange(span, E820Type.RAM, name) for span in ram)
    return FirmwareMap(name, FirmwareMapKind.BOOT_PARAMS, tuple(ranges))


def _efi(segments: SegmentList, is_efi: Fact[bool]) -> Fact[EfiMap | None]:
    """Return whether an EFI memory map takes the place of the e820 table: one without free memory.

    setup_efi_state(), arch/x86/kernel/kexec-bzimage64.c, and setup_efi_info() of kexec-tools: with
    the signature goes the runtime map only, which holds no conventional memory.
    """
    if segments.of(SegmentRole.EFI_MEMMAP):
        return Known(EfiMap(segments.source, ()), "kexec hands the EFI runtime map over")
    loader = segments.loader
    is_segment = isinstance(loader, Known) and loader.value.rules.efi_map_is_segment
    if is_segment and not any(segments.of(role) for role in _EFI_SEGMENTS):
        return Known(None, f"{segments.source}: no segment holds an EFI map")
    if isinstance(is_efi, Unknown):
        return Unknown(is_efi.reason)
    if is_efi.value:
        return Known(
            EfiMap(segments.source, ()), f"kexec hands the runtime map over: {is_efi.origin}"
        )
    return Known(None, is_efi.origin)
