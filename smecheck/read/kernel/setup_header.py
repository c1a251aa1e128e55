"""The setup header of an x86 kernel: which fields it has, and what they say.

Offsets, sizes and the protocol that brought each field: Documentation/arch/x86/boot.rst. A field is
there if the protocol has it and the header, whose length is in its second byte, reaches that far.
"""

from __future__ import annotations

from smecheck.errors import MalformedInput
from smecheck.evidence import Fact, Known, Unknown
from smecheck.kernel.constants import PAGE_SIZE
from smecheck.kernel.image import OTHER_FIELDS, SetupHeader
from smecheck.quantity import address_text
from smecheck.read.kernel.banner import BANNER_REACH, Banner, banner_at
from smecheck.read.kernel.packed import PackedBytes
from smecheck.record import record
from smecheck.span import Span

SECTOR = 512
_COPY_AGAIN = "copy the file again"

_JUMP_OPERAND = 0x201
_LENGTH_FROM = 0x202
_BOOT_FLAG = 0x1FE
_BOOT_FLAG_VALUE = 0xAA55
_LONGEST = _LENGTH_FROM + 0xFF
_DEFAULT_SETUP_SECTORS = 4
OUTPUT_LEN_SIZE = 4
"""z_output_len, the end of the payload: payload_length counts it."""

_VERSION_FROM = 0x200


@record
class _Field:
    offset: int
    size: int
    since: int
    """The protocol that brought it, as in the header: 0x20a is 2.10."""


_FIELDS = {
    "setup_sects": _Field(0x1F1, 1, 0x000),
    "syssize": _Field(0x1F4, 4, 0x204),
    "protocol": _Field(0x206, 2, 0x200),
    "kernel_version": _Field(0x20E, 2, 0x200),
    "loadflags": _Field(0x211, 1, 0x200),
    "initrd_addr_max": _Field(0x22C, 4, 0x203),
    "kernel_alignment": _Field(0x230, 4, 0x205),
    "relocatable": _Field(0x234, 1, 0x205),
    "min_alignment": _Field(0x235, 1, 0x20A),
    "xloadflags": _Field(0x236, 2, 0x20C),
    "cmdline_size": _Field(0x238, 4, 0x206),
    "payload_offset": _Field(0x248, 4, 0x208),
    "payload_length": _Field(0x24C, 4, 0x208),
    "pref_address": _Field(0x258, 8, 0x20A),
    "init_size": _Field(0x260, 4, 0x20A),
    "handover_offset": _Field(0x264, 4, 0x20B),
    "kernel_info_offset": _Field(0x268, 4, 0x20F),
}


