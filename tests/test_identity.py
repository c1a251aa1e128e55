"""What an image is: where it begins and ends, its scheme, its generation, its SME code."""

from __future__ import annotations

import pytest
from recorded import kernel

from smecheck.evidence import Fact, Known, Unknown, value_of
from smecheck.kernel.facts import KernelFacts
from smecheck.kernel.generations import AFTER_END_GENERATIONS, GENERATION_RULES, Generation
from smecheck.kernel.identity import identify, link_address_problem
from smecheck.kernel.image import KernelImage, LoadSegment, Scheme, Section
from smecheck.read.kernel.kernel_description import read_kernel_description
from smecheck.record import replace

TEXT, END, WORKAREA = 0xFFFFFFFF81000000, 0xFFFFFFFF81A16000, 0xFFFFFFFF81C00000
ADDRESSES = {"_text": TEXT, "_end": END}
SME = {"sme_encrypt_kernel": TEXT + 0x1000}
IDENTITY_FILE = {"mem_encrypt_identity.c": 0}
EMPTY = read_kernel_description("schema: smecheck/kernel-v1\n", "kernel.yaml")
NOTHING: Fact[bool] = Unknown("not looked for")


def image(
    symbols: dict[str, int] | None = None,
    *sections: Section,
    complete: bool = True,
    release: str = "",
    config: str = "",
    sme_text: Fact[bool] = NOTHING,
    loads: tuple[LoadSegment, ...] = (),
) -> KernelImage:
    return replace(
        EMPTY,
        release=Known(release, "a banner") if release else EMPTY.release,
        symbols=symbols or {},
        symbols_complete=complete and symbols is not None,
        sections=sections,
        sections_complete=complete and bool(sections),
        loads=loads,
        config={"CONFIG_AMD_MEM_ENCRYPT": config} if config else {},
        sme_text=sme_text,
    )


def facts(*arguments: object, **named: object) -> KernelFacts:
    return identify(image(*arguments, **named))  # type: ignore[arg-type]


# _text and _end


def test_symbols_tell_text_and_end() -> None:
    found = facts(ADDRESSES, Section(".text", TEXT + 1, 1, None), Section(".brk", 0, 1, None))
    assert found.text == Known(TEXT, "symbol _text")
    assert found.end == Known(END, "symbol _end")


def test_sections_tell_text_and_end() -> None:
    found = facts(None, Section(".text", TEXT, 1, None), Section(".brk", END - 0xFFF, 1, "NOBITS"))
    assert found.text == Known(TEXT, "start of section .text")
    assert found.end == Known(END, "end of section .brk, rounded up to a page")


@pytest.mark.parametrize(
    ("brk", "size", "end"),
    [
        (END - 0x16000, 0x16000, END),
        (END - 0x16000, 0x15001, END),
        (END - 0x16000, 0x15000, END - 0x1000),
        (END, 0, END),
    ],
)
def test_end_of_brk_is_rounded_up_to_a_page(brk: int, size: int, end: int) -> None:
    assert value_of(facts(None, Section(".brk", brk, size, "NOBITS")).end) == end


def test_program_headers_tell_the_text_but_not_the_end() -> None:
    percpu = LoadSegment(0, 0x1835000, 0x1D000, 0x1D000, "RWE")
    data = LoadSegment(TEXT - 0x200000, 0xE00000, 1, 1, "RW")
    text = LoadSegment(TEXT, 0x1000000, 0x6D4000, 0xA16000, "RE")
    found = facts(loads=(percpu, data, text))
    assert found.text == Known(TEXT, "start of the first executable LOAD")
    assert isinstance(found.end, Unknown)


def test_nothing_tells_nothing() -> None:
    found = identify(EMPTY)
    assert isinstance(found.text, Unknown)
    assert isinstance(found.end, Unknown)
    assert isinstance(found.scheme, Unknown)
    assert isinstance(found.sme_code, Unknown)
    assert found.section is None
    assert found.generations == AFTER_END_GENERATIONS


# The scheme


