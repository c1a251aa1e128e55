"""The decompressor's own range: where the compressed payload lies in the copy of it that runs.

head_64.S copies the decompressor (ZO) to the end of the buffer that the kernel is unpacked in, so
that its end, _end, falls on output + init_size. The payload begins payload_offset behind its start.
How long it is follows from init_size, which header.S makes the larger of two sizes.
"""

from __future__ import annotations

from smecheck.evidence import Fact, Known, Unknown
from smecheck.model.kernel import KernelImage
from smecheck.placement.constants import PAGE_SIZE
from smecheck.placement.kaslr.generations import release_of
from smecheck.quantity import address_text, size_text
from smecheck.record import record
from smecheck.span import align_up

_EXTRA_BYTES = {65536: "v4.14 to v5.8", 131072: "since v5.9"}
"""arch/x86/boot/header.S, ZO_z_extra_bytes = (ZO_z_output_len >> 8) + one of these; the larger one
came with zstd."""

_EXTRA_SINCE = (5, 9)


@record
class InputBounds:
    """How far behind the start of the buffer the payload begins."""

    lowest: int
    highest: int
    origin: str

    @property
    def is_exact(self) -> bool:
        """Both bounds are the same."""
        return self.lowest == self.highest


def payload_place(image: KernelImage, kernel_size: int | None) -> Fact[InputBounds]:
    """Return where the payload begins, as a distance from the start of the buffer.

    Args:
        image: with its setup header.
        kernel_size: ``_end - _text``, where it is known.
    """
    header = image.header
    offset, length = header.other.get("payload_offset"), header.other.get("payload_length")
    if isinstance(header.init_size, Unknown):
        return Unknown(header.init_size.reason)
    if offset is None or length is None:
        return Unknown("the setup header's payload_offset and payload_length are not known")
    init_size = header.init_size.value
    # At least the payload lies between the start of the decompressor and its end.
    highest = init_size - align_up(offset + length, PAGE_SIZE) + offset
    if isinstance(header.output_len, Unknown):
        return Known(InputBounds(offset, highest, "the payload lies in the buffer"), "header.S")
    extract_offsets = [
        align_up(_extract_offset(header.output_len.value, extra, length), PAGE_SIZE)
        for extra in _extra_bytes(image, header.output_len.value)
    ]
    if kernel_size is not None and init_size > align_up(kernel_size, PAGE_SIZE):
        origin = (
            f"init_size {address_text(init_size)} is the decompressor's, so its copy begins "
            f"{size_text(extract_offsets[0])} behind the start of the buffer"
        )
        places = [offset + extract for extract in extract_offsets]
        return Known(InputBounds(min(places), max(places), origin), "header.S, ZO_INIT_SIZE")
    lowest = min(offset + extract for extract in extract_offsets)
    origin = "init_size is the kernel's, and the decompressor's size is not known"
    return Known(InputBounds(min(lowest, highest), highest, origin), "header.S, VO_INIT_SIZE")


def _extract_offset(output_len: int, extra: int, length: int) -> int:
    room = output_len + extra
    return room - length if room > length else extra


def _extra_bytes(image: KernelImage, output_len: int) -> list[int]:
    release = release_of(image)
    sizes = sorted(_EXTRA_BYTES)
    if release is not None:
        sizes = sizes[1:] if release >= _EXTRA_SINCE else sizes[:1]
    return [(output_len >> 8) + size for size in sizes]
