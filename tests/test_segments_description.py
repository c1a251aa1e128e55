"""Segments from YAML: every field, every error at its place, and agreement with the JSON Schema."""

from __future__ import annotations

import json
from importlib.resources import files

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from smecheck.errors import MalformedInput
from smecheck.evidence import Known, Unknown
from smecheck.load.segments import Loader, Mode, Segment, SegmentList, SegmentOrigin, SegmentRole
from smecheck.read.load.segments_description import read_segments_description
from smecheck.record import replace
from smecheck.span import Span, align_up

EXAMPLE = """\
schema: smecheck/segments-v1         # where things are loaded; physical
loader: kexec_load
mode: crash
segments:
  - {name: kernel, start: 0x7c000000, size: 0x3f98000}
  - {name: initrd, start: 0x7bf04000, size: 0xfbafb}
  - {name: boot_params, start: 0x7ffd1000, size: 0x6000}
"""
HEAD = "schema: smecheck/segments-v1\n"
SCHEMA = json.loads(files("smecheck").joinpath("schemas", "segments-v1.json").read_text())


def read(text: str) -> SegmentList:
    return read_segments_description(text, "s.yaml")


def problems(text: str) -> list[str]:
    with pytest.raises(MalformedInput) as caught:
        read(text)
    assert "smecheck schema segments-v1" in caught.value.help_text
    return f"{caught.value.where}: {caught.value.message}".splitlines()


def schema_accepts(text: str) -> bool:
    return bool(Draft202012Validator(SCHEMA).is_valid(yaml.safe_load(text)))


def segment(role: SegmentRole, start: int, end: int, size: int | None, line: int) -> Segment:
    return Segment(role, Span(start, end), size, SegmentOrigin.DESCRIPTION, f"s.yaml:{line}")


def test_the_example() -> None:
    assert read(EXAMPLE) == SegmentList(
        source="s.yaml",
        segments=(
            segment(SegmentRole.INITRD, 0x7BF04000, 0x7C000000, 0xFBAFB, 6),
            segment(SegmentRole.KERNEL, 0x7C000000, 0x7FF98000, 0x3F98000, 5),
            segment(SegmentRole.BOOT_PARAMS, 0x7FFD1000, 0x7FFD7000, 0x6000, 7),
        ),
        loader=Known(Loader.KEXEC_LOAD, "s.yaml:2: loader"),
        mode=Known(Mode.CRASH, "s.yaml:3: mode"),
        cmdline=Unknown("not in the description"),
    )


def test_an_end_instead_of_a_size() -> None:
    text = "cmdline: ''\nsegments:\n- name: other\n  start: 1M\n  end: 0x100001\n"
    load = read(HEAD + text)
    assert load.segments == (segment(SegmentRole.OTHER, 0x100000, 0x101000, 1, 4),)
    assert load.cmdline == Known("", "s.yaml:2: cmdline")
    assert (load.loader, load.mode) == (Unknown("not in the description"),) * 2


def test_an_address_without_a_size_is_a_page_at_least() -> None:
    text = f"{HEAD}segments: [{{name: initrd, start: 0x20000000}}]"
    load = read(text)
    assert load.segments == (
        replace(segment(SegmentRole.INITRD, 0x20000000, 0x20001000, None, 2), size_is_known=False),
    )
    assert schema_accepts(text)


@pytest.mark.parametrize(
    "role", [SegmentRole.KERNEL, SegmentRole.SETUP_DATA, SegmentRole.OTHER, SegmentRole.RNG_SEED]
)
def test_what_a_load_may_have_several_of(role: SegmentRole) -> None:
    rows = "".join(f"- {{name: {role.value}, start: {at}K, size: 4K}}\n" for at in (4, 8))
    assert [segment.role for segment in read(f"{HEAD}segments:\n{rows}").segments] == [role, role]


@pytest.mark.parametrize("role", [SegmentRole.ELFCOREHDR, SegmentRole.BACKUP])
def test_a_segment_shows_the_mode(role: SegmentRole) -> None:
    text = f"{HEAD}segments: [{{name: {role.value}, start: 4K, size: 4K}}]"
    shown = f"{role.value} (s.yaml:2), which only kexec -p loads"
    assert read(text).mode == Known(Mode.CRASH, shown)
    assert read(f"{text}\nmode: crash").mode == Known(Mode.CRASH, "s.yaml:3: mode")


@pytest.mark.parametrize("role", SegmentRole)
def test_every_role_has_a_name(role: SegmentRole) -> None:
    text = f"{HEAD}segments: [{{name: {role.value}, start: 0, size: 4K}}]"
    assert read(text).segments[0].role is role
    assert schema_accepts(text)


def one(fields: str) -> str:
    return f"segments: [{{{fields}}}]"


