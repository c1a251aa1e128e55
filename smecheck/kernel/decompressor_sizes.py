"""What a bzImage's decompressor counts with: sizes that no vmlinux alone tells."""

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
    """How far behind the workarea's section a reservation ends; negative: it ends before."""

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
