"""The host from YAML: every field, every error at its place, and agreement with the JSON Schema."""

from __future__ import annotations

import json
from importlib.resources import files

import pytest
import yaml
from jsonschema import Draft202012Validator

from smecheck.errors import MalformedInput
from smecheck.evidence import Known, Unknown
from smecheck.machine.firmware import E820Type, FirmwareMap, FirmwareMapKind, FirmwareRange
from smecheck.machine.host import Host
from smecheck.read.machine.host_description import read_host_description
from smecheck.span import Span

EXAMPLE = """\
schema: smecheck/host-v1
kexec_tools: 2.0.25
kernel_release: 6.1.0-56-amd64
kexec_options: [--noefi, --mem-max=0x3fffffff]
cmdline: "BOOT_IMAGE=/boot/v root=/dev/sda1 ro"
cpus: 64
efi_runtime_entries: 12
efi_descriptor_size: 48
acpi_rsdp: 0x7f5a2014
vmcoreinfo: true
rng_seed: true
purgatory: {size: 0x9000}
kernel_purgatory: {size: 0x5000}
gbpages: true
crash_elfcorehdr_size: 0xe00b0
ima_kexec: false
cma: true
kho: false
kexec_handover: true
keep_memblock: false
dm_crypt_keys: true
crash_cma_ranges: [{start: 0x52000000, size: 512M}]
crash_kernel: {start: 0x6d000000, size: 256M}
firmware_map:
  - {start: 0x0, end: 0x9fc00, type: System RAM}
  - {start: 0x9fc00, size: 1K, type: Reserved}
  - {start: 1M, end: 0x7ffe0000, type: System RAM}
  - {start: 0x7ffe0000, size: 4K, type: Something New}
"""
HEAD = "schema: smecheck/host-v1\n"
SCHEMA = json.loads(files("smecheck").joinpath("schemas", "host-v1.json").read_text())


def read(text: str) -> Host:
    return read_host_description(text, "h.yaml")


def problems(text: str) -> list[str]:
    with pytest.raises(MalformedInput) as caught:
        read(text)
    assert "smecheck schema host-v1" in caught.value.help_text
    return f"{caught.value.where}: {caught.value.message}".splitlines()


def schema_accepts(text: str) -> bool:
    return bool(Draft202012Validator(SCHEMA).is_valid(yaml.safe_load(text)))


def entry(line: int, start: int, end: int, kind: int, name: str) -> FirmwareRange:
    return FirmwareRange(Span(start, end), kind, f"h.yaml:{line}")


def test_the_example() -> None:
    assert read(EXAMPLE) == Host(
        source="h.yaml",
        kexec_tools=Known("2.0.25", "h.yaml:2: kexec_tools"),
        kernel_release=Known("6.1.0-56-amd64", "h.yaml:3: kernel_release"),
        kexec_options=("--noefi", "--mem-max=0x3fffffff"),
        cmdline=Known("BOOT_IMAGE=/boot/v root=/dev/sda1 ro", "h.yaml:5: cmdline"),
        cpus=Known(64, "h.yaml:6: cpus"),
        efi_runtime_entries=Known(12, "h.yaml:7: efi_runtime_entries"),
        efi_descriptor_size=Known(48, "h.yaml:8: efi_descriptor_size"),
        acpi_rsdp=Known(0x7F5A2014, "h.yaml:9: acpi_rsdp"),
        vmcoreinfo=Known(True, "h.yaml:10: vmcoreinfo"),
        rng_seed=Known(True, "h.yaml:11: rng_seed"),
        purgatory_size=Known(0x9000, "h.yaml:12: purgatory.size"),
        kernel_purgatory_size=Known(0x5000, "h.yaml:13: kernel_purgatory.size"),
        firmware_map=FirmwareMap(
            "h.yaml",
            FirmwareMapKind.HOST,
            (
                entry(25, 0, 0x9FC00, E820Type.RAM, "System RAM"),
                entry(26, 0x9FC00, 0xA0000, E820Type.RESERVED, "Reserved"),
                entry(27, 0x100000, 0x7FFE0000, E820Type.RAM, "System RAM"),
                entry(28, 0x7FFE0000, 0x7FFE1000, 0, "Something New"),
            ),
        ),
        gbpages=Known(True, "h.yaml:14: gbpages"),
        crash_elfcorehdr_size=Known(0xE00B0, "h.yaml:15: crash_elfcorehdr_size"),
        ima_kexec=Known(False, "h.yaml:16: ima_kexec"),
        cma=Known(True, "h.yaml:17: cma"),
        kho=Known(False, "h.yaml:18: kho"),
        kexec_handover=Known(True, "h.yaml:19: kexec_handover"),
        keep_memblock=Known(False, "h.yaml:20: keep_memblock"),
        dm_crypt_keys=Known(True, "h.yaml:21: dm_crypt_keys"),
        crash_cma_ranges=Known((Span(0x52000000, 0x72000000),), "h.yaml: crash_cma_ranges"),
        crash_kernel=Span(0x6D000000, 0x7D000000),
    )
    assert schema_accepts(EXAMPLE)