NO_SIZE = "'size' is missing (or 'end', the address after the last byte)"
WRONG = {
    "": "1:1: 'segments' is missing",
    "segments: []": "2:11: the list 'segments' is empty; give at least one",
    "segments: kernel": "2:11: 'kernel' where a list is needed",
    "segments: [kernel]": "2:12: 'kernel' where a mapping is needed",
    one("start: 1, size: 1"): "2:12: 'name' is missing",
    one("name: kernel, size: 1"): "2:12: 'start' is missing",
    one("name: kernel, start: 1"): f"2:12: {NO_SIZE}",
    one("name: kernel, start: 1, size: 1, end: 2"): (
        "2:51: both size and end are given; leave one out"
    ),
    one("name: kernel, start: 1, size: 0"): (
        "2:43: the size is 0; leave it out if nothing is there"
    ),
    one("name: kernel, start: 0x10, end: 16"): "2:45: end 0x10 is not above start 0x10",
    one("name: kernel, start: 0xfffffffffffff001, size: 4K"): (
        "2:60: the end 0x10000000000000001 lies beyond the 64 bits of an address"
    ),
    one("name: kernal, start: 1, size: 1"): "2:19: unknown value 'kernal'; did you mean 'kernel'?",
    one(
        "name: kernel, start: 1, sise: 1, size: 1"
    ): "2:37: unknown key 'sise'; did you mean 'size'?",
    one("name: kernel, start: 12:30, size: 1"): (
        "2:34: '12:30': that would be a sexagesimal number; "
        "write 0x… hex, a decimal, or a size such as 4M"
    ),
    one("name: kernel, start: 0, start: 0, size: 1"): "2:37: 'start' is given twice, first at 2:27",
    f"{one('name: kernel, start: 4K, size: 1')}\nloader: kexec": (
        "3:9: unknown value 'kexec'; did you mean 'kexec_load'?"
    ),
    f"{one('name: kernel, start: 4K, size: 1')}\nmode: kdump": (
        "3:7: unknown value 'kdump'; known are crash, load"
    ),
    "segments:\n- {name: initrd, start: 0, size: 1}\n- {name: initrd, start: 4K, size: 1}": (
        "4:10: initrd is given at s.yaml:3 already: a load has one"
    ),
    f"{one('name: elfcorehdr, start: 4K, size: 4K')}\nmode: load": (
        "3:7: load contradicts the segment elfcorehdr (s.yaml:2), which only kexec -p loads"
    ),
    f"{one('name: boot_params, start: 70151000, size: 4K')}\nmode: load": (
        "2:39: 0x42e6b58 is not the beginning of a page, as that of every segment of kexec is "
        "(hexadecimal numbers begin with 0x)"
    ),
    f"{one('name: kernel, start: 1, size: 1')}\nkernel: x": (
        "3:1: unknown key 'kernel'; known are cmdline, loader, mode, schema, segments"
    ),
}
READER_ALONE = (
    "not above",
    "64 bits",
    "sexagesimal",
    "twice",
    "of a page",
    "contradicts",
    "already",
)
"""What a JSON Schema cannot say, or does not see after YAML's own rules were applied."""


@pytest.mark.parametrize(("text", "expected"), WRONG.items(), ids=range(len(WRONG)))
def test_wrong_at_its_place(text: str, expected: str) -> None:
    assert problems(HEAD + text) == [f"s.yaml:{expected}"]
    assert schema_accepts(HEAD + text) is any(word in expected for word in READER_ALONE)


def test_more_segments_than_any_load_has() -> None:
    line = "- {name: other, start: 4096, size: 1}\n"
    assert len(read(f"{HEAD}segments:\n{line * 64}").segments) == 64
    text = f"{HEAD}segments:\n{line * 65}"
    assert problems(text) == ["s.yaml:3:1: more than 64 segments; kexec takes 16"]
    assert not schema_accepts(text)


def test_another_description() -> None:
    text = EXAMPLE.replace("segments-v1", "kernel-v1")
    assert problems(text) == [
        "s.yaml:1:9: the schema is 'smecheck/kernel-v1' where 'smecheck/segments-v1' is needed"
    ]
    assert not schema_accepts(text)


def test_the_schema_accepts_the_example() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert schema_accepts(EXAMPLE)


@given(
    st.lists(
        st.tuples(st.integers(0, 2**64 - 2), st.integers(1, 2**48), st.booleans()),
        min_size=1,
        max_size=6,
    )
)
def test_segments_come_back_by_address_in_whole_pages(
    given_segments: list[tuple[int, int, bool]],
) -> None:
    text = f"{HEAD}segments:\n"
    expected = []
    for start, size, by_size in given_segments:
        end = min(start + size, 2**64 - 1)
        extent = f"size: {end - start}" if by_size else f"end: {end:#x}"
        text += f"- {{name: other, start: {start:#x}, {extent}}}\n"
        expected.append((start, align_up(end, 4096), end - start))
    load = read(text)
    assert sorted((s.span.start, s.span.end, s.buffer_size) for s in load.segments) == sorted(
        expected
    )
    starts = [s.span.start for s in load.segments]
    assert starts == sorted(starts)
    assert schema_accepts(text)