@pytest.mark.parametrize(
    ("symbols", "sections", "scheme", "start", "size"),
    [
        ({}, [(".init.scratch", WORKAREA, 5)], Scheme.INIT_SCRATCH, WORKAREA, 5),
        ({}, [(".sme", WORKAREA, 5)], Scheme.SME_SECTION, WORKAREA, 5),
        ({"__init_scratch_begin": WORKAREA}, [], Scheme.INIT_SCRATCH, WORKAREA, 4 << 20),
        (
            {"__init_scratch_begin": WORKAREA, "__init_scratch_end": WORKAREA + 7},
            [],
            Scheme.INIT_SCRATCH,
            WORKAREA,
            7,
        ),
        (
            {"__init_scratch_begin": WORKAREA, "__init_scratch_end": WORKAREA - 7},
            [],
            Scheme.INIT_SCRATCH,
            WORKAREA,
            0,
        ),
        ({"__sme_begin": WORKAREA}, [], Scheme.SME_SECTION, WORKAREA, 4 << 20),
        ({"sme_workarea": WORKAREA}, [], Scheme.INIT_SCRATCH, WORKAREA, 4 << 20),
        (
            {"sme_workarea": WORKAREA, "__init_scratch_begin": WORKAREA + 9},
            [(".init.scratch", WORKAREA + 3, 5)],
            Scheme.INIT_SCRATCH,
            WORKAREA + 3,
            5,
        ),
    ],
)
def test_section_scheme(
    symbols: dict[str, int],
    sections: list[tuple[str, int, int]],
    scheme: Scheme,
    start: int,
    size: int,
) -> None:
    headers = [Section(name, address, length, None) for name, address, length in sections]
    found = facts(ADDRESSES | symbols, *headers)
    assert value_of(found.scheme) is scheme
    assert found.section is not None
    assert (found.section.address, found.section.size) == (start, size)
    assert value_of(found.sme_code) is True


def test_sme_code_without_a_section_is_the_after_end_scheme() -> None:
    found = facts(ADDRESSES | SME)
    assert value_of(found.scheme) is Scheme.AFTER_END
    assert found.section is None
    assert found.assumptions == (
        "the image does not show its generation: extents are the worst of 4.14.0, 4.15-4.16, "
        "4.17-5.2",
    )


def test_what_a_description_does_not_name_may_be_there() -> None:
    found = facts(ADDRESSES | SME, complete=False)
    assert value_of(found.scheme) is Scheme.AFTER_END
    assert "names neither the section" in found.assumptions[0]


# SME code


@pytest.mark.parametrize("name", ["sme_encrypt_kernel", "sme_enable", "sme_encrypt_execute"])
@pytest.mark.parametrize("complete", [True, False])
def test_a_symbol_of_the_sme_code_is_enough(name: str, complete: bool) -> None:
    found = facts({name: TEXT}, complete=complete, config="n", sme_text=Known(False, "x"))
    assert found.sme_code == Known(True, f"symbol {name}")


def test_what_shows_that_there_is_no_sme_code() -> None:
    assert value_of(facts(ADDRESSES).scheme) is Scheme.NO_SME
    assert value_of(facts(ADDRESSES, complete=False, config="n").scheme) is Scheme.NO_SME
    none = Known(False, "none of the strings of the SME code is in the image")
    assert facts(None, Section(".text", TEXT, 1, None), sme_text=none).sme_code == none


def test_a_list_of_symbols_that_is_not_complete_shows_nothing() -> None:
    found = facts(ADDRESSES, complete=False)
    assert isinstance(found.sme_code, Unknown)
    assert value_of(found.scheme) is Scheme.AFTER_END
    assert found.assumptions[0].startswith("the kernel is assumed to have SME code")


def test_config_shows_sme_code() -> None:
    found = facts(ADDRESSES, complete=False, config="y")
    assert found.sme_code == Known(True, "CONFIG_AMD_MEM_ENCRYPT=y")


# The generation


