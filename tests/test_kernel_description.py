"""Kernels from YAML: every field, every error at its place."""

from __future__ import annotations

import pytest
from recorded import kernel

from smecheck.errors import MalformedInput
from smecheck.evidence import Known, Unknown, value_of
from smecheck.kernel.identity import identify
from smecheck.kernel.image import KernelImage, KernelKind, LoadSegment, Section, SetupHeader
from smecheck.read.kernel.kernel_description import read_kernel_description
from smecheck.read.yaml.fields import SCHEMAS

EXAMPLE = """\
schema: smecheck/kernel-v1
release: 6.1.0-56-cloud-amd64
build_id: 3F2a                       # optional
symbols:                             # link-time addresses
  _text: 0xffffffff81000000
  _end: 0xffffffff83830000
  sme_workarea: 0xffffffff83a00000
  sme_encrypt_kernel: 0xffffffff81001570
sections:
  - {name: .init.scratch, address: 0xffffffff83a00000, size: 4M, type: PROGBITS}
program_headers:
  - {vaddr: 0xffffffff8304e000, paddr: 0x304e000, filesz: 0xdb2000, memsz: 0xdb2000, flags: RWE}
setup_header: {protocol: 0x20f, init_size: 0x3378000, kernel_alignment: 2M, pref_address: 16M,
               relocatable: true, xloadflags: 0x7f, loadflags: 1, setup_sects: 39,
               cmdline_size: 2047, initrd_addr_max: 0x7fffffff, file_size: 14186432,
               output_len: 0x32c6e34}
config: {CONFIG_AMD_MEM_ENCRYPT: y, CONFIG_X86_5LEVEL: y}
"""

REST = """\
schema: "smecheck/kernel-v1"
symbols: {}
symbols_complete: true
sections:
- name: .text
  address: "0xffffffff81000000"
  size: 0
  offset: 2M
  flags: AX
- {name: .bss, address: 0, size: 0xffffffffffffffff, type: NOBITS}
sections_complete: true
program_headers:
- {vaddr: 0, paddr: 0, filesz: 1, memsz: 2, flags: R E, offset: 0x1000, align: 2M}
setup_header: {payload_offset: 1, payload_length: 2, min_alignment: 21, syssize: 4,
  kernel_alignment: 0, pref_address: 0, init_size: 0, relocatable: false}
config: {CONFIG_A: n, CONFIG_B: 0x10, CONFIG_C: "", CONFIG_d: "yes", CONFIG_E: 010}
sme_text: false
"""

NOT_GIVEN = Unknown("not in the description")
ZERO = Unknown("0 in the description")
HEAD = "schema: smecheck/kernel-v1\n"


def read(text: str) -> KernelImage:
    return read_kernel_description(text, "k.yaml")


def problems(text: str) -> list[str]:
    with pytest.raises(MalformedInput) as caught:
        read(text)
    assert "smecheck schema kernel-v1" in caught.value.help_text
    return f"{caught.value.where}: {caught.value.message}".splitlines()


def test_the_example() -> None:
    image = read(EXAMPLE)
    assert image == KernelImage(
        source="k.yaml",
        kind=KernelKind.DESCRIPTION,
        release=Known("6.1.0-56-cloud-amd64", "k.yaml:2: release"),
        build_id=Known("3f2a", "k.yaml:3: build_id"),
        symbols={
            "_text": 0xFFFFFFFF81000000,
            "_end": 0xFFFFFFFF83830000,
            "sme_workarea": 0xFFFFFFFF83A00000,
            "sme_encrypt_kernel": 0xFFFFFFFF81001570,
        },
        symbols_complete=False,
        sections=(Section(".init.scratch", 0xFFFFFFFF83A00000, 4 << 20, "PROGBITS"),),
        sections_complete=False,
        loads=(LoadSegment(0xFFFFFFFF8304E000, 0x304E000, 0xDB2000, 0xDB2000, "RWE"),),
        header=SetupHeader(
            init_size=Known(0x3378000, "k.yaml:13: setup_header.init_size"),
            kernel_alignment=Known(2 << 20, "k.yaml:13: setup_header.kernel_alignment"),
            pref_address=Known(16 << 20, "k.yaml:13: setup_header.pref_address"),
            relocatable=Known(True, "k.yaml:14: setup_header.relocatable"),
            output_len=Known(0x32C6E34, "k.yaml:16: setup_header.output_len"),
            other={
                "protocol": 0x20F,
                "xloadflags": 0x7F,
                "loadflags": 1,
                "setup_sects": 39,
                "cmdline_size": 2047,
                "initrd_addr_max": 0x7FFFFFFF,
                "file_size": 14186432,
            },
        ),
        config={"CONFIG_AMD_MEM_ENCRYPT": "y", "CONFIG_X86_5LEVEL": "y"},
        sme_text=Unknown("the description does not say"),
        purgatory=Unknown("not in the description"),
    )


