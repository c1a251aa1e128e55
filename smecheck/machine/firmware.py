"""The memory of a machine as its firmware shows it: the e820 table and the EFI memory map.

Unlike the resource tree of /proc/iomem, it is what the firmware said before any kernel changed it.
Tables keep the order of their source: the kernel scans them in that order.
"""

from __future__ import annotations

from enum import Enum, IntEnum

from smecheck.machine.memory import Missing
from smecheck.record import record
from smecheck.span import Span


class E820Type(IntEnum):
    """The types of e820 entries that have names: arch/x86/include/asm/e820/types.h."""

    RAM = 1
    RESERVED = 2
    ACPI = 3
    NVS = 4
    UNUSABLE = 5
    PMEM = 7
    PRAM = 12
    RESERVED_KERN = 128
    """Memory that the kernel keeps to itself, such as setup_data; RAM to everybody else."""
    SOFT_RESERVED = 0xEFFFFFFF


UNNAMED_TYPE = 0
"""For a type that its source names in no known way: "Unknown E820 type". It is not RAM."""


class FirmwareMapKind(Enum):
    """Where a firmware map was read from; they do not all show the same."""

    SYSFS = "memmap"
    """/sys/firmware/memmap: the map as the firmware gave it (e820_table_firmware)."""
    E820_LOG = "e820-log"
    """The e820 lines of a kernel log."""
    BOOT_PARAMS = "boot-params"
    """The e820 table of boot_params, as the boot loader passed it."""
    HOST = "host"
    """``firmware_map`` of a host description."""


@record
class FirmwareRange:
    """One entry of an e820 table."""

    span: Span
    type: int
    """The number of the type, of :class:`E820Type` where it has a name there."""
    where: str
    """The place in the source: ``dmesg.txt:12``."""


@record
class FirmwareMap:
    """An e820 table, in the order of its source."""

    source: str
    kind: FirmwareMapKind
    ranges: tuple[FirmwareRange, ...]
    remarks: tuple[str, ...] = ()
    """What a reader of the answer must know of how the source was understood."""
    missing: Missing = Missing.NOTHING
    """Its end, where the text that it is from ends in it."""


class EfiType(IntEnum):
    """The types of EFI memory descriptors that matter here: include/linux/efi.h."""

    LOADER_CODE = 1
    LOADER_DATA = 2
    BOOT_SERVICES_CODE = 3
    BOOT_SERVICES_DATA = 4
    RUNTIME_SERVICES_CODE = 5
    RUNTIME_SERVICES_DATA = 6
    CONVENTIONAL_MEMORY = 7
    UNUSABLE_MEMORY = 8
    ACPI_RECLAIM_MEMORY = 9
    ACPI_MEMORY_NVS = 10
    PERSISTENT_MEMORY = 14
    UNACCEPTED_MEMORY = 15


EFI_MEMORY_MORE_RELIABLE = 0x10000
EFI_MEMORY_SP = 0x40000
EFI_MEMORY_RUNTIME = 1 << 63
"""Attributes of EFI memory descriptors: include/linux/efi.h."""


@record
class EfiRange:
    """One descriptor of an EFI memory map."""

    span: Span
    type: int
    """The number of the type, of :class:`EfiType` where it has a name there."""
    attribute: int
    where: str
    """The place in the source."""


@record
class EfiMap:
    """An EFI memory map, in the order of its source."""

    source: str
    ranges: tuple[EfiRange, ...]
