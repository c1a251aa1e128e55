"""The memory that a decompressor unpacks a kernel in; it takes the end before KASLR chooses.

head_64.S rounds the address that it was loaded at up to kernel_alignment, and copies itself, with
the compressed kernel, to the end of the init_size bytes from there on. Only then it looks for a
place to unpack to. A loader that keeps init_size from an address that is not aligned, or below
LOAD_PHYSICAL_ADDR, does not keep all of that memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from smecheck.boot.decompressor import landing, unpack_rules
from smecheck.boot.kaslr.decompressor_copy import payload_place
from smecheck.evidence import Fact, Known, Unknown
from smecheck.kernel.constants import PAGE_SIZE
from smecheck.load.segments import SegmentRole, is_elf_load
from smecheck.record import record
from smecheck.remembered import remembered
from smecheck.span import Span, align_down

if TYPE_CHECKING:
    from smecheck.kernel.facts import KernelFacts
    from smecheck.kernel.image import KernelImage
    from smecheck.load.segments import SegmentList


@record
class UnpackBuffer:
    """Where a kernel that was loaded is unpacked, if KASLR does not move it."""

    span: Span
    """The whole buffer, physical."""
    copy: Span
    """Its end, which the decompressor's copy of itself surely takes; empty if that is not known."""
    reaches_down_to: int
    """Where the copy begins at the lowest; the start of the buffer where that is not known."""
    origin: str


@remembered
def unpack_buffer(
    image: KernelImage, facts: KernelFacts, segments: SegmentList
) -> Fact[UnpackBuffer]:
    """Return the buffer of a load, or why there is none or it is not known."""
    kernel = segments.of(SegmentRole.KERNEL)
    if not kernel:
        return Unknown(f"no segment of {segments.source} is known to be the kernel")
    if is_elf_load(image, segments):
        return Unknown("a vmlinux ELF is started without a decompressor")
    size = image.header.init_size
    if isinstance(size, Unknown):
        size = segments.init_size
    if isinstance(size, Unknown):
        return Unknown("init_size is not known (--bzimage)")
    base = landing(kernel[0].span.start, unpack_rules(image, facts))
    if isinstance(base, Unknown):
        return Unknown("pref_address is not known (--bzimage)")
    span = Span.sized(base.value, size.value)
    place = payload_place(image, facts.image_size)
    if isinstance(place, Unknown):
        return Known(UnpackBuffer(span, Span(span.end, span.end), span.start, base.origin), "load")
    # What is before the payload in the copy is its head, less than a page.
    lowest, latest = (
        min(span.start + align_down(distance, PAGE_SIZE), span.end)
        for distance in (place.value.lowest, place.value.highest)
    )
    return Known(UnpackBuffer(span, Span(latest, span.end), lowest, base.origin), "load")
