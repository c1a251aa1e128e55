"""boot_params, the SRAT and the description of what boot_params point to."""

from __future__ import annotations

import base64
import json
import struct
from importlib.resources import files
from pathlib import Path

import jsonschema
import pytest
import yaml
from kaslr_cases import CASES, number, unpacked

from smecheck.boot.early_boot import from_boot_params
from smecheck.errors import InputError, MalformedInput, UnreadableInput, WrongKind
from smecheck.evidence import Known, Unknown
from smecheck.machine.firmware import FirmwareMapKind
from smecheck.read.machine.boot_description import read_boot_description
from smecheck.read.machine.boot_params import SIZE, parse_boot_params, read_boot_params
from smecheck.read.machine.srat import parse_srat
from smecheck.span import Span

REAL = unpacked(next(case["boot_params"] for case in CASES if case["id"] == "002"))
SCHEMA = json.loads(files("smecheck").joinpath("schemas", "boot-v1.json").read_text())
EXAMPLE = """
schema: smecheck/boot-v1
cmdline: ro quiet
cmdline_address: 0x99000
boot_params_address: 0x98000
initrd: {start: 0x7f000000, size: 0}
e820:
  - {start: 0x0, size: 0x9fc00, type: 1}
  - {start: 1M, end: 0x7ffe0000, type: 1}
efi_memory_map:
  - {start: 1M, size: 16M, type: 7, attribute: 0xf}
setup_data:
  - {address: 0x1000, type: 9, length: 32}
  - {address: 0x2000, type: 0x80000000, length: 24, target: {start: 0x3000, size: 4096}}
srat:
  - {start: 0, end: 1G, hot_pluggable: true}
la57: true
output: 16M
input: 0x24813b1
"""


def with_word(data: bytes, offset: int, value: int) -> bytes:
    changed = bytearray(data)
    struct.pack_into("<I", changed, offset, value)
    return bytes(changed)


def test_fields_of_a_real_one() -> None:
    params = parse_boot_params(REAL, "bp")
    assert params.e820.kind is FirmwareMapKind.BOOT_PARAMS
    assert [(entry.span, entry.type) for entry in params.e820.ranges][3] == (
        Span(0x100000, 0x5FE0000),
        1,
    )
    assert params.initrd is None
    assert params.cmdline_address == 0x20000
    assert params.setup_data == 0
    assert params.efi_signature is None


@pytest.mark.parametrize("encode", [bytes, base64.b64encode, base64.encodebytes])
def test_raw_or_base64(tmp_path: Path, encode: object) -> None:
    path = tmp_path / "data"
    path.write_bytes(encode(REAL))  # type: ignore[operator]  # one of three encoders
    assert read_boot_params(str(path)) == parse_boot_params(REAL, str(path))


def test_high_halves_count() -> None:
    data = with_word(with_word(REAL, 0x0C0, 1), 0x0C8, 2)
    data = with_word(with_word(data, 0x21C, 0x1000), 0x218, 0x4000)
    params = parse_boot_params(data, "bp")
    assert params.initrd == Span.sized(0x1_0000_4000, 0x1000)
    assert params.cmdline_address == 0x2_0002_0000


def test_an_initrd_of_no_length_is_one() -> None:
    assert parse_boot_params(with_word(REAL, 0x218, 0x4000), "bp").initrd == Span(0x4000, 0x4000)


@pytest.mark.parametrize(
    ("data", "error", "says"),
    [
        (b"", UnreadableInput, "empty"),
        (b"\x7fELF" + bytes(100), WrongKind, "not base64"),
        (base64.b64encode(REAL[:100]), WrongKind, "100 bytes"),
        (bytes(SIZE - 1) + b"x", WrongKind, "HdrS"),
        (REAL[:0x1E8] + b"\x81" + REAL[0x1E9:], MalformedInput, "e820_entries is 129"),
        (bytes(1 << 20) + b"x", UnreadableInput, "larger"),
    ],
)
def test_what_is_none(tmp_path: Path, data: bytes, error: type[InputError], says: str) -> None:
    path = tmp_path / "bad"
    path.write_bytes(data)
    with pytest.raises(error) as caught:
        read_boot_params(str(path))
    assert says in caught.value.message
    assert caught.value.help_text


