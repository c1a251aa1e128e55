"""The sizes that a bzImage's decompressor counts with, which no vmlinux alone shows."""

from __future__ import annotations

from smecheck.evidence import Fact, Known, Unknown, value_of
from smecheck.kernel.constants import PMD_SIZE
from smecheck.kernel.decompressor_sizes import (
    DecompressorView,
    InitSizeSide,
    NeededSize,
    SectionRoom,
    extra_bytes,
)
from smecheck.kernel.facts import KernelFacts
from smecheck.kernel.identity import is_since
from smecheck.kernel.image import KernelImage, SetupHeader
from smecheck.quantity import address_text
from smecheck.remembered import remembered
from smecheck.span import align_up
from smecheck.workarea.proven import Reservations

_ROUNDED_SINCE = (5, 4)
_ROUNDING = "1869dbe87cb9"
"""x86/boot/64: Round memory hole size up to next PMD page; for stable trees as well."""


@remembered
def decompressor_view(
    image: KernelImage, facts: KernelFacts, reserved: Reservations
) -> DecompressorView:
    """Return what the decompressor counts with, as far as header and payload show it.

    Args:
        image: the kernel.
        facts: what it is.
        reserved: what it makes loaders and KASLR reserve.
    """
    return DecompressorView(
        output_len=image.header.output_len,
        needed_size=_needed_size(image, facts, reserved),
        init_size_from=_init_size_from(image.header, facts),
        section=_section_room(facts, reserved),
    )


def _needed_size(
    image: KernelImage, facts: KernelFacts, reserved: Reservations
) -> Fact[NeededSize]:
    """Return needed_size: arch/x86/boot/compressed/misc.c, extract_kernel()."""
    output_len, own = image.header.output_len, _own_size(facts)
    if isinstance(output_len, Unknown):
        return _at_least(image.header, reserved.needed_size, "output_len is not known")
    if isinstance(own, Unknown):
        return _at_least(image.header, Known(output_len.value, "output_len"), own.reason)
    exact = max(output_len.value, own.value)
    rounded = align_up(exact, PMD_SIZE)
    formula = (
        f"max(output_len {address_text(output_len.value)}, _end - _text {address_text(own.value)})"
    )
    if exact == rounded:
        return Known(NeededSize(exact, exact, exact), f"{formula}, a multiple of 2 MiB as it is")
    if is_since(image.release, _ROUNDED_SINCE):
        origin = f"{formula} rounded up to 2 MiB, as since v5.4 ({_ROUNDING})"
        return Known(NeededSize(rounded, rounded, rounded), origin)
    return Known(
        NeededSize(exact, exact, rounded),
        f"{formula}, as up to v5.3; {address_text(rounded)} if the kernel rounds up to 2 MiB, "
        f"as since v5.4 and in older stable trees ({_ROUNDING}): nothing in it says which",
    )


def _at_least(header: SetupHeader, least: Fact[int], missing: str) -> Fact[NeededSize]:
    if isinstance(least, Unknown):
        return least
    # header.S: init_size is above output_len, and not below _end - _text.
    init_size = value_of(header.init_size)
    most = None if init_size is None else align_up(init_size, PMD_SIZE)
    bound = "" if most is None else f", at most {address_text(most)} (init_size rounded up)"
    return Known(
        NeededSize(least.value, least.value, most), f"at least: {least.origin}{bound}; {missing}"
    )


def _init_size_from(header: SetupHeader, facts: KernelFacts) -> Fact[InitSizeSide]:
    """Return which side init_size is: arch/x86/boot/header.S, max(ZO_INIT_SIZE, VO_INIT_SIZE)."""
    if isinstance(header.init_size, Unknown):
        return Unknown("init_size is not known")
    init_size, own = header.init_size.value, _own_size(facts)
    if isinstance(own, Unknown):
        return own
    unpacking = _least_unpacking_size(header)
    if init_size < max(own.value, unpacking):
        return Unknown(
            f"init_size {address_text(init_size)} is below what the kernel's build makes it: "
            f"_end - _text is {address_text(own.value)}, unpacking takes "
            f"{address_text(unpacking)} at least"
        )
    if init_size == own.value:
        return Known(InitSizeSide.IMAGE, f"it is _end - _text {address_text(own.value)}")
    return Known(
        InitSizeSide.PAYLOAD,
        f"it is above _end - _text {address_text(own.value)}: room to unpack the payload"
        + (f", at least {address_text(unpacking)} of it" if unpacking else ""),
    )


def _least_unpacking_size(header: SetupHeader) -> int:
    """Return the least that ZO_INIT_SIZE can be; 0 where output_len is not known.

    arch/x86/boot/header.S: the decompressor with the packed payload in it, and extract_offset,
    which is output_len, a 256th of it and some slack, less the packed payload.
    """
    output_len = value_of(header.output_len)
    return 0 if output_len is None else output_len + extra_bytes(output_len, None)[0]


def _section_room(facts: KernelFacts, reserved: Reservations) -> SectionRoom | None:
    if facts.section is None or isinstance(facts.text, Unknown):
        return None
    end = facts.section.end - facts.text.value
    return SectionRoom(
        facts.section.name, _after(end, reserved.init_size), _after(end, reserved.needed_size)
    )


def _after(end: int, reserved: Fact[int]) -> Fact[int]:
    if isinstance(reserved, Unknown):
        return reserved
    return Known(reserved.value - end, reserved.origin)


def _own_size(facts: KernelFacts) -> Fact[int]:
    # In words of its own, not those of the file: a description of the image says the same.
    text, end = value_of(facts.text), value_of(facts.end)
    if text is None or end is None:
        return Unknown("_text and _end are not both known")
    return Known(end - text, "_end - _text")
