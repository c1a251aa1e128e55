"""What the decompressor of a first boot finds, and what lies around the kernel then."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smecheck.boot.early_boot import EarlyBoot, SetupDataNode
from smecheck.evidence import Fact, Known, Unknown, first_known
from smecheck.kernel.constants import PAGE_SIZE
from smecheck.load.segments import Segment, SegmentList, SegmentOrigin, SegmentRole
from smecheck.machine.firmware import E820Type, EfiMap, FirmwareMap, FirmwareMapKind, FirmwareRange
from smecheck.record import replace
from smecheck.span import Span

if TYPE_CHECKING:
    from smecheck.boot.boot import UnpackRules
    from smecheck.case import Located

_BOOT_PARAMS, _CMDLINE = "boot_params", "the command line"

_NOTHING_GIVEN = Unknown("no boot_params were given")


def first_boot(located: Located) -> EarlyBoot:
    """Return the memory as the decompressor finds it, and where it unpacks the kernel to."""
    early = located.early or EarlyBoot("", _NOTHING_GIVEN, _NOTHING_GIVEN, _NOTHING_GIVEN)
    boot = located.log.boot if located.log is not None else None
    ramdisk = boot.ramdisk if boot is not None else None
    logged_output = (
        boot.decompressor.output
        if boot is not None and boot.decompressor is not None
        else Unknown("no log of the decompressor")
    )
    return replace(
        early,
        source=early.source or "the machine",
        e820=first_known(early.e820, _e820(located)),
        efi=early.efi if isinstance(early.efi, Known) else _efi(located, early.efi),
        cmdline=first_known(located.boot.cmdline, early.cmdline),
        initrd=early.initrd
        if isinstance(early.initrd, Known) or ramdisk is None
        else Known(ramdisk.span, ramdisk.where),
        setup_data=early.setup_data
        if isinstance(early.setup_data, Known) or boot is None or not boot.setup_data
        else Known(
            tuple(SetupDataNode(node.span, 0) for node in boot.setup_data),
            boot.setup_data[0].where,
        ),
        output=first_known(early.output, logged_output, _assumed_output(located.rules)),
        output_is_assumed=isinstance(early.output, Unknown) and isinstance(logged_output, Unknown),
    )


def _assumed_output(unpack: UnpackRules) -> Fact[int]:
    """Return LOAD_PHYSICAL_ADDR: the lowest place, and where most boot loaders load to."""
    lowest = unpack.load_physical_address
    if isinstance(lowest, Unknown):
        return lowest
    return Known(lowest.value, "LOAD_PHYSICAL_ADDR, assumed")


def _efi(located: Located, otherwise: Unknown) -> Fact[EfiMap | None]:
    """Return the EFI memory map, or that there is none, as far as a kernel log shows."""
    boot = located.log.boot if located.log is not None else None
    if boot is None:
        return otherwise
    if boot.efi_map is not None:
        return Known(boot.efi_map, boot.efi_map.source)
    if boot.efi_tables or boot.efi_runtime_map is not None:
        return Unknown("the kernel log mentions EFI, but has no memory map (efi=debug prints it)")
    if boot.begins and boot.is_up:
        return Known(None, "the kernel log does not mention EFI")
    return otherwise


def _e820(located: Located) -> Fact[FirmwareMap]:
    boot = located.log.boot if located.log is not None else None
    if boot is not None and boot.firmware_map is not None:
        return Known(boot.firmware_map, boot.firmware_map.source)
    if located.firmware is not None:
        return Known(located.firmware, located.firmware.source)
    memory = located.memory
    if memory is None or not memory.complete:
        return Unknown("neither an e820 table nor a complete memory map was given")
    name = memory.source
    ranges = (FirmwareRange(s, E820Type.RAM, name) for s in memory.system_ram)
    table = FirmwareMap(name, FirmwareMapKind.BOOT_PARAMS, tuple(ranges))
    return Known(table, f"{name}: System RAM")


def around_first_boot(early: EarlyBoot) -> SegmentList | None:
    """Return what lies in memory beside the kernel, in the form of a load; ``None`` if it is open.

    Only a description shows where boot_params lie: a boot loader may put them anywhere.
    """
    if isinstance(early.initrd, Unknown) or isinstance(early.setup_data, Unknown):
        return None
    unplaced = [
        name
        for name, address in (
            (_BOOT_PARAMS, early.boot_params_address),
            (_CMDLINE, early.cmdline_address),
        )
        if isinstance(address, Unknown)
    ]
    found: list[Segment] = []

    def add(role: SegmentRole, span: Span, where: str) -> None:
        if span:
            found.append(Segment(role, span, span.size, SegmentOrigin.DESCRIPTION, where))

    if early.initrd.value is not None:
        add(SegmentRole.INITRD, early.initrd.value, early.initrd.origin)
    if isinstance(early.boot_params_address, Known):
        span = Span.sized(early.boot_params_address.value, PAGE_SIZE)
        add(SegmentRole.BOOT_PARAMS, span, early.boot_params_address.origin)
    if isinstance(early.cmdline_address, Known) and early.cmdline_address.value:
        length = len(early.cmdline.value) + 1 if isinstance(early.cmdline, Known) else PAGE_SIZE
        span = Span.sized(early.cmdline_address.value, length)
        add(SegmentRole.CMDLINE, span, early.cmdline_address.origin)
    for node in early.setup_data.value:
        add(SegmentRole.SETUP_DATA, node.span, early.setup_data.origin)
    unknown = Unknown("no kexec loaded this kernel")
    ordered = tuple(sorted(found, key=lambda segment: segment.span))
    return SegmentList(
        early.source, ordered, unknown, unknown, early.cmdline, unplaced=tuple(unplaced)
    )


def of_first_boot(listed: SegmentList) -> SegmentList:
    """Return a list of what a boot loader loaded; it has put boot_params and a command line too."""
    params = listed.of(SegmentRole.BOOT_PARAMS)
    has_cmdline = bool(listed.of(SegmentRole.CMDLINE))
    unplaced = [] if params else [_BOOT_PARAMS]
    # boot_params are a page; what is larger holds the command line as well.
    if not has_cmdline and not any(segment.span.size > PAGE_SIZE for segment in params):
        unplaced.append(_CMDLINE)
    return replace(listed, unplaced=tuple(unplaced))
