"""What an EFI memory map is to a kernel that adds it to its e820 table."""

from __future__ import annotations

from smecheck.machine.firmware import (
    EFI_MEMORY_SP,
    E820Type,
    EfiMap,
    EfiRange,
    EfiType,
    FirmwareRange,
)

_EFI_WB = 1 << 3
_EFI_TYPES = {
    EfiType.LOADER_CODE: E820Type.RAM,
    EfiType.LOADER_DATA: E820Type.RAM,
    EfiType.BOOT_SERVICES_CODE: E820Type.RAM,
    EfiType.BOOT_SERVICES_DATA: E820Type.RAM,
    EfiType.CONVENTIONAL_MEMORY: E820Type.RAM,
    EfiType.UNUSABLE_MEMORY: E820Type.UNUSABLE,
    EfiType.ACPI_RECLAIM_MEMORY: E820Type.ACPI,
    EfiType.ACPI_MEMORY_NVS: E820Type.NVS,
    EfiType.PERSISTENT_MEMORY: E820Type.PMEM,
}
"""do_add_efi_memmap(), arch/x86/platform/efi/efi.c; all others are reserved."""


def e820_of_efi(efi: EfiMap) -> tuple[FirmwareRange, ...]:
    """Return what an EFI memory map is to a kernel that adds it to its e820 table."""
    return tuple(
        FirmwareRange(entry.span, kind, entry.where)
        for entry in efi.ranges
        for kind in [_type_of_efi(entry)]
    )


def _type_of_efi(entry: EfiRange) -> E820Type:
    kind = next((_EFI_TYPES[known] for known in _EFI_TYPES if known == entry.type), None)
    if kind is None:
        return E820Type.RESERVED
    if kind is not E820Type.RAM:
        return kind
    if entry.attribute & EFI_MEMORY_SP:
        return E820Type.SOFT_RESERVED
    return E820Type.RAM if entry.attribute & _EFI_WB else E820Type.RESERVED
