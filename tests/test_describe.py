"""``smecheck describe``: what it writes reads back to the same answer."""

from __future__ import annotations

import gzip
import io
import json
import subprocess
import sys
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import yaml
from bzimage_writer import BzImage, bzimage
from elfwriter import SHT, TEXT, Elf, Load, Section, vmlinux
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from recorded import DATA, kernel, load_json
from test_config import CONFIG, embedding
from test_symbol_list import OLD, filler, listed

from smecheck.analysis import analyze
from smecheck.asked import BootRequest, GivenInitrd, Switch, asked_by_options
from smecheck.case import Case
from smecheck.evidence import Known, Unknown
from smecheck.kernel.image import KernelImage, SetupHeader
from smecheck.load.segments import SegmentList
from smecheck.machine.memory import MemoryMap
from smecheck.read.kernel.complements import Complements, read_complemented
from smecheck.read.kernel.elf import read_elf
from smecheck.read.kernel.kernel import read_kernel
from smecheck.read.kernel.kernel_description import read_kernel_description
from smecheck.read.kernel.symbol_list import read_symbol_list
from smecheck.read.load.segments import read_segments
from smecheck.read.machine.iomem import read_iomem
from smecheck.record import replace
from smecheck.report.description import kernel_description
from smecheck.report.options import Format, RenderOptions
from smecheck.report.render import render

SCHEMA = json.loads(files("smecheck").joinpath("schemas", "kernel-v1.json").read_text())
OPTIONS = RenderOptions(explain=True, color=False, width=80, unicode=True, exit_code=0)
HELPERS = {"__sme_map_range": TEXT + 0x862000, "sme_prepare_pgd": TEXT + 0x862100}

ELF_FILES = {
    "after-end": vmlinux(),
    "after-end, v4.17": vmlinux(
        release="4.18.0", local_symbols=HELPERS, file_symbols=("mem_encrypt_identity.c",)
    ),
    "after-end, v4.15": vmlinux(release="4.15.0", local_symbols=HELPERS),
    "after-end, v4.14": vmlinux(release="4.14.200-generic"),
    "after-end, no banner": vmlinux(release=None),
    "stripped, after-end": vmlinux(stripped=True, init_data=b"mem_encrypt\0"),
    "stripped, no banner": vmlinux(stripped=True, release=None, init_data=b"mem_encrypt\0"),
    "stripped, no SME": vmlinux(stripped=True),
    "no SME": vmlinux(sme=False),
    "scratch": vmlinux(scratch=".init.scratch", release="6.1.0"),
    "scratch, stripped": vmlinux(scratch=".init.scratch", release="6.1.0", stripped=True),
    "scratch, NOBITS": vmlinux(scratch=".init.scratch", scratch_type="NOBITS", release="6.1.0"),
    "scratch, misplaced": vmlinux(scratch=".init.scratch", scratch_address=TEXT + 0xE01000),
    "scratch, small": vmlinux(scratch=".init.scratch", scratch_size=0x200000),
    "RFC": vmlinux(scratch=".sme", release="5.2.0"),
    "embedded configuration": embedding(gzip.compress(CONFIG.encode())),
}
LISTS = {
    "whole list": filler(1100) + listed(OLD),
    "whole list, shifted": filler(1100, shift=0x27800000) + listed(OLD, shift=0x27800000),
    "fragment": listed(OLD),
    "fragment without SME": listed({"_text": TEXT, "_end": TEXT + 0xA16000}),
    "list without _end": listed({"_text": TEXT, "sme_enable": TEXT + 0x862D13}),
    "RFC": (DATA / "symbols" / "5.0-rfc.System.map").read_text(),
}
PLAIN = vmlinux(stripped=True, scratch=".init.scratch", release="6.1.0").build()
BZIMAGES = {
    "whole": bzimage(PLAIN, "xz"),
    "after-end": bzimage(ELF_FILES["stripped, after-end"].build(), "gzip"),
    "header alone": BzImage(b"no known compression", 0x1000000),
    "old protocol": BzImage(protocol=0x207),
    "empty fields": BzImage(
        b"no known compression",
        0x1000000,
        kernel_alignment=0,
        pref_address=0,
        init_size=0,
        relocatable=0,
    ),
}
RECORDED = sorted(path.stem for path in (DATA / "kernels").glob("*.yaml"))
NOT_DESCRIBED = "not in the description"
REQUESTS = {
    "alone": BootRequest(),
    "placed": BootRequest(load_address=0x7C000000, kaslr=Switch.OFF),
    "started": asked_by_options(cmdline="mem_encrypt=on no5lvl", initrd=GivenInitrd(0x4000000)),
}