@pytest.mark.parametrize(
    ("symbols", "release", "generations"),
    [
        (IDENTITY_FILE, "4.15.0", (Generation.V4_17,)),
        (IDENTITY_FILE | {"__sme_map_range": 1}, "", (Generation.V4_17,)),
        ({"__sme_map_range": 1}, "5.0.0", (Generation.V4_15,)),
        ({"sme_prepare_pgd": 1}, "", (Generation.V4_15,)),
        ({}, "4.14.0", (Generation.V4_14_0, Generation.V4_15)),
        ({}, "4.14.300-generic", (Generation.V4_14_0, Generation.V4_15)),
        ({}, "4.15.0-20-generic", (Generation.V4_15,)),
        ({}, "4.16.18", (Generation.V4_15,)),
        ({}, "4.17.0-rc1", (Generation.V4_17,)),
        ({}, "4.18.0-80.el8.x86_64", (Generation.V4_17,)),
        ({}, "5.2.21", (Generation.V4_17,)),
        ({}, "5.0.0", (Generation.V4_17,)),
        ({}, "unknown", AFTER_END_GENERATIONS),
        ({}, "", AFTER_END_GENERATIONS),
    ],
)
def test_generation_of_the_after_end_scheme(
    symbols: dict[str, int], release: str, generations: tuple[Generation, ...]
) -> None:
    found = facts(ADDRESSES | SME | symbols, release=release)
    assert found.generations == generations
    by_banner = bool(release) and not symbols and len(generations) == 1
    assert any("follows from the banner" in text for text in found.assumptions) is by_banner


@pytest.mark.parametrize("release", ["", "4.18.0-147.el8.x86_64", "5.0.0", "6.12.0"])
def test_a_section_tells_the_generation_whatever_the_version(release: str) -> None:
    scratch = Section(".init.scratch", WORKAREA, 4 << 20, "PROGBITS")
    assert facts(ADDRESSES, scratch, release=release).generations == (Generation.V5_3,)
    rfc = Section(".sme", WORKAREA, 4 << 20, "PROGBITS")
    assert facts(ADDRESSES, rfc, release=release).generations == (Generation.RFC,)


def test_incomplete_symbols_do_not_tell_v4_15_from_v4_17() -> None:
    found = facts(ADDRESSES | SME | {"__sme_map_range": 1}, complete=False)
    assert found.generations == AFTER_END_GENERATIONS
    assert found.generation_text == "4.14.0 or 4.15-4.16 or 4.17-5.2"


def test_every_generation_has_rules() -> None:
    assert set(GENERATION_RULES) == set(Generation)
    in_section = {g for g, rules in GENERATION_RULES.items() if rules.in_section}
    assert in_section == {Generation.RFC, Generation.V5_3}
    assert set(AFTER_END_GENERATIONS) == set(Generation) - in_section


# Addresses that cannot be a kernel's


@pytest.mark.parametrize(
    ("text", "end", "says"),
    [
        (TEXT, END, None),
        (TEXT, TEXT + 1, None),
        (0xFFFFFFFF80000000, 0xFFFFFFFF80200000, None),
        (TEXT, TEXT + (1 << 30), None),
        (TEXT, TEXT + (1 << 30) + 1, "not within 1 GiB"),
        (TEXT, TEXT, "not within 1 GiB"),
        (TEXT, TEXT - 1, "not within 1 GiB"),
        (0x1000000, 0x1A16000, "is not a link address"),
        (0xFFFFFFFF7FE00000, 0xFFFFFFFF80200000, "is not a link address"),
        (TEXT + 0x1000, END, "not aligned to 2 MiB"),
    ],
)
def test_link_addresses(text: int, end: int, says: str | None) -> None:
    problem = link_address_problem(facts({"_text": text, "_end": end}))
    assert (problem is None) is (says is None)
    assert (says or "") in (problem or "")


@pytest.mark.parametrize(
    ("name", "scheme"),
    [
        ("5.0-old", Scheme.AFTER_END),
        ("5.0-old16", Scheme.AFTER_END),
        ("5.0-lucky", Scheme.AFTER_END),
        ("5.0-rfc", Scheme.SME_SECTION),
        ("6.1.0-56-amd64", Scheme.INIT_SCRATCH),
        ("6.1.0-56-cloud-amd64", Scheme.INIT_SCRATCH),
        ("6.12.117+deb12-amd64", Scheme.INIT_SCRATCH),
        ("6.12.117+deb12-cloud-amd64", Scheme.INIT_SCRATCH),
    ],
)
def test_recorded_kernels(name: str, scheme: Scheme) -> None:
    found = identify(kernel(name))
    assert value_of(found.scheme) is scheme
    assert value_of(found.sme_code) is True
    assert link_address_problem(found) is None
    assert isinstance(found.text, Known)
    assert isinstance(found.end, Known)
    if found.section is not None:
        # Where the old code would have put it: the first 2 MiB boundary behind _end.
        assert found.section.address == -(-found.end.value // 0x200000) * 0x200000
        assert found.section.size == 4 << 20
