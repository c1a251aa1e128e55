"""boot_params, the "zero page": what a boot loader tells a kernel."""

from __future__ import annotations

from collections.abc import Mapping

from smecheck.model.firmware import FirmwareMap
from smecheck.record import record
from smecheck.span import Span


@record
class EfiInfo:
    """Where boot_params say that the EFI memory map lies."""

    signature: str
    """``EL64`` or ``EL32``."""
    address: int
    size: int
    descriptor_size: int


@record
class BootParams:
    """The fields of boot_params that say what lies where."""

    source: str
    e820: FirmwareMap
    """Its e820 table, in order."""
    initrd: Span | None
    """ramdisk_image and ramdisk_size with their ext_ fields; ``None`` where both are 0."""
    cmdline_address: int
    """cmd_line_ptr with its ext_ field; 0 where there is none."""
    setup_data: int
    """Address of the first node of the list; 0 where there is none."""
    efi: EfiInfo | None
    """``None`` where there is no EFI signature."""
    acpi_rsdp: int
    """0 where it is not passed."""
    loader_type: int
    """type_of_loader: 0x21 under the EFI stub."""
    header: Mapping[str, int]
    """The copy of the kernel's setup header: init_size, pref_address, …; empty under the EFI stub,
    which leaves it out."""
