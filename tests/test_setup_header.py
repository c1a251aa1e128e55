"""The setup header: every field, and what old protocols and short headers lack."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from bzimage_writer import BzImage

from smecheck.errors import MalformedInput
from smecheck.evidence import Known, Unknown, value_of
from smecheck.read.kernel.banner import release_of
from smecheck.read.kernel.packed import PackedBytes
from smecheck.read.kernel.setup_header import SetupFields
from smecheck.span import Span

DEBIAN_6_1 = BzImage(payload=b"\xfd7zXZ\0" + bytes(100), output_len=0x3EDA7B4)
"""Its header has the values of vmlinuz-6.1.0-56-amd64."""
ABSENT = Unknown("no payload")


def fields(image: BzImage | bytes) -> SetupFields:
    data = image if isinstance(image, bytes) else image.build()
    return SetupFields(PackedBytes(io.BytesIO(data), Span(0, len(data))), len(data), "vmlinuz")


def test_every_field_of_a_real_header() -> None:
    header = fields(DEBIAN_6_1).header(ABSENT)
    assert header.init_size == Known(0x3F98000, "vmlinuz: setup header 0x260")
    assert header.kernel_alignment == Known(0x200000, "vmlinuz: setup header 0x230")
    assert header.pref_address == Known(0x1000000, "vmlinuz: setup header 0x258")
    assert header.relocatable == Known(True, "vmlinuz: setup header 0x234")
    assert header.output_len == ABSENT
    assert header.other == {
        "protocol": 0x20F,
        "xloadflags": 0x7F,
        "loadflags": 1,
        "setup_sects": 39,
        "syssize": 0x7D820,
        "cmdline_size": 2047,
        "initrd_addr_max": 0x7FFFFFFF,
        "min_alignment": 21,
        "payload_offset": 0x2CC,
        "payload_length": 110,
        "handover_offset": 0x7C8DB0,
        "kernel_info_offset": 0x7D579C,
        "file_size": len(DEBIAN_6_1.build()),
    }


@pytest.mark.parametrize(
    ("protocol", "brought"),
    [
        (0x203, {"initrd_addr_max"}),
        (0x204, {"syssize"}),
        (0x205, {"kernel_alignment", "relocatable"}),
        (0x206, {"cmdline_size"}),
        (0x208, {"payload_offset", "payload_length"}),
        (0x20A, {"pref_address", "init_size", "min_alignment"}),
        (0x20B, {"handover_offset"}),
        (0x20C, {"xloadflags"}),
        (0x20F, {"kernel_info_offset"}),
    ],
)
def test_a_protocol_has_what_it_brought_and_not_before(protocol: int, brought: set[str]) -> None:
    before = fields(replace(DEBIAN_6_1, protocol=protocol - 1))
    after = fields(replace(DEBIAN_6_1, protocol=protocol))
    for name in brought:
        lacking = before.fact(name)
        assert isinstance(lacking, Unknown)
        assert f"has no {name}" in lacking.reason
        assert isinstance(after.fact(name), Known)


def test_the_reason_names_the_protocols() -> None:
    header = fields(replace(DEBIAN_6_1, protocol=0x209)).header(ABSENT)
    reason = "boot protocol 2.09 has no init_size (2.10 brought it)"
    assert header.init_size == Unknown(reason)
    assert isinstance(header.pref_address, Unknown)
    assert value_of(header.kernel_alignment) == 0x200000
    assert "handover_offset" not in header.other


@pytest.mark.parametrize(
    ("end", "last"),
    [
        (0x260, "pref_address"),
        (0x263, "pref_address"),
        (0x264, "init_size"),
        (0x250, "payload_length"),
    ],
)
def test_a_header_ends_where_its_length_says(end: int, last: str) -> None:
    order = ["payload_offset", "payload_length", "pref_address", "init_size", "handover_offset"]
    short = fields(replace(DEBIAN_6_1, jump=end - 0x202))
    there = [name for name in order if isinstance(short.fact(name), Known)]
    assert there[-1] == last
    missing = short.fact(order[len(there)])
    assert isinstance(missing, Unknown)
    assert f"ends at {end:#x}" in missing.reason


def test_fields_left_zero_say_nothing() -> None:
    zero = replace(DEBIAN_6_1, init_size=0, pref_address=0, kernel_alignment=0, relocatable=0)
    header = fields(zero).header(ABSENT)
    assert header.init_size == Unknown("0 in the file (vmlinuz: setup header 0x260)")
    assert isinstance(header.pref_address, Unknown)
    assert isinstance(header.kernel_alignment, Unknown)
    assert value_of(header.relocatable) is False


@pytest.mark.parametrize("alignment", [1, 0x800, 0x300000, 0xFFFFFFFF])
def test_an_alignment_that_is_none(alignment: int) -> None:
    with pytest.raises(MalformedInput, match=f"{alignment:#x} at 0x230") as caught:
        fields(replace(DEBIAN_6_1, kernel_alignment=alignment)).header(ABSENT)
    assert caught.value.where == "vmlinuz"


def test_the_version_string() -> None:
    release = Known("6.1.0-56-amd64", "vmlinuz: version string at 0x44c0 (setup header 0x20e)")
    assert release_of(fields(DEBIAN_6_1).banner()) == release


@pytest.mark.parametrize("pointer", [0, 0xFFFF])
def test_no_version_string(pointer: int) -> None:
    assert isinstance(fields(replace(DEBIAN_6_1, kernel_version=pointer)).banner(), Unknown)


def test_a_version_string_of_another_kind() -> None:
    odd = replace(DEBIAN_6_1, version_text="\x1b[31mred")
    assert isinstance(fields(odd).banner(), Unknown)


def test_no_setup_sectors_are_four() -> None:
    place = fields(replace(DEBIAN_6_1, setup_sects=0, kernel_version=0)).payload()
    assert isinstance(place, Known)
    assert place.value == Span.sized(5 * 512 + 0x2CC, 110)


def test_where_the_payload_lies() -> None:
    place = fields(DEBIAN_6_1).payload()
    assert place == Known(
        Span.sized(0x52CC, 110), "vmlinuz: setup header 0x248, 0x24c and setup_sects"
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"payload_offset": 0}, "0x248"),
        ({"payload_length": 0}, "a payload of 0 bytes"),
        ({"payload_length": 4}, "a payload of 4 bytes"),
        ({"payload_offset": 0xFFFFFFFF}, "payload at 0x100004fff"),
        ({"payload_length": 0xFFFFFFFF}, "lies past the end of the file"),
    ],
)
def test_a_payload_that_cannot_be(change: dict[str, int], words: str) -> None:
    with pytest.raises(MalformedInput, match=words) as caught:
        fields(replace(DEBIAN_6_1, **change)).payload()  # type: ignore[arg-type]
    assert caught.value.where == "vmlinuz"


def test_no_boot_flag() -> None:
    with pytest.raises(MalformedInput, match="boot_flag at 0x1fe is 0x0"):
        fields(replace(DEBIAN_6_1, boot_flag=0))


@pytest.mark.parametrize("size", [0, 0x1F0, 0x201, 0x202, 0x206, 0x26B])
def test_a_file_that_ends_inside_the_header(size: int) -> None:
    with pytest.raises(MalformedInput, match="ends inside the setup header"):
        fields(DEBIAN_6_1.build()[:size])
