"""What a bzImage's decompressor counts with: sizes that no vmlinux alone shows."""

from __future__ import annotations

from enum import Enum

from smecheck.evidence import Fact
from smecheck.record import record


class InitSizeSide(Enum):
    """Which side of the maximum in arch/x86/boot/header.S init_size is."""

    PAYLOAD = "payload"
    """ZO_INIT_SIZE: room to unpack the payload beside its packed copy and the decompressor."""
    IMAGE = "image"
    """VO_INIT_SIZE: ``_end - _text``, what the kernel takes once it runs."""


_EXTRA_BYTES, _EXTRA_BYTES_WITH_ZSTD = 64 << 10, 128 << 10
_ZSTD_SINCE = (5, 9)


def extra_bytes(output_len: int, version: tuple[int, int] | None) -> tuple[int, ...]:
    """Return how many bytes unpacking takes besides output_len, the least first.

    arch/x86/boot/header.S, ZO_z_extra_bytes: a 256th of output_len, and 64 KiB up to v5.8, 128 KiB
    since v5.9 (zstd).

    Args:
        output_len: z_output_len.
        version: of the kernel; where it is not known, either size is possible.
    """
    slack: tuple[int, ...] = (_EXTRA_BYTES, _EXTRA_BYTES_WITH_ZSTD)
    if version is not None:
        slack = slack[1:] if version >= _ZSTD_SINCE else slack[:1]
    return tuple((output_len >> 8) + size for size in slack)


@record
class NeededSize:
    """needed_size of extract_kernel(), in bytes: what physical KASLR looks for, and keeps."""

    value: int
    """The best that is known."""
    least: int
    most: int | None
    """The largest that it can be; ``None`` where nothing bounds it."""


@record
class SectionRoom:
    """How far past the workarea's section a reservation ends; negative: it ends before."""

    name: str
    """Of the section."""
    in_init_size: Fact[int]
    """Bytes from the section's end to the end of init_size."""
    in_needed_size: Fact[int]
    """Bytes from the section's end to the end of what physical KASLR keeps, at least."""


@record
class DecompressorView:
    """What the decompressor knows and reserves."""

    output_len: Fact[int]
    """z_output_len: bytes of the unpacked payload."""
    needed_size: Fact[NeededSize]
    init_size_from: Fact[InitSizeSide]
    section: SectionRoom | None
    """``None`` where no section holds the workarea, or it is not known."""