def image_of(elf: Elf) -> KernelImage:
    return read_elf(io.BytesIO(elf.build()), "vmlinux")


def list_image(text: str) -> KernelImage:
    return read_symbol_list(io.BytesIO(text.encode()), "System.map")


def read_back(image: KernelImage) -> KernelImage:
    text = kernel_description(image)
    Draft202012Validator(SCHEMA).validate(yaml.safe_load(text))
    return read_kernel_description(text, "described.yaml")


def report(
    image: KernelImage,
    request: BootRequest,
    segments: SegmentList | None = None,
    memory: MemoryMap | None = None,
) -> Any:
    """Return the JSON report, without what may differ."""
    answer = analyze(Case(image, request, segments, memory))
    document = json.loads(render(answer, Format.JSON, OPTIONS))
    del document["inputs"]
    del document["kernel"]["source"], document["kernel"]["kind"]
    for placement in document["placements"]:
        for step in placement["derivation"]:
            del step["source"]
    return document


def check(
    image: KernelImage,
    request: BootRequest,
    segments: SegmentList | None = None,
    memory: MemoryMap | None = None,
) -> None:
    expected = report(image, request, segments, memory)
    found = report(read_back(image), request, segments, memory)
    for told, told_again in zip(expected["checks"], found["checks"], strict=True):
        what, because, why = (told["reason"] or "").partition(" is not known: ")
        # Why a field is not known is the file's own to say: a description has no word for it.
        if because and why != NOT_DESCRIBED:
            assert told_again["reason"] in (told["reason"], f"{what}{because}{NOT_DESCRIBED}")
            told["reason"] = told_again["reason"]
    for key, value in expected.items():
        assert found[key] == value, key
    assert found.keys() == expected.keys()


def test_a_section_in_no_load() -> None:
    # As fuzzing found: the finding was certain of the file, conditional of its description.
    elf = vmlinux(scratch=".init.scratch", release="6.1.0")
    del elf.loads[-1]
    check(image_of(elf), BootRequest())


def test_a_symbol_with_a_name_too_long_for_a_key() -> None:
    # As fuzzing found: YAML takes keys of 1024 characters, as they are written.
    known = kernel("5.0-old")
    for name in ("a" * 1000, "\u0661" * 300, "b" * 999):
        check(replace(known, symbols={**known.symbols, name: TEXT}), BootRequest())


def test_a_section_of_the_type_null() -> None:
    # As fuzzing found: YAML takes the bare word for no value.
    elf = vmlinux()
    elf.sections.append(Section(".odd", "NULL", TEXT))
    check(image_of(elf), BootRequest())


@pytest.mark.parametrize(
    "kind", [12, 20, 178, 0x60000000, 0x6FFFFFF0, 0x6FFFFFFC, 1 << 31, 0xFFFFFFFF]
)
def test_a_section_of_a_type_without_a_name(kind: int, monkeypatch: pytest.MonkeyPatch) -> None:
    # As fuzzing found: the number that stands in the description was refused.
    monkeypatch.setitem(SHT, str(kind), kind)
    elf = vmlinux()
    elf.sections.append(Section(".odd", str(kind), TEXT))
    check(image_of(elf), BootRequest())


@pytest.mark.parametrize("request_name", REQUESTS)
@pytest.mark.parametrize("name", ELF_FILES)
def test_elf_files(name: str, request_name: str) -> None:
    check(image_of(ELF_FILES[name]), REQUESTS[request_name])


@pytest.mark.parametrize("request_name", REQUESTS)
@pytest.mark.parametrize("name", LISTS)
def test_lists_of_symbols(name: str, request_name: str) -> None:
    check(list_image(LISTS[name]), REQUESTS[request_name])


@pytest.mark.parametrize("name", BZIMAGES)
def test_bzimages(name: str, tmp_path: Path) -> None:
    path = tmp_path / "vmlinuz"
    path.write_bytes(BZIMAGES[name].build())
    image = read_kernel(str(path))
    for request in REQUESTS.values():
        check(image, request)
    request, segments, memory, _ = load_of("founding", "old-l-c-2g")
    check(image, request, segments, memory)


@pytest.mark.parametrize("request_name", REQUESTS)
@pytest.mark.parametrize("name", RECORDED)
def test_recorded_kernels(name: str, request_name: str) -> None:
    check(kernel(name), REQUESTS[request_name])


LOADS = [
    (folder, path.name)
    for folder in ("founding", "captures")
    for path in sorted((DATA / folder).iterdir())
    if path.is_dir()
]


