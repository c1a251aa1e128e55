"""Kernels from ELF files that the tests write themselves."""

from __future__ import annotations

import contextlib
import io
from dataclasses import replace

import pytest
from elfwriter import (
    BUILD_ID,
    STB_GLOBAL,
    STB_LOCAL,
    STT_FILE,
    TEXT,
    Elf,
    Section,
    Symbol,
    vmlinux,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from smecheck.errors import InputError, MalformedInput, WrongKind
from smecheck.evidence import Known, Unknown, value_of
from smecheck.kernel.generations import Generation
from smecheck.kernel.identity import identify
from smecheck.kernel.image import KernelImage, Scheme
from smecheck.read.kernel.elf import read_elf
from smecheck.read.kernel.elf_file import ElfFile
from smecheck.read.kernel.elf_symbols import SymbolTable

END = TEXT + 0xA16000


def read(elf: Elf | bytes) -> KernelImage:
    data = elf if isinstance(elf, bytes) else elf.build()
    return read_elf(io.BytesIO(data), "vmlinux")


def test_kernel_with_symbols() -> None:
    image = read(vmlinux())
    assert image.symbols["_end"] == END
    assert image.symbols_complete
    assert image.release == Known("5.0.0", "banner in .rodata")
    assert image.build_id == Known(BUILD_ID.hex(), "GNU build-id note in .notes")
    facts = identify(image)
    assert facts.text == Known(TEXT, "symbol _text")
    assert facts.end == Known(END, "symbol _end")
    assert value_of(facts.scheme) is Scheme.AFTER_END
    assert value_of(facts.sme_code) is True
    assert facts.section is None


def test_stripped_kernel_has_the_same_text_and_end() -> None:
    facts = identify(read(vmlinux(stripped=True, init_data=b"mem_encrypt\0on\0off\0")))
    assert facts.text == Known(TEXT, "start of section .text")
    assert facts.end == Known(END, "end of section .brk, rounded up to a page")
    assert value_of(facts.scheme) is Scheme.AFTER_END
    assert facts.sme_code == Known(True, "text 'mem_encrypt' in the image")


def test_stripped_kernel_without_sme_text_has_no_sme() -> None:
    facts = identify(read(vmlinux(stripped=True)))
    assert facts.sme_code == Known(False, "none of the strings of the SME code is in the image")
    assert value_of(facts.scheme) is Scheme.NO_SME


def test_kernel_without_sme_symbols_has_no_sme() -> None:
    facts = identify(read(vmlinux(sme=False)))
    assert value_of(facts.scheme) is Scheme.NO_SME
    assert value_of(facts.sme_code) is False


@pytest.mark.parametrize(
    ("name", "scheme", "generation"),
    [
        (".init.scratch", Scheme.INIT_SCRATCH, Generation.V5_3),
        (".sme", Scheme.SME_SECTION, Generation.RFC),
    ],
)
@pytest.mark.parametrize("stripped", [False, True])
def test_section_decides_the_scheme(
    name: str, scheme: Scheme, generation: Generation, stripped: bool
) -> None:
    facts = identify(read(vmlinux(scratch=name, stripped=stripped, release="4.18.0-305.el8")))
    assert value_of(facts.scheme) is scheme
    assert facts.generations == (generation,)
    assert facts.section is not None
    assert facts.section.address == TEXT + 0xC00000
    assert value_of(facts.end) == END


def test_scratch_of_alignment_32_after_nobits_is_no_end() -> None:
    # sh_addralign says 32 in every real kernel; p_vaddr + p_memsz is the section's end, not _end.
    image = read(vmlinux(scratch=".init.scratch", stripped=True))
    last = image.loads[-1]
    assert last.vaddr + last.memsz == TEXT + 0x1000000
    assert value_of(identify(image).end) == END


@pytest.mark.parametrize("merge", [False, True])
def test_names_that_share_tails(merge: bool) -> None:
    elf = vmlinux(symbols={"__bss_end": TEXT + 0x5000, "init_text": TEXT + 0x6000})
    elf.merge_tails = merge
    image = read(elf)
    assert (image.symbols["_end"], image.symbols["_text"]) == (END, TEXT)


WANTED = (
    *("_end", "_text", "panic", "kernel_config_data", "svsm_perform_call_protocol"),
    *("sme_workarea", "__pi_sme_workarea", "__pi_panic", "__asan_load1", "__pi___asan_load1"),
    *("__asan_load16", "kasan_report"),
)
BEGINNING = "__sme_map_range"
"""Compilers add to the names of local functions: what begins like this is that one."""
NEIGHBOURS = (
    *("__bss_end", "init_text", "sme", "sme_", "__pfx_panic", "my_sme_workarea", "asan_a"),
    *(BEGINNING, "__sme_map_range_pte", "__sme_map_range.isra.0"),
)


@given(
    symbols=st.lists(
        st.tuples(
            st.sampled_from((*WANTED, *NEIGHBOURS)),
            st.sampled_from((STB_LOCAL, STB_GLOBAL)),
            st.sampled_from((0, 1)),
        ),
        max_size=12,
    ),
    merge=st.booleans(),
)
@settings(deadline=None, max_examples=200)
def test_symbols_are_found_as_a_walk_over_all_of_them_finds_them(
    symbols: list[tuple[str, int, int]], merge: bool
) -> None:
    listed = [
        Symbol(name, TEXT + number, binding, section=section)
        for number, (name, binding, section) in enumerate(symbols)
    ]
    elf = Elf(sections=[Section(".text", data=b"\x90")], symbols=listed, merge_tails=merge)
    data = elf.build()
    file = ElfFile(io.BytesIO(data), len(data), "vmlinux")
    file.read_header()
    sections = file.read_sections()
    header = next(one for one in sections if one.type == "SYMTAB")
    expected: dict[str, int] = {}
    for symbol in sorted(listed, key=lambda symbol: -symbol.binding):
        name = BEGINNING if symbol.name.startswith(BEGINNING) else symbol.name
        if symbol.section and name in (*WANTED, BEGINNING):
            expected.setdefault(name, symbol.value)
    assert SymbolTable(file, header, sections).values((*WANTED, BEGINNING)) == expected


def test_undefined_and_local_symbols_do_not_win() -> None:
    elf = vmlinux()
    assert elf.symbols is not None
    elf.symbols.insert(0, Symbol("_end", 0x1234, STB_LOCAL))
    elf.symbols.insert(0, Symbol("_text", 0x1234, section=0))
    elf.symbols.append(Symbol("_end", 0x4321, STB_LOCAL))
    image = read(elf)
    assert (image.symbols["_end"], image.symbols["_text"]) == (END, TEXT)


def test_a_file_named_like_a_symbol_is_none() -> None:
    elf = vmlinux(sme=False)
    assert elf.symbols is not None
    elf.symbols.append(Symbol("sme_encrypt_kernel", 0, STB_LOCAL, STT_FILE, 0xFFF1))
    assert value_of(identify(read(elf)).sme_code) is False


@pytest.mark.parametrize(
    ("settings_", "expected"),
    [
        ({"file_symbols": ("mem_encrypt_identity.c",), "release": "4.14.0"}, (Generation.V4_17,)),
        ({"local_symbols": {"__sme_map_range": TEXT}, "release": "4.99.0"}, (Generation.V4_15,)),
        ({"local_symbols": {"sme_prepare_pgd.constprop.0": TEXT}}, (Generation.V4_15,)),
        ({"release": "4.14.0"}, (Generation.V4_14_0, Generation.V4_15)),
        ({"release": "4.14.336-openela"}, (Generation.V4_14_0, Generation.V4_15)),
        ({"release": "4.15.0-20-generic"}, (Generation.V4_15,)),
        ({"release": "4.19.57"}, (Generation.V4_17,)),
        ({"release": None}, (Generation.V4_14_0, Generation.V4_15, Generation.V4_17)),
    ],
)
def test_generation_of_the_after_end_scheme(
    settings_: dict[str, object], expected: tuple[Generation, ...]
) -> None:
    facts = identify(read(vmlinux(**settings_)))  # type: ignore[arg-type]
    assert facts.generations == expected
    by_image = "file_symbols" in settings_ or "local_symbols" in settings_
    assert bool(facts.assumptions) is not by_image


def test_banner_by_symbol_wins_over_a_scan() -> None:
    elf = vmlinux(release="6.1.0-56", symbols={})
    rodata = next(section for section in elf.sections if section.name == ".rodata")
    rodata.data = b"Linux version 9.9.9 (decoy)\0".ljust(64) + b"Linux version 6.1.0-56 (b@h)\0"
    assert elf.symbols is not None
    elf.symbols.append(Symbol("linux_banner", rodata.address + 64))
    assert read(elf).release == Known("6.1.0-56", "symbol linux_banner")


def test_a_split_debug_file_says_nothing_of_what_is_in_the_image() -> None:
    # objcopy --only-keep-debug makes all that is loaded NOBITS, save notes.
    elf = vmlinux(scratch=".init.scratch")
    for section in elf.sections:
        if section.type == "PROGBITS":
            section.type = "NOBITS"
    image = read(elf)
    assert {section.type for section in image.sections} == {None}
    assert image.release == Unknown("a split debug file has no contents, only symbols")
    assert value_of(image.build_id) == BUILD_ID.hex()
    assert value_of(identify(image).end) == END


def test_nothing_to_identify_is_unknown_with_a_reason() -> None:
    elf = vmlinux(stripped=True, release=None)
    elf.sections = [section for section in elf.sections if section.name not in (".brk", ".notes")]
    image = read(elf)
    assert isinstance(image.release, Unknown)
    assert isinstance(image.build_id, Unknown)
    assert isinstance(identify(image).end, Unknown)


@pytest.mark.parametrize(
    ("change", "kind", "words"),
    [
        ({"machine": 183}, WrongKind, "AARCH64"),
        ({"machine": 3, "elf_class": 1}, WrongKind, "32-bit"),
        ({"machine": 0x9999}, WrongKind, "39321"),
        ({"byte_order": 2}, WrongKind, "big-endian"),
        ({"type": 1}, WrongKind, "object file or a kernel module"),
        ({"type": 3}, WrongKind, "shared library"),
        ({"type": 4}, WrongKind, "core file"),
        ({"elf_class": 7}, MalformedInput, "ELF class 7"),
        ({"loads": []}, MalformedInput, "no LOAD"),
        ({"sections": []}, WrongKind, r"no section \.text"),
    ],
)
def test_other_files_are_named(
    change: dict[str, object], kind: type[InputError], words: str
) -> None:
    with pytest.raises(kind, match=words) as caught:
        read(replace(vmlinux(), **change))  # type: ignore[arg-type]
    assert caught.value.where == "vmlinux"
    assert caught.value.help_text


def test_a_user_program_is_no_kernel() -> None:
    elf = vmlinux()
    elf.loads = [replace(load, vaddr=0x400000) for load in elf.loads]
    with pytest.raises(WrongKind, match="linked for user space"):
        read(elf)


def test_no_section_headers() -> None:
    data = bytearray(vmlinux().build())
    data[40:48] = bytes(8)
    with pytest.raises(WrongKind, match="no section headers"):
        read(bytes(data))


@pytest.mark.parametrize("length", [0, 3, 15, 63, 64, 200, 1000])
def test_truncated_anywhere_is_said(length: int) -> None:
    with pytest.raises(InputError) as caught:
        read(vmlinux().build()[:length])
    assert caught.value.where == "vmlinux"


def test_every_truncation_is_an_input_error_or_complete() -> None:
    data = vmlinux(scratch=".sme", scratch_type="NOBITS").build()
    for length in range(4, len(data), 97):
        with pytest.raises(InputError):
            read(data[:length])


def test_a_lying_offset_is_named() -> None:
    elf = vmlinux()
    notes = next(section for section in elf.sections if section.name == ".notes")
    notes.offset = 1 << 50
    with pytest.raises(MalformedInput, match=r"section \.notes at 0x4000000000000"):
        read(elf)


@pytest.mark.parametrize("release", ["6.1.0\x0356", "6.1.0\xe9", "6" * 129])
def test_a_banner_that_no_kernel_has_is_none(release: str) -> None:
    # As fuzzing found: what a description cannot hold is not read in the first place.
    assert isinstance(read(vmlinux(release=release)).release, Unknown)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"filesz": 0x6D4001}, "a LOAD of 0x6d4000 bytes has 0x6d4001 bytes in the file"),
        ({"memsz": 0x80000000}, "a LOAD at 0xffffffff81000000"),
        ({"paddr": (1 << 64) - 0x1000}, "a LOAD at 0xfffffffffffff000"),
    ],
)
def test_a_load_of_no_addresses_is_refused(changes: dict[str, int], words: str) -> None:
    # As fuzzing found: it was taken, and its description was not.
    elf = vmlinux()
    elf.loads[0] = replace(elf.loads[0], **changes)
    with pytest.raises(MalformedInput, match=words):
        read(elf)