def test_the_rest_of_the_fields() -> None:
    image = read(REST)
    assert (image.symbols_complete, image.sections_complete) == (True, True)
    assert image.sections == (
        Section(".text", 0xFFFFFFFF81000000, 0, None),
        Section(".bss", 0, 2**64 - 1, "NOBITS"),
    )
    assert image.loads == (LoadSegment(0, 0, 1, 2, "RE", 0x1000),)
    assert image.header == SetupHeader(
        init_size=ZERO,
        kernel_alignment=ZERO,
        pref_address=ZERO,
        relocatable=Known(False, "k.yaml:15: setup_header.relocatable"),
        output_len=NOT_GIVEN,
        other={"syssize": 4, "min_alignment": 21, "payload_offset": 1, "payload_length": 2},
    )
    assert image.config == {
        "CONFIG_A": "n",
        "CONFIG_B": "0x10",
        "CONFIG_C": "",
        "CONFIG_d": "yes",
        "CONFIG_E": "010",
    }
    assert image.sme_text == Known(False, "k.yaml:17: sme_text")


def test_what_is_written_in_other_ways() -> None:
    """As the kernel's own tools say it of an option, and as a header holds a section's type."""
    image = read(
        HEAD + "config: {CONFIG_KASAN: not set, CONFIG_NUMA: 'y', CONFIG_IKCONFIG: m}\n"
        "sections: [{name: a, address: 1, size: 1, type: 8},"
        " {name: b, address: 1, size: 1, type: 1879048195}]\n"
    )
    assert image.config == {"CONFIG_KASAN": "n", "CONFIG_NUMA": "y", "CONFIG_IKCONFIG": "m"}
    assert [section.type for section in image.sections] == ["NOBITS", "1879048195"]


def test_what_is_not_given_is_unknown() -> None:
    image = read(HEAD)
    assert (image.release, image.build_id) == (NOT_GIVEN, NOT_GIVEN)
    assert (image.symbols, image.sections, image.loads, image.config) == ({}, (), (), {})
    assert (image.symbols_complete, image.sections_complete) == (False, False)
    header = image.header
    facts = (header.init_size, header.kernel_alignment, header.pref_address, header.output_len)
    assert set(facts) == {NOT_GIVEN}
    assert header.relocatable == NOT_GIVEN
    assert read(HEAD + "setup_header: {}").header == header


KNOWN_SCHEMAS = ", ".join(SCHEMAS)
NUMBER_FORM = "write 0x… hex, a decimal, or a size such as 4M"
NO_SCHEMA = {
    "": "1:1: there is no description; it begins with `schema: smecheck/kernel-v1`",
    "~": "1:1: there is no description; it begins with `schema: smecheck/kernel-v1`",
    "\nhello": "2:1: 'hello' is not a description; it begins with `schema: smecheck/kernel-v1`",
    "- 1": "1:1: a list is not a description; it begins with `schema: smecheck/kernel-v1`",
    "y: 1\nx: 2": "1:1: 'schema' is missing; add the line `schema: smecheck/kernel-v1`",
    "x: 1\nschema: kernel": (
        f"2:9: the schema is 'kernel', not 'smecheck/kernel-v1'; known are {KNOWN_SCHEMAS}"
    ),
    "schema: [1]": (
        f"1:9: the schema is a list, not 'smecheck/kernel-v1'; known are {KNOWN_SCHEMAS}"
    ),
    "schema: smecheck/host-v1": (
        "1:9: the schema is 'smecheck/host-v1' where 'smecheck/kernel-v1' is needed"
    ),
}