def test_what_is_left_out_is_unknown() -> None:
    host = read(HEAD)
    missing = Unknown("not in the description")
    assert (host.cpus, host.purgatory_size, host.kexec_tools) == (missing,) * 3
    assert (host.firmware_map, host.crash_kernel, host.kexec_options) == (None, None, ())
    assert schema_accepts(HEAD)


WRONG = {
    "cpus: 0": "2:7: 0x0 is not from 0x1 to 0x10000",
    "cpu: 4": "2:1: unknown key 'cpu'; did you mean 'cpus'?",
    "kexec_tools: newest": "2:14: 'newest' is not a version; write 2.0.25, or 6.1.0-56",
    "rng_seed: yes": "2:11: 'yes': write true or false",
    "kexec_options: --noefi": "2:16: '--noefi' where a list is needed",
    "kexec_options: [--mem-max=lots]": (
        "2:17: Bad option value in --mem-max=lots (no unit; 0x… hex or a decimal)"
    ),
    "kexec_options: [--noefi, --mem-max=1G]": (
        "2:26: Bad option value in --mem-max=1G (no unit; 0x… hex or a decimal)"
    ),
    "kexec_options: [--no-efi]": "2:17: unrecognized option '--no-efi'; did you mean '--noefi'?",
    "kexec_options: [--lod]": "2:17: unrecognized option '--lod'; did you mean '--load'?",
    "kexec_options: [-lz]": "2:17: invalid option -- 'z'",
    "kexec_options: [--entr=1]": (
        "2:17: option '--entr=1' is ambiguous; possibilities: '--entry' '--entry-32bit'"
    ),
    "kexec_options: [--load=now]": "2:17: option '--load' doesn't allow an argument",
    "kexec_options: [-p, -t]": "2:21: option requires an argument -- 't'",
    "kexec_options: [-t, bzimage]": "2:17: Unsupported kernel type bzimage",
    "kexec_options: [noefi]": "2:17: 'noefi' is not an option of kexec; did you mean '--noefi'?",
    "kexec_options: [-l, /boot/vmlinuz, /boot/initrd]": (
        "2:36: '/boot/initrd' is not an option, and '/boot/vmlinuz' is the kernel's file already"
    ),
    "kexec_options: [--, -p]": "2:21: '-p' is not an option of kexec",
    "kexec_options: [-e]": "2:17: with --exec kexec loads nothing",
    "kexec_options: [-l, --status]": "2:21: with --status kexec loads nothing",
    "kexec_options: [--load-live-update]": ("2:17: --load-live-update can only be used with xen"),
    "kexec_options: ['--append \"ro']": "2:17: '--append \"ro': no closing quotation",
    "kexec_options: [--serial=ttyS9]": "2:17: Bad serial port base 'ttyS9'",
    "kexec_options: [--serial-baud=1]": "2:17: Bad serial port baud rate '1'",
    "kexec_tools: 2.0.25\nkexec_options: [--hotplug]": (
        "3:17: unrecognized option '--hotplug', which kexec-tools knows since 2.0.28"
    ),
    "purgatory: {bytes: 4K}": "2:13: unknown key 'bytes'; known are size",
    "firmware_map: []": "2:15: the list 'firmware_map' is empty; give at least one",
    "firmware_map: [{start: 0, size: 4K}]": "2:16: 'type' is missing",
    "crash_kernel: {start: 0x10, end: 0x10}": "2:34: end 0x10 is not above start 0x10",
    "crash_kernel: {start: 0x10}": (
        "2:15: 'size' is missing (or 'end', the address after the last byte)"
    ),
    "acpi_rsdp: 010": (
        "2:12: '010': a decimal does not begin with 0 (nothing is octal here); write 0x… hex, a "
        "decimal, or a size such as 4M"
    ),
}


@pytest.mark.parametrize("text", WRONG)
def test_wrong_at_its_place(text: str) -> None:
    assert problems(HEAD + text) == [f"h.yaml:{WRONG[text]}"]


READER_ALONE = ("kexec_options: [", "end: 0x10}", "010", "yes")
"""What a JSON Schema cannot say, or does not see after YAML's own rules were applied."""


@pytest.mark.parametrize("text", WRONG)
def test_the_schema_refuses_what_the_reader_refuses(text: str) -> None:
    assert schema_accepts(HEAD + text) is any(word in text for word in READER_ALONE)


def test_the_schema_and_the_reader_know_the_same_keys() -> None:
    (found,) = problems(HEAD + "unheard_of_and_unlike_any: 1")
    listed = found.partition("known are ")[2].split(", ")
    assert set(listed) == set(SCHEMA["properties"])