def load_of(folder: str, name: str) -> tuple[BootRequest, SegmentList, MemoryMap, str]:
    recorded = load_json(folder, name, "result.json")
    path = DATA / folder / name
    return (
        asked_by_options(cmdline=recorded["cmdline"]),
        read_segments(str(path / "segments.txt")),
        read_iomem(str(path / "iomem.txt")),
        recorded["kernel"],
    )


@pytest.mark.parametrize(("folder", "name"), LOADS)
def test_recorded_loads(folder: str, name: str) -> None:
    request, segments, memory, kernel_name = load_of(folder, name)
    image = kernel(kernel_name)
    check(image, request, segments, memory)
    check(image, request, segments)
    check(image, request, memory=memory)


@pytest.mark.parametrize("name", ELF_FILES)
def test_elf_files_in_a_recorded_load(name: str) -> None:
    request, segments, memory, _ = load_of("founding", "old-l-c-2g")
    check(image_of(ELF_FILES[name]), request, segments, memory)
    check(image_of(ELF_FILES[name]), BootRequest(), memory=memory)


@pytest.mark.parametrize("name", [*ELF_FILES, *RECORDED])
def test_all_facts_come_back(name: str) -> None:
    image = image_of(ELF_FILES[name]) if name in ELF_FILES else kernel(name)
    back = read_back(image)
    assert back.symbols == image.symbols
    assert back.sections == image.sections
    assert back.loads == image.loads
    assert back.config == image.config
    assert back.header.other == image.header.other
    assert (back.symbols_complete, back.sections_complete, back.symbols_shifted) == (
        image.symbols_complete,
        image.sections_complete,
        image.symbols_shifted,
    )
    for one, other in (
        (back.release, image.release),
        (back.build_id, image.build_id),
        (back.sme_text, image.sme_text),
        (back.header.init_size, image.header.init_size),
        (back.header.output_len, image.header.output_len),
        (back.header.relocatable, image.header.relocatable),
    ):
        assert isinstance(one, Known) is isinstance(other, Known)
        if isinstance(one, Known) and isinstance(other, Known):
            assert one.value == other.value


def test_a_description_of_a_description_is_the_same() -> None:
    for elf in ELF_FILES.values():
        text = kernel_description(read_back(image_of(elf)))
        again = kernel_description(read_kernel_description(text, "described.yaml"))
        assert strip_comments(again) == strip_comments(text)


def strip_comments(text: str) -> list[str]:
    lines = (line.split("  #")[0].rstrip() for line in text.splitlines())
    return [line for line in lines if not line.lstrip().startswith("#")]


def test_every_fact_has_its_origin_beside_it() -> None:
    text = kernel_description(kernel("5.0-old"))
    assert '\nrelease: "5.0.0"  ' in text
    assert "# 5.0-old.yaml:4: release\n" in text
    assert "  init_size: 0xd41000  " in text
    assert "setup_header.init_size\n" in text
    assert "# build_id: unknown, not in the description\n" in text
    text = kernel_description(image_of(ELF_FILES["embedded configuration"]))
    assert '  CONFIG_KASAN: "n"' in text
    assert "# embedded configuration:11\n" in text
    assert "# setup_header: unknown, no setup header: not a bzImage\n" in text
    assert text.startswith("# from vmlinux (vmlinux)\n")


def test_what_complements_a_kernel_is_named(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("vmlinux", "System.map", "config")]
    paths[0].write_bytes(ELF_FILES["stripped, after-end"].build())
    paths[1].write_text(LISTS["whole list, shifted"])
    paths[2].write_text("CONFIG_X86_5LEVEL=y\n")
    image = read_complemented(
        str(paths[0]), Complements(symbols=str(paths[1]), config=str(paths[2]))
    )
    text = kernel_description(image)
    assert f"# from {paths[1]} (symbols)\n# from {paths[2]} (config)\n" in text
    assert f"# {paths[1]}:1107: symbol _end (0xffffffffa9216000 there)\n" in text
    assert f"# {paths[2]}:1\n" in text
    for request in REQUESTS.values():
        check(image, request)


HOSTILE = (
    "a: b # c",
    '"',
    "\\",
    "\\x41",
    "{}[],&*!|>'%@`",
    "~",
    "null",
    "yes",
    "5.0",
    ".inf",
    "---",
    "[/boot]",
    "é€😀",
    "\u00ad",
    "x" * 100,
)


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_written_safely(name: str) -> None:
    image = kernel("5.0-old")
    sections = (*image.sections, replace(image.sections[0], name=name))
    back = read_back(replace(image, sections=sections, release=Known(name, name), source=name))
    expected = name.replace("\u00ad", "\\xad")
    assert back.sections[-1].name == expected
    assert back.release == Known(expected, "described.yaml:4: release")