@pytest.mark.parametrize(("text", "expected"), NO_SCHEMA.items())
def test_what_is_no_kernel_description(text: str, expected: str) -> None:
    assert problems(text) == [f"k.yaml:{expected}"]


WRONG = {
    # Keys
    "relese: 6.1": "2:1: unknown key 'relese'; did you mean 'release'?",
    "setup_header: {Init_Size: 1}": "2:16: unknown key 'Init_Size'; did you mean 'init_size'?",
    "sections:\n- {name: a, address: 1, size: 1, kind: X}": (
        "3:34: unknown key 'kind'; known are address, flags, name, offset, size, type"
    ),
    "program_headers: [{vaddr: 1, paddr: 1, filesz: 1, memsz: 1, flags: R, alignment: 1}]": (
        "2:71: unknown key 'alignment'; did you mean 'align'?"
    ),
    "? [a]\n: 1": "2:3: a list as a key; a key is text",
    "sections: [{name: a, size: 1}]": "2:12: 'address' is missing",
    "program_headers:\n  - {vaddr: 1, paddr: 1, filesz: 1, memsz: 1}": "3:5: 'flags' is missing",
    # Values
    "symbols: {_text: 010}": (
        f"2:18: '010': a decimal does not begin with 0 (nothing is octal here); {NUMBER_FORM}"
    ),
    "symbols:\n  _end: ~": "3:9: no value; give a number, or leave the key out if not known",
    "symbols: {'': 1}": "2:11: the text is empty; leave the key out if it is not known",
    "symbols: [1]": "2:10: a list where a mapping is needed",
    "sections: {a: 1}": "2:11: a mapping where a list is needed",
    "sections: [a]": "2:12: 'a' where a mapping is needed",
    "sections: [{name: a, address: 1, size: 0xffffffffffffffff, type: NOTE},\n"
    " {name: b, address: 2, size: 0xffffffffffffffff}]": (
        "3:30: the end 0x10000000000000001 lies beyond the 64 bits of an address"
    ),
    "sections: [{name: a, address: 1, size: 1, type: NoBits}]": (
        "2:49: 'NoBits' is not an ELF section type; did you mean 'NOBITS'?"
    ),
    "sections: [{name: a, address: 1, size: 1, type: PROGBIT}]": (
        "2:49: 'PROGBIT' is not an ELF section type; did you mean 'PROGBITS'?"
    ),
    "sections: [{name: a, address: 1, size: 1, type: 4294967296}]": (
        "2:49: '4294967296' is not an ELF section type; write its name, such as PROGBITS"
    ),
    "program_headers: [{vaddr: 1, paddr: 1, filesz: 3, memsz: 2, flags: R}]": (
        "2:48: filesz 0x3 is above memsz 0x2"
    ),
    "program_headers: [{vaddr: 1, paddr: 1, filesz: 1, memsz: 2, flags: RX}]": (
        "2:68: 'RX': write those of the letters R, W and E that are set"
    ),
    "setup_header: {kernel_alignment: 3M}": "2:34: 0x300000 is not a power of two from 0x1000 up",
    "setup_header: {kernel_alignment: 2K}": "2:34: 0x800 is not a power of two from 0x1000 up",
    "setup_header: {relocatable: 1}": "2:29: '1': write true or false",
    "config: {AMD_MEM_ENCRYPT: y}": (
        "2:10: 'AMD_MEM_ENCRYPT': an option's name begins with CONFIG_"
    ),
    **{
        f"config: {{CONFIG_{option}: {written}}}": f"2:{len(option) + 19}: {problem}"
        for option, written, problem in (
            (
                "AMD_MEM_ENCRYPT",
                "yes",
                "'yes' is not a value of CONFIG_AMD_MEM_ENCRYPT, which is of type bool: write y "
                "or n",
            ),
            (
                "RANDOMIZE_BASE",
                "m",
                "'m' is not a value of CONFIG_RANDOMIZE_BASE, which is of type bool: write y or n",
            ),
            (
                "X86_5LEVEL",
                "true",
                "'true' is not a value of CONFIG_X86_5LEVEL, which is of type bool: write y or n",
            ),
            (
                "RELOCATABLE",
                "'1'",
                "'1' is not a value of CONFIG_RELOCATABLE, which is of type bool: write y or n",
            ),
            (
                "PHYSICAL_ALIGN",
                "2M",
                "'2M' is not a value of CONFIG_PHYSICAL_ALIGN, which is of type "
                "hex: write a number that begins with 0x",
            ),
            (
                "NODES_SHIFT",
                "0xa",
                "'0xa' is not a value of CONFIG_NODES_SHIFT, which is of type "
                "int: write a decimal number",
            ),
            (
                "IKCONFIG",
                "M",
                "'M' is not a value of CONFIG_IKCONFIG, which is of type tristate: write y, m or n",
            ),
            (
                "CMDLINE",
                "ro",
                "'ro' is not a value of CONFIG_CMDLINE, which is of type string: "
                "write a text in quotes",
            ),
            (
                "NET",
                "on",
                "'on' is not a value of an option: write y, m, n, a number or a text in quotes",
            ),
        )
    },
    "config: {CONFIG_A: ~}": "2:20: no value; give text, or leave the key out if not known",
    "sme_text: 'true'": "2:11: 'true' in quotes: write true or false",
    "symbols_complete: yes": "2:19: 'yes': write true or false",
    "release: ''": "2:10: the text is empty; leave the key out if it is not known",
    'build_id: "a\\0"': "2:11: the text holds the unprintable character U+0000",
    f"release: {'x' * 65537}": f"2:10: '{'x' * 39}…': text of more than 65536 characters",
}


