"""The decompressor's own view: needed_size, where init_size is from, room behind the section."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recorded import kernel

from smecheck.analysis import analyze
from smecheck.asked import BootRequest
from smecheck.case import Case
from smecheck.evidence import Known, Unknown, value_of
from smecheck.kernel.decompressor_sizes import DecompressorView, InitSizeSide, NeededSize
from smecheck.kernel.identity import identify
from smecheck.kernel.image import KernelImage, SetupHeader
from smecheck.record import replace
from smecheck.workarea.decompressor_view import decompressor_view
from smecheck.workarea.proof import reservations

OLD, CLOUD = kernel("5.0-old"), kernel("6.12.117+deb12-cloud-amd64")

# kernel.md's own figures: needed_size of 6.12 cloud is 0x3800000, above its init_size 0x37dc000.
NEEDED = {
    "6.1.0-56-amd64": 0x4000000,
    "6.1.0-56-cloud-amd64": 0x3400000,
    "6.12.117+deb12-amd64": 0x3800000,
    "6.12.117+deb12-cloud-amd64": 0x3800000,
}
# init_size - end of .init.scratch, z_output_len - that end: as measured with readelf.
ROOM = {
    "6.1.0-56-amd64": (0x598000, 0x4DA7B4),
    "6.1.0-56-cloud-amd64": (0x578000, 0x4C6E34),
    "6.12.117+deb12-amd64": (0x5EE000, 0x4FA00C),
    "6.12.117+deb12-cloud-amd64": (0x5DC000, 0x4E87EC),
}


def view(image: KernelImage) -> DecompressorView:
    facts = identify(image)
    return decompressor_view(image, facts, reservations(image, facts))


def with_header(image: KernelImage, **facts: int | None) -> KernelImage:
    changes: dict[str, Any] = {
        name: Unknown("a test") if value is None else Known(value, "a test")
        for name, value in facts.items()
    }
    return replace(image, header=replace(image.header, **changes))


def without_end(image: KernelImage) -> KernelImage:
    return replace(
        image,
        symbols={name: at for name, at in image.symbols.items() if name != "_end"},
        sections=tuple(section for section in image.sections if section.name != ".brk"),
    )


def needed(image: KernelImage) -> NeededSize:
    found = value_of(view(image).needed_size)
    assert found is not None
    return found


@pytest.mark.parametrize("name", NEEDED)
def test_recorded_kernels_since_v5_4_round_up(name: str) -> None:
    size = NEEDED[name]
    assert needed(kernel(name)) == NeededSize(size, size, size)
    assert view(kernel(name)).init_size_from.value is InitSizeSide.PAYLOAD  # type: ignore[union-attr]


@pytest.mark.parametrize("name", ROOM)
def test_room_behind_the_section_is_what_was_measured(name: str) -> None:
    room = view(kernel(name)).section
    assert room is not None
    assert (value_of(room.in_init_size), value_of(room.in_needed_size)) == ROOM[name]


@pytest.mark.parametrize("name", ["5.0-old", "5.0-lucky", "5.0-rfc"])
def test_up_to_v5_3_stable_trees_may_round(name: str) -> None:
    image = kernel(name)
    output_len = value_of(image.header.output_len)
    assert output_len is not None
    found = needed(image)
    assert found.value == found.least == output_len  # larger than _end - _text in all of them
    assert found.most == -(-output_len // 0x200000) * 0x200000
    fact = view(image).needed_size
    assert isinstance(fact, Known)
    assert f"{found.most:#x}" in fact.origin


@pytest.mark.parametrize(
    ("release", "rounds"),
    [("5.3.18-59-default", False), ("5.4.0-42-generic", True), ("4.18.0-80.el8", False)],
)
def test_the_release_tells_whether_it_rounds(release: str, rounds: bool) -> None:
    found = needed(replace(CLOUD, release=Known(release, "a test")))
    assert (found.value == found.most) is rounds
    assert found.most == 0x3800000


def test_an_unknown_release_leaves_both() -> None:
    found = needed(replace(CLOUD, release=Unknown("a test")))
    assert found == NeededSize(0x36E87EC, 0x36E87EC, 0x3800000)


def test_a_size_that_is_a_multiple_already_is_exact() -> None:
    assert needed(with_header(OLD, output_len=0xE00000)) == NeededSize(*[0xE00000] * 3)


def test_the_kernel_itself_may_be_larger_than_its_payload() -> None:
    image = with_header(OLD, output_len=0x500000, init_size=0xA16000)
    assert needed(image).value == 0xA16000
    assert value_of(view(image).init_size_from) is InitSizeSide.IMAGE


def test_without_the_payload_bounds_are_left() -> None:
    # An ELF with the section in the file bounds its payload from below; init_size from above.
    image = with_header(CLOUD, output_len=None)
    assert needed(image) == NeededSize(0x3600000, 0x3600000, 0x3800000)
    assert "at least" in view(image).needed_size.origin  # type: ignore[union-attr]


def test_without_end_the_payload_bounds_it() -> None:
    image = without_end(CLOUD)
    assert needed(image) == NeededSize(0x36E87EC, 0x36E87EC, 0x3800000)
    assert isinstance(view(image).init_size_from, Unknown)
    assert needed(with_header(image, init_size=None)).most is None


def test_an_old_kernel_without_payload_tells_nothing() -> None:
    found = view(with_header(OLD, output_len=None))
    assert isinstance(found.needed_size, Unknown)
    assert found.section is None


@pytest.mark.parametrize("init_size", [0xA15000, 0xD00000])
def test_an_init_size_below_either_side_is_of_no_side(init_size: int) -> None:
    found = view(with_header(OLD, init_size=init_size)).init_size_from
    assert isinstance(found, Unknown)
    assert f"{init_size:#x}" in found.reason


def test_without_a_header_there_is_no_view() -> None:
    bare = replace(CLOUD, header=SetupHeader())
    assert analyze(Case(bare, BootRequest())).decompressor is None
    assert analyze(Case(CLOUD, BootRequest())).decompressor == view(CLOUD)


@given(st.integers(1, 1 << 29), st.integers(1, 0x3FFFF))
def test_bounds_hold_whatever_the_sizes(output_len: int, pages: int) -> None:
    text = CLOUD.symbols["_text"]
    image = replace(CLOUD, symbols={**CLOUD.symbols, "_end": text + pages * 0x1000})
    for release in ("5.0.0", "6.12.0"):
        changed = replace(image, release=Known(release, "a test"))
        found = needed(with_header(changed, output_len=output_len))
        assert found.most is not None
        assert max(output_len, pages * 0x1000) <= found.least <= found.value <= found.most
        assert found.most - max(output_len, pages * 0x1000) < 0x200000
