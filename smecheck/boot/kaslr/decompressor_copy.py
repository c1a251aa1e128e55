"""The decompressor's own range: where the compressed payload lies in the copy of it that runs.

head_64.S copies the decompressor (ZO) to the end of the buffer that the kernel is unpacked in, so
that its end, _end, falls on output + init_size. The payload begins payload_offset after its start.
How long it is follows from init_size, which header.S makes the larger of two sizes.
"""

from __future__ import annotations

from collections.abc import Mapping

from smecheck.evidence import Fact, Known, Unknown
from smecheck.kernel.constants import PAGE_SIZE
from smecheck.kernel.decompressor_sizes import extra_bytes
from smecheck.kernel.identity import version_of
from smecheck.kernel.image import KernelImage
from smecheck.quantity import address_text, size_text
from smecheck.record import record
from smecheck.remembered import remembered
from smecheck.span import align_up

_LONGEST_HEAD = PAGE_SIZE
"""What lies before the payload is .head.text: 0x2cc to 0x3b1 bytes in the kernels measured."""

SECTOR_SIZE = 512
"""arch/x86/boot/header.S: setup_sects counts sectors after the first; 0 means 4."""


@record
class InputBounds:
    """How far past the start of the buffer the payload begins."""

    lowest: int
    highest: int
    origin: str


@remembered
def payload_place(image: KernelImage, kernel_size: int | None) -> Fact[InputBounds]:
    """Return where the payload begins, as a distance from the start of the buffer.

    Args:
        image: with its setup header.
        kernel_size: ``_end - _text``, where it is known.
    """
    header = image.header
    if isinstance(header.init_size, Unknown):
        return Unknown(header.init_size.reason)
    if isinstance(header.output_len, Unknown):
        return Unknown(header.output_len.reason)
    init_size, output_len = header.init_size.value, header.output_len.value
    offsets, lengths = _payload(header.other, output_len)
    extract_offsets = [
        align_up(_extract_offset(output_len, extra, length), PAGE_SIZE)
        for extra in extra_bytes(output_len, version_of(image.release))
        for length in lengths
    ]
    lowest = min(extract_offsets) + offsets[0]
    if kernel_size is not None and init_size > align_up(kernel_size, PAGE_SIZE):
        origin = (
            f"init_size {address_text(init_size)} is the decompressor's, so its copy begins "
            f"{size_text(min(extract_offsets))} past the start of the buffer"
        )
        bounds = InputBounds(lowest, max(extract_offsets) + offsets[1], origin)
        return Known(_within(bounds, init_size), "header.S, ZO_INIT_SIZE")
    # At least the payload lies between the start of the decompressor and its end.
    highest = init_size - align_up(offsets[1] + lengths[0], PAGE_SIZE) + offsets[1]
    origin = "init_size is the kernel's, and the decompressor's size is not known"
    return Known(_within(InputBounds(lowest, highest, origin), init_size), "header.S, VO_INIT_SIZE")


def _within(bounds: InputBounds, init_size: int) -> InputBounds:
    highest = min(bounds.highest, init_size)
    return InputBounds(min(bounds.lowest, highest), highest, bounds.origin)


def _payload(other: Mapping[str, int], output_len: int) -> tuple[tuple[int, int], tuple[int, ...]]:
    """Return bounds of payload_offset, and the lengths that the payload may have."""
    offset, length = other.get("payload_offset"), other.get("payload_length")
    offsets = (0, _LONGEST_HEAD) if offset is None else (offset, offset)
    if length is not None:
        return offsets, (length,)
    # It is no longer than what lies after the setup sectors, and than what is unpacked.
    setup_size = ((other.get("setup_sects", 4) or 4) + 1) * SECTOR_SIZE
    longest = max(other.get("file_size", output_len) - setup_size, 1)
    return offsets, (1, min(longest, output_len))


def _extract_offset(output_len: int, extra: int, length: int) -> int:
    room = output_len + extra
    return room - length if room > length else extra