@pytest.mark.parametrize(("text", "expected"), WRONG.items(), ids=range(len(WRONG)))
def test_wrong_at_its_place(text: str, expected: str) -> None:
    assert problems(HEAD + text) == [f"k.yaml:{expected}"]


def test_keys_that_are_given_twice() -> None:
    text = "release: a\nsymbols: {_text: 1,\n  '_text': 1}\nrelease: b\n"
    assert problems(HEAD + text) == [
        "k.yaml:4:3: '_text' is given twice, first at 3:11",
        "k.yaml:5:1: 'release' is given twice, first at 2:1",
    ]


def test_all_problems_are_told_in_the_order_of_the_document() -> None:
    text = "setup_header: {init_size: x}\nrelese: 1\nsymbols: {a: y}\nsme_text: z\n"
    assert [line.split(" ")[0] for line in problems(HEAD + text)] == [
        *("k.yaml:2:27:", "k.yaml:3:1:", "k.yaml:4:14:", "k.yaml:5:11:")
    ]


def test_twenty_problems_are_enough() -> None:
    found = problems(HEAD + "symbols:\n" + "".join(f"  s{n}: x\n" for n in range(100)))
    assert [line.split(" ")[0] for line in found] == [f"k.yaml:{n}:7:" for n in range(3, 13)] + [
        f"k.yaml:{n}:8:" for n in range(13, 23)
    ]


def test_symbols_with_the_prefix_of_v6_18_are_those_of_the_source() -> None:
    image = kernel("7.3.4+deb13-cloud-amd64")
    assert image.symbols["sme_workarea"] == image.symbols["__init_scratch_begin"]
    assert identify(image).sme_code == Known(True, "symbol __pi_sme_encrypt_kernel")
    assert value_of(identify(image).end) == image.symbols["__brk_limit"]
