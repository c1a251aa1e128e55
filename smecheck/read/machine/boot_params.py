"""Reading boot_params: the 4096 bytes of /sys/kernel/boot_params/data, raw or in base64.

Offsets: Documentation/arch/x86/zero-page.rst and boot.rst.
"""

from __future__ import annotations

import base64
import binascii
import struct

from smecheck.boot.early_boot import BootParams
from smecheck.errors import MalformedInput, WrongKind
from smecheck.machine.firmware import FirmwareMap, FirmwareMapKind, FirmwareRange
from smecheck.read.kinds import BOOT_MAGIC, BOOT_MAGIC_OFFSET
from smecheck.read.source import Source, display_name, read_bounded
from smecheck.span import Span

SIZE = 4096
"""sizeof(struct boot_params)."""

_FILE_LIMIT = 64 << 10
E820_ENTRIES = 128
"""E820_MAX_ENTRIES_ZEROPAGE: the e820 table ends there."""
_EFI_SIGNATURES = (b"EL64", b"EL32")
_EFI_AT = 0x1C0
_E820_COUNT_AT = 0x1E8
_E820_AT = 0x2D0
_E820_ENTRY = struct.Struct("<QQI")
_SETUP_DATA_AT = 0x250
_LOADER_TYPE_AT = 0x210


def read_boot_params(source: Source) -> BootParams:
    """Read a copy of boot_params: raw bytes, or base64.

    Raises:
        UnreadableInput: it cannot be read.
        WrongKind: it is neither 4096 bytes nor base64 of them.
        MalformedInput: it contradicts itself.
    """
    name = display_name(source)
    data = read_bounded(source, _FILE_LIMIT)
    if len(data) != SIZE:
        data = _from_base64(data, name)
    return parse_boot_params(data, name)


def parse_boot_params(data: bytes, name: str) -> BootParams:
    """Read boot_params out of its 4096 bytes.

    Raises:
        WrongKind: they are not boot_params.
        MalformedInput: they contradict themselves.
    """
    if len(data) != SIZE:
        raise _no_boot_params(f"has {len(data)} bytes, boot_params has {SIZE}", name)
    # The EFI stub makes boot_params of its own, and copies no header into them.
    by_stub = _efi_signature(data) is not None and data[_LOADER_TYPE_AT]
    if not (data.startswith(BOOT_MAGIC, BOOT_MAGIC_OFFSET) or by_stub):
        raise _no_boot_params("has neither HdrS at 0x202 nor an EFI signature at 0x1c0", name)
    return BootParams(
        source=name,
        e820=FirmwareMap(name, FirmwareMapKind.BOOT_PARAMS, _e820(data, name)),
        initrd=_initrd(data),
        cmdline_address=_word(data, 0x228) | _word(data, 0x0C8) << 32,
        setup_data=_number(data, _SETUP_DATA_AT, "<Q"),
        efi_signature=_efi_signature(data),
        loader_type=data[_LOADER_TYPE_AT],
    )


def _no_boot_params(what: str, name: str) -> WrongKind:
    return WrongKind(
        f"{what}: it is not boot_params",
        where=name,
        help_text="copy /sys/kernel/boot_params/data, as root, as it is or with base64",
    )


def _from_base64(data: bytes, name: str) -> bytes:
    try:
        return base64.b64decode(b"".join(data.split()), validate=True)
    except binascii.Error as error:
        raise _no_boot_params(f"has {len(data)} bytes and is not base64 either", name) from error


def _number(data: bytes, offset: int, form: str) -> int:
    (value,) = struct.unpack_from(form, data, offset)
    return int(value)


def _word(data: bytes, offset: int) -> int:
    return _number(data, offset, "<I")


def _initrd(data: bytes) -> Span | None:
    start = _word(data, 0x218) | _word(data, 0x0C0) << 32
    size = _word(data, 0x21C) | _word(data, 0x0C4) << 32
    return Span.sized(start, size) if start or size else None


def _efi_signature(data: bytes) -> str | None:
    signature = data[_EFI_AT : _EFI_AT + len(_EFI_SIGNATURES[0])]
    return signature.decode() if signature in _EFI_SIGNATURES else None


def _e820(data: bytes, name: str) -> tuple[FirmwareRange, ...]:
    count = data[_E820_COUNT_AT]
    if count > E820_ENTRIES:
        raise MalformedInput(
            f"e820_entries is {count}, the table has room for {E820_ENTRIES}",
            where=f"{name}: {_E820_COUNT_AT:#x}",
            help_text="copy the file again",
        )
    ranges = []
    for number in range(count):
        start, size, kind = _E820_ENTRY.unpack_from(data, _E820_AT + number * _E820_ENTRY.size)
        where = f"{name}: e820_table[{number}]"
        ranges.append(FirmwareRange(Span.sized(start, size), kind, where))
    return tuple(ranges)