def test_a_section_of_no_addresses_is_refused() -> None:
    elf = vmlinux()
    notes = next(section for section in elf.sections if section.name == ".notes")
    notes.address = (1 << 64) - notes.length
    read(elf)
    notes.address += 1
    with pytest.raises(MalformedInput, match=r"section \.notes at 0xf+c9 .* beyond the 64 bits"):
        read(elf)
    notes.flags = 0
    read(elf)


def test_symbol_table_without_names() -> None:
    elf = vmlinux(stripped=True)
    elf.sections.append(Section(".symtab", "SYMTAB", data=bytes(48), flags=0, link=99))
    with pytest.raises(MalformedInput, match="symbol table has no names"):
        read(elf)


@settings(max_examples=200)
@given(st.data())
def test_damage_never_escapes_as_another_error(data: st.DataObject) -> None:
    original = vmlinux(scratch=".init.scratch", scratch_type="NOBITS").build()
    damaged = bytearray(original)
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(4, len(damaged) - 1))
        damaged[at] = data.draw(st.integers(0, 255))
    with contextlib.suppress(InputError):
        read(bytes(damaged))


@pytest.mark.parametrize("merge", [False, True])
def test_names_with_the_prefix_of_v6_18_are_those_of_the_source(merge: bool) -> None:
    prefixed = {
        "__pi_sme_encrypt_kernel": TEXT + 0x8629A6,
        "__pi_sme_enable": TEXT + 0x862D13,
        "__pfx___pi_sme_encrypt_kernel": TEXT + 0x862996,
        "__pi__text": TEXT + 0x200000,
        "__pi__end": END + 0x200000,
    }
    elf = vmlinux(
        sme=False,
        scratch=".init.scratch",
        symbols=prefixed,
        local_symbols={"__pi_sme_workarea": TEXT + 0xC00000},
    )
    elf.merge_tails = merge
    image = read(elf)
    assert image.symbols["sme_encrypt_kernel"] == TEXT + 0x8629A6
    assert image.symbols["sme_workarea"] == TEXT + 0xC00000
    assert (image.symbols["_text"], image.symbols["_end"]) == (TEXT, END)
    assert identify(image).sme_code == Known(True, "symbol __pi_sme_encrypt_kernel")


def test_the_generation_is_told_by_names_with_the_prefix_as_well() -> None:
    elf = vmlinux(sme=False, local_symbols={"__pi___sme_map_range.isra.0": TEXT}, release=None)
    assert identify(read(elf)).generations == (Generation.V4_15,)


def test_padding_alone_is_no_sme_code() -> None:
    elf = vmlinux(sme=False, symbols={"__pfx_sme_enable": TEXT, "__pi___pfx_sme_enable": TEXT})
    assert value_of(identify(read(elf)).sme_code) is False