def test_kexec_passes_no_free_memory_in_the_efi_map() -> None:
    case = next(case for case in CASES if case["id"] == "078")
    params = parse_boot_params(unpacked(case["boot_params"]), "bp")
    efi = from_boot_params(params, Unknown("test")).efi
    assert isinstance(efi, Known)
    assert efi.value is not None
    assert efi.value.ranges == ()
    assert case["areas"] == []


def test_an_efi_map_that_was_not_given_is_unknown() -> None:
    case = next(case for case in CASES if "OVMF 2022" in case["firmware"])
    params = parse_boot_params(unpacked(case["boot_params"]), "bp")
    assert params.efi_signature == "EL64"
    assert isinstance(from_boot_params(params, Unknown("test")).efi, Unknown)


def test_a_real_srat() -> None:
    case = next(case for case in CASES if case["id"] == "150")
    srat = parse_srat(unpacked(case["srat"]), "SRAT")
    assert [entry.span for entry in srat.ranges if entry.span and not entry.hot_pluggable] == [
        Span(0, 0xA0000),
        Span(0x100000, 0xC0000000),
        Span(0x100000000, 0x140000000),
        Span(0x140000000, 0x1C0000000),
    ]


def test_a_subtable_without_length_ends_an_srat() -> None:
    assert parse_srat(b"SRAT" + struct.pack("<I", 56) + bytes(48), "SRAT").broken
    with pytest.raises(WrongKind, match="is not an SRAT"):
        parse_srat(b"APIC" + bytes(100), "APIC")


def test_description() -> None:
    jsonschema.validate(yaml.safe_load(EXAMPLE), SCHEMA)
    boot = read_boot_description(EXAMPLE, "b.yaml")
    assert boot.cmdline == Known("ro quiet", "b.yaml:3: cmdline")
    assert boot.initrd == Known(Span(0x7F000000, 0x7F000000), "b.yaml: initrd")
    assert isinstance(boot.e820, Known)
    assert boot.e820.value.ranges[1].span == Span(0x100000, 0x7FFE0000)
    assert isinstance(boot.efi, Known)
    assert boot.efi.value is not None
    assert boot.efi.value.ranges[0].span == Span(0x100000, 0x1100000)
    assert isinstance(boot.setup_data, Known)
    assert [node.span.size for node in boot.setup_data.value] == [48, 40]
    assert boot.setup_data.value[1].target == Span(0x3000, 0x4000)
    assert isinstance(boot.srat, Known)
    assert boot.srat.value is not None
    assert boot.srat.value.ranges[0].hot_pluggable
    assert boot.five_levels == Known(True, "b.yaml:17: la57")
    assert boot.output == Known(0x1000000, "b.yaml:18: output")


def test_what_is_left_out_is_unknown() -> None:
    boot = read_boot_description("schema: smecheck/boot-v1\noutput: 16M\n", "b.yaml")
    for fact in (boot.e820, boot.efi, boot.cmdline, boot.initrd, boot.setup_data, boot.srat):
        assert isinstance(fact, Unknown)


def test_an_empty_list_says_that_there_is_none() -> None:
    text = "schema: smecheck/boot-v1\nsrat: []\nsetup_data: []\nefi_memory_map: []\ne820: []\n"
    boot = read_boot_description(text, "b.yaml")
    assert boot.srat == Known(None, "b.yaml: srat")
    assert boot.setup_data == Known((), "b.yaml: setup_data")
    assert isinstance(boot.efi, Known)
    assert boot.efi.value is not None


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("initrd: {start: 1M}", "either size or end"),
        ("initrd: {start: 1M, size: 1, end: 2M}", "either size or end"),
        ("initrd: {start: 2M, end: 1M}", "no range of addresses"),
        ("e820: [{start: 0xffffffffffffffff, size: 2, type: 1}]", "no range of addresses"),
        (
            "setup_data: [{address: 0x1000, type: 9, length: 1, target: {start: 1, size: 1}}]",
            "only",
        ),
        ("setup_data: [{address: 0xffffffffffffffff, type: 9, length: 1}]", "64 bits"),
        ("bootparams_address: 1", "boot_params_address"),
    ],
)
def test_wrong_descriptions(line: str, says: str) -> None:
    with pytest.raises(MalformedInput) as caught:
        read_boot_description(f"schema: smecheck/boot-v1\n{line}\n", "b.yaml")
    assert says in caught.value.message
    assert caught.value.where is not None
    assert caught.value.where.startswith("b.yaml:2:")


def test_the_number_of_a_case_is_hexadecimal() -> None:
    assert all(number(case["output"]) % 0x200000 == 0 for case in CASES)