class SetupFields:
    """The header's fields, one by one, and the places that they point to.

    Raises:
        MalformedInput: the file ends inside the header, or the boot sector's flag is missing.
    """

    def __init__(self, image: PackedBytes, size: int, name: str) -> None:
        image.rewind()
        self._data = image.read(_LONGEST)
        self._image = image
        self._size = size
        self._name = name
        if len(self._data) > _JUMP_OPERAND:
            self._end = _LENGTH_FROM + self._data[_JUMP_OPERAND]
        if len(self._data) <= _JUMP_OPERAND or len(self._data) < self._end:
            raise MalformedInput(
                f"ends inside the setup header ({size} bytes)",
                where=name,
                help_text=_COPY_AGAIN,
            )
        flag = self._number(_BOOT_FLAG, 2)
        if flag != _BOOT_FLAG_VALUE:
            raise self._damaged(f"boot_flag at {address_text(_BOOT_FLAG)} is {address_text(flag)}")
        self._protocol = self._number(_FIELDS["protocol"].offset, 2)

    def fact(self, field_name: str) -> Fact[int]:
        """Return a field, unknown where this header has none."""
        field = _FIELDS[field_name]
        if self._protocol < field.since:
            return Unknown(
                f"boot protocol {_protocol_text(self._protocol)} has no {field_name} "
                f"({_protocol_text(field.since)} brought it)"
            )
        if field.offset > _LENGTH_FROM and self._end < field.offset + field.size:
            return Unknown(
                f"the setup header ends at {address_text(self._end)}, before {field_name}"
            )
        value = self._number(field.offset, field.size)
        return Known(value, f"{self._name}: setup header {address_text(field.offset)}")

    def header(self, output_len: Fact[int]) -> SetupHeader:
        """Return what placement needs.

        Args:
            output_len: z_output_len, which stands in the payload.
        """
        facts = {name: self.fact(name) for name in OTHER_FIELDS}
        other = {name: fact.value for name, fact in facts.items() if isinstance(fact, Known)}
        return SetupHeader(
            init_size=_filled_in(self.fact("init_size")),
            kernel_alignment=self._alignment(),
            pref_address=_filled_in(self.fact("pref_address")),
            relocatable=_switch(self.fact("relocatable")),
            output_len=output_len,
            other=other | {"file_size": self._size},
        )

    def payload(self) -> Fact[Span]:
        """Return where the payload lies in the image, its trailing output length included.

        Raises:
            MalformedInput: it does not lie in the file.
        """
        offset, length = self.fact("payload_offset"), self.fact("payload_length")
        if isinstance(offset, Unknown):
            return offset
        if isinstance(length, Unknown):
            return length
        if not offset.value or length.value <= OUTPUT_LEN_SIZE:
            raise self._damaged(
                f"a payload of {length.value} bytes at offset {address_text(offset.value)} "
                "(setup header 0x248)"
            )
        sectors = self._data[_FIELDS["setup_sects"].offset] or _DEFAULT_SETUP_SECTORS
        start = (sectors + 1) * SECTOR + offset.value
        span = Span.sized(start, length.value)
        if span.end > self._size:
            raise MalformedInput(
                f"payload at {address_text(start)} (0x{length.value:x} bytes, setup header 0x248) "
                f"lies past the end of the file ({self._size} bytes)",
                where=self._name,
                help_text="the file is truncated or damaged: copy it again",
            )
        return Known(span, f"{offset.origin}, 0x24c and setup_sects")

    def banner(self) -> Fact[Banner]:
        """Return the version string that the header points to."""
        pointer = self.fact("kernel_version")
        if isinstance(pointer, Unknown):
            return pointer
        if not pointer.value:
            return Unknown("the setup header points to no version string")
        at = _VERSION_FROM + pointer.value
        self._image.rewind()
        text = self._image.read(at + BANNER_REACH)[at:]
        banner = banner_at(text, 0)
        if banner is None:
            return Unknown(f"no version string at {address_text(at)} (setup header 0x20e)")
        origin = f"{self._name}: version string at {address_text(at)} (setup header 0x20e)"
        return Known(banner, origin)

    def _alignment(self) -> Fact[int]:
        fact = _filled_in(self.fact("kernel_alignment"))
        if isinstance(fact, Known) and (fact.value < PAGE_SIZE or fact.value & (fact.value - 1)):
            raise self._damaged(
                f"kernel_alignment {address_text(fact.value)} at 0x230 is not a power of "
                f"two from {address_text(PAGE_SIZE)} up"
            )
        return fact

    def _number(self, offset: int, size: int) -> int:
        return int.from_bytes(self._data[offset : offset + size], "little")

    def _damaged(self, what: str) -> MalformedInput:
        return MalformedInput(f"is damaged: {what}", where=self._name, help_text=_COPY_AGAIN)


def _filled_in(fact: Fact[int]) -> Fact[int]:
    """Return the fact; a field that was left 0 says nothing."""
    if isinstance(fact, Known) and fact.value == 0:
        return Unknown(f"0 in the file ({fact.origin})")
    return fact


def _switch(fact: Fact[int]) -> Fact[bool]:
    return Known(bool(fact.value), fact.origin) if isinstance(fact, Known) else fact


def _protocol_text(protocol: int) -> str:
    return f"{protocol >> 8}.{protocol & 0xFF:02d}"