@given(st.text(min_size=1, max_size=40), st.text(max_size=40))
def test_no_text_breaks_a_description(name: str, value: str) -> None:
    image = kernel("5.0-old")
    back = read_back(
        replace(
            image,
            source=name,
            release=Known(name, name),
            build_id=Unknown(name),
            sections=(replace(image.sections[0], name=value),),
            config={"CONFIG_A": value},
            origins={"CONFIG_A": name, "_text": value},
        )
    )
    assert back.symbols == image.symbols
    if name.isprintable() and value.isprintable():
        assert isinstance(back.release, Known)
        assert back.release.value == name
        assert back.config == {"CONFIG_A": value}
        assert back.sections[0].name == (value or "(no name)")


def test_unprintable_characters_become_visible() -> None:
    image = replace(kernel("5.0-old"), release=Known("5.0\x1b[31m\n", "a\x1bb\nrelease: x"))
    text = kernel_description(image)
    assert text.isascii()
    assert "\x1b" not in text
    back = read_back(image)
    assert isinstance(back.release, Known)
    assert back.release.value == "5.0\\x1b[31m\\x0a"


def test_what_is_not_known_stays_unknown() -> None:
    nothing = replace(
        kernel("5.0-old"),
        release=Unknown("x"),
        symbols={},
        sections=(),
        loads=(),
        header=SetupHeader(),
    )
    back = read_back(nothing)
    assert (back.symbols, back.sections, back.loads, back.config) == ({}, (), (), {})
    assert (back.symbols_complete, back.sections_complete) == (False, False)
    assert not isinstance(back.header.init_size, Known)
    assert not isinstance(back.sme_text, Known)


def test_a_shifted_list_can_be_written_by_hand_too() -> None:
    text = (
        "schema: smecheck/kernel-v1\nsymbols_shifted: true\nsymbols:\n"
        "  _text: 0xffffffffa8800000\n  _end: 0xffffffffab430000\n"
    )
    image = read_kernel_description(text, "k.yaml")
    assert image.symbols == {"_text": TEXT, "_end": TEXT + 0x2C30000}
    assert image.symbols_shifted
    told = read_kernel_description(text + "setup_header: {pref_address: 32M}\n", "k.yaml")
    assert told.symbols["_text"] == TEXT + 0x1000000
    assert not told.symbols_shifted
    nothing = read_kernel_description(text.replace("_text", "_tex"), "k.yaml")
    assert nothing.symbols["_end"] == 0xFFFFFFFFAB430000


def run(*arguments: str) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-m", "smecheck", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def test_the_command_line(tmp_path: Path) -> None:
    path, written = tmp_path / "vmlinux", tmp_path / "kernel.yaml"
    path.write_bytes(ELF_FILES["scratch"].build())
    status, out, err = run("describe", str(path))
    assert (status, err) == (0, "")
    assert run("describe", str(path), "-o", str(written)) == (0, "", "")
    assert written.read_text() == out
    by_file = run("analyze", str(path), "--format", "json")
    by_description = run("analyze", str(written), "--format", "json")
    assert by_file[0] == by_description[0]
    one, other = json.loads(by_file[1]), json.loads(by_description[1])
    assert one["proof"] == other["proof"]
    assert one["headline"] == other["headline"]


def with_sections(*sections: Section) -> bytes:
    text = Section(".text", address=TEXT, data=b"x")
    return Elf([text, *sections], None, [Load(TEXT, 0x1000000, 1, 1)]).build()


def test_what_no_description_can_say_is_refused(tmp_path: Path) -> None:
    path, written = tmp_path / "vmlinux", tmp_path / "kernel.yaml"
    path.write_bytes(with_sections(*(Section("s") for _ in range(12_000))))
    status, out, err = run("describe", str(path), "-o", str(written))
    assert (status, out) == (3, "")
    assert not written.exists()
    assert err.startswith(f"smecheck: error: {path}: cannot be described: the description:")
    assert "more than 100000 nodes" in err


@pytest.mark.parametrize(
    "fields", [{"init_size": 0x7FFFFFFF, "output_len": 0x4685}, {"init_size": 0x1000}]
)
def test_a_header_that_contradicts_itself_is_judged_alike(fields: dict[str, int]) -> None:
    """What a file says is described as it is, and read back: a rule finds fault with both."""
    image = kernel("5.0-old")
    known = {name: Known(value, "a test") for name, value in fields.items()}
    damaged = replace(image, header=replace(image.header, **known))
    for one in (damaged, read_back(damaged)):
        found = analyze(Case(one, BootRequest())).findings
        assert [finding.rule for finding in found if finding.severity.value == "error"] == [
            "SME026"
        ]
