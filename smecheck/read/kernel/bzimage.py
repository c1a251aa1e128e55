"""A bzImage (vmlinuz): its setup header, and the vmlinux that it unpacks itself.

What the header says stands by itself: where the payload cannot be unpacked, the rest is unknown.
"""

from __future__ import annotations

from typing import BinaryIO

from smecheck.errors import MalformedInput
from smecheck.evidence import Fact, Known, Unknown, first_known
from smecheck.kernel.build_marks import COMPRESSION
from smecheck.kernel.image import KernelImage, KernelKind
from smecheck.quantity import address_text
from smecheck.read.kernel.banner import marks_of, release_of
from smecheck.read.kernel.packed import NotUnpacked, PackedBytes
from smecheck.read.kernel.payload import UNPACKED_LIMIT, Payload, payload_of
from smecheck.read.kernel.setup_header import OUTPUT_LEN_SIZE, SetupFields
from smecheck.read.kernel.unpacked import read_unpacked_elf
from smecheck.record import replace
from smecheck.span import Span


def read_bzimage(stream: BinaryIO, span: Span, name: str) -> KernelImage:
    """Read a kernel from a bzImage.

    Args:
        stream: seekable.
        span: where in it the bzImage lies.
        name: what the user called it.

    Raises:
        MalformedInput: the header is damaged, or what it points to is not in the file.
        WrongKind: the payload is not an x86-64 kernel.
    """
    fields = SetupFields(PackedBytes(stream, span), span.size, name)
    place = fields.payload()
    if isinstance(place, Unknown):
        return _header_alone(fields, place, place.reason, name)
    payload_span = Span.sized(span.start + place.value.start, place.value.size)
    output_len = _output_len(stream, payload_span, place.value, name)
    try:
        payload = _payload(stream, payload_span, output_len.value)
        image = read_unpacked_elf(payload, f"{name}: payload")
    except NotUnpacked as problem:
        reason = f"the payload cannot be unpacked: {problem.reason}; {problem.help_text}"
        return _header_alone(fields, output_len, reason, name)
    banner = fields.banner()
    return replace(
        image,
        source=name,
        kind=KernelKind.BZIMAGE,
        release=first_known(image.release, release_of(banner)),
        header=fields.header(output_len),
        marks={**marks_of(banner), COMPRESSION: payload.compression.name, **image.marks},
    )


def bzimage_payload(stream: BinaryIO, span: Span, name: str) -> Payload:
    """Return what a bzImage unpacks; arguments and errors as of :func:`read_bzimage`.

    Raises:
        NotUnpacked: the header does not say where it is, or nothing is known that unpacks it.
    """
    fields = SetupFields(PackedBytes(stream, span), span.size, name)
    place = fields.payload()
    if isinstance(place, Unknown):
        raise NotUnpacked(place.reason)
    payload_span = Span.sized(span.start + place.value.start, place.value.size)
    return _payload(
        stream, payload_span, _output_len(stream, payload_span, place.value, name).value
    )


def _output_len(stream: BinaryIO, span: Span, place: Span, name: str) -> Known[int]:
    """Return z_output_len, after the payload.

    arch/x86/boot/compressed/mkpiggy.c: the last four bytes, whatever the compression.
    """
    last = PackedBytes(stream, Span(span.end - OUTPUT_LEN_SIZE, span.end))
    value = int.from_bytes(last.read(OUTPUT_LEN_SIZE), "little")
    at = address_text(place.end - OUTPUT_LEN_SIZE)
    if not 0 < value <= UNPACKED_LIMIT:
        raise MalformedInput(
            f"is damaged: the payload's output_len at {at} is {address_text(value)}",
            where=name,
            help_text="copy the file again",
        )
    return Known(value, f"{name}: end of the payload, {at}")


def _payload(stream: BinaryIO, span: Span, output_len: int) -> Payload:
    whole = payload_of(PackedBytes(stream, span), output_len)
    if whole.compression.ends_with_size:
        return whole
    packed = PackedBytes(stream, Span(span.start, span.end - OUTPUT_LEN_SIZE))
    return Payload(packed, whole.compression, output_len)


def _header_alone(
    fields: SetupFields, output_len: Fact[int], reason: str, name: str
) -> KernelImage:
    unknown = Unknown(reason)
    banner = fields.banner()
    return KernelImage(
        source=name,
        kind=KernelKind.BZIMAGE,
        release=release_of(banner),
        build_id=unknown,
        symbols={},
        symbols_complete=False,
        sections=(),
        sections_complete=False,
        loads=(),
        header=fields.header(output_len),
        config={},
        sme_text=unknown,
        symbols_from=unknown,
        marks=marks_of(banner),
    )
