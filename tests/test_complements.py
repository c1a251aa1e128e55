"""One kernel out of several files: what is filled in, and what shows that they do not belong."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from bzimage_writer import BzImage
from elfwriter import TEXT, vmlinux
from recorded import DATA
from test_config import CONFIG, embedding
from test_symbol_list import OLD, filler, listed

from smecheck.analysis import analyze
from smecheck.answer import InputUse, Verdict
from smecheck.asked import BootRequest
from smecheck.case import Case
from smecheck.errors import InputError, MalformedInput, WrongKind
from smecheck.evidence import Known, value_of
from smecheck.kernel.identity import identify
from smecheck.kernel.image import Complement, KernelImage, KernelKind
from smecheck.read.kernel.complements import Complements, read_complemented

KERNELS = DATA / "kernels"
LISTS = DATA / "symbols"
HEADER = """\
schema: smecheck/kernel-v1
setup_header: {init_size: 0xd41000, kernel_alignment: 2M, pref_address: 16M, relocatable: true}
"""
STRIPPED = vmlinux(stripped=True, init_data=b"mem_encrypt\0").build()
HEAD = "schema: smecheck/kernel-v1\n"


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


class Files:
    """A folder to write the files of a test to."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __call__(self, name: str, content: str | bytes) -> str:
        path = self._folder / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return str(path)


def read(kernel: str, **complements: str) -> KernelImage:
    return read_complemented(kernel, Complements(**complements))


def refusal(kernel: str, **complements: str) -> InputError:
    with pytest.raises(InputError) as caught:
        read(kernel, **complements)
    return caught.value


def test_nothing_to_complement() -> None:
    kernel = str(KERNELS / "5.0-old.yaml")
    assert read(kernel).complements == ()


def test_a_stripped_kernel_gets_its_symbols(files: Files) -> None:
    kernel = files("vmlinux", STRIPPED)
    symbols = files("System.map", filler(1100) + listed(OLD))
    alone, image = read(kernel), read(kernel, symbols=symbols)
    assert not alone.symbols_complete
    assert image.symbols_complete
    assert image.symbols["sme_encrypt_kernel"] == OLD["sme_encrypt_kernel"]
    assert image.sections == alone.sections
    assert image.release == alone.release
    assert image.kind is KernelKind.VMLINUX
    assert image.complements == (Complement(symbols, "symbols", ("symbols",)),)
    assert identify(image).end == Known(OLD["_end"], f"{symbols}:1107: symbol _end")


def test_a_kernel_with_symbols_needs_none(files: Files) -> None:
    kernel = files("vmlinux", vmlinux().build())
    symbols = files("System.map", listed(OLD))
    image = read(kernel, symbols=symbols)
    assert image.symbols == read(kernel).symbols
    assert image.complements == (Complement(symbols, "symbols", ()),)


@pytest.mark.parametrize("shift", [0, 0x200000, 0x27800000])
def test_a_shifted_list_is_moved_to_where_the_kernel_is_linked(files: Files, shift: int) -> None:
    kernel = files("vmlinux", STRIPPED)
    image = read(kernel, symbols=files("kallsyms", listed(OLD, shift=shift)))
    assert image.symbols["_end"] == OLD["_end"]
    assert not image.symbols_shifted
    assert not any("linked" in assumption for assumption in identify(image).assumptions)


@pytest.mark.parametrize(
    ("complement", "content"),
    [
        ("bzimage", HEADER.replace("16M", "32M")),
        ("config", "CONFIG_PHYSICAL_START=0x2000000\n"),
        ("config", "CONFIG_PHYSICAL_START=0x1e00000\nCONFIG_PHYSICAL_ALIGN=0x1000000\n"),
    ],
)
def test_where_a_shifted_kernel_is_linked_is_told_by_others(
    files: Files, complement: str, content: str
) -> None:
    kernel = files("kallsyms", listed(OLD, shift=0x27800000))
    alone = identify(read(kernel))
    assert value_of(alone.text) == TEXT
    assert any("linked" in assumption for assumption in alone.assumptions)
    told = identify(read(kernel, **{complement: files("other", content)}))
    assert value_of(told.text) == 0xFFFFFFFF82000000
    assert value_of(told.end) == OLD["_end"] + 0x1000000
    assert not any("linked" in assumption for assumption in told.assumptions)


def test_a_header_settles_who_owns_the_workarea(files: Files) -> None:
    kernel = files("System.map", listed(OLD))
    alone = analyze(Case(read(kernel), BootRequest()))
    assert alone.verdict is Verdict.UNDECIDED
    assert not alone.findings
    header = files("vmlinuz", HEADER)
    image = read(kernel, bzimage=header)
    assert value_of(image.header.init_size) == 0xD41000
    report = analyze(Case(image, BootRequest()))
    assert [finding.rule for finding in report.findings] == ["SME007"]
    assert report.inputs == (
        InputUse(kernel, "symbols", ("symbols",)),
        InputUse(
            header,
            "description",
            ("init_size", "kernel_alignment", "pref_address", "relocatable"),
        ),
    )


def test_a_header_alone_gets_all_else_from_a_list(files: Files) -> None:
    kernel = files("vmlinuz", HEADER)
    image = read(kernel, symbols=files("kallsyms", listed(OLD, shift=0x3000000)))
    assert image.symbols["_end"] == OLD["_end"]
    report = analyze(Case(image, BootRequest()))
    assert report.inputs[0].used == (
        "init_size",
        "kernel_alignment",
        "pref_address",
        "relocatable",
    )


def test_a_vmlinuz_that_cannot_be_unpacked_gets_all_else_from_a_list(files: Files) -> None:
    kernel = files("vmlinuz", BzImage(b"no known compression", 0x1000000).build())
    symbols = files("System.map", filler(1100) + listed(OLD))
    image = read(kernel, symbols=symbols)
    assert value_of(image.header.init_size) == 0x3F98000
    found = analyze(Case(image, BootRequest()))
    assert found.proof is not None
    assert found.proof.holds
    # The banner is that of a kernel with .init.scratch, the list that of one without: not clear.
    assert (found.verdict, {f.rule for f in found.findings}) == (Verdict.UNDECIDED, {"SME023"})
    other_way_round = read(symbols, bzimage=kernel)
    assert identify(other_way_round) == identify(image)
    assert other_way_round.header.init_size == image.header.init_size


def test_options_are_filled_in_and_never_overruled(files: Files) -> None:
    kernel = files("k.yaml", f"{HEAD}config: {{CONFIG_KASAN: n}}\n")
    config = files("config", CONFIG)
    image = read(kernel, config=config)
    assert image.config["CONFIG_X86_5LEVEL"] == "y"
    assert image.origins["CONFIG_X86_5LEVEL"] == f"{config}:8"
    assert "CONFIG_KASAN" not in image.origins
    assert image.complements == (Complement(config, "config", ("config",)),)


def test_an_embedded_configuration_agrees_with_the_same_as_a_file(files: Files) -> None:
    data = embedding(gzip.compress(CONFIG.encode())).build()
    kernel = files("vmlinux", data.replace(b"version 5.0.0", b"version 6.1.0"))
    other = CONFIG.replace("CONFIG_X86_5LEVEL=y", "# CONFIG_X86_5LEVEL is not set")
    assert read(kernel, config=files("same", CONFIG)).complements[0].used == ()
    error = refusal(kernel, config=files("other", other))
    assert "CONFIG_X86_5LEVEL: y there, n here" in error.message


def test_a_type_that_one_source_lacks_is_filled_in(files: Files) -> None:
    text = "sections: [{name: .init.scratch, address: 0xffffffff83a00000, size: 4M}]\n"
    image = read(files("k.yaml", HEAD + text), bzimage=str(KERNELS / "6.1.0-56-cloud-amd64.yaml"))
    (scratch,) = (section for section in image.sections if section.name == ".init.scratch")
    assert scratch.type == "PROGBITS"
    assert len(image.sections) == 10
    assert image.loads


CONTRADICTIONS: dict[str, tuple[str, str, str, str]] = {
    "build-id": (
        f"{HEAD}build_id: aa\n",
        "bzimage",
        f"{HEADER}build_id: bb\n",
        "the build-id: aa there, bb here",
    ),
    "release": (
        f"{HEAD}release: 5.0.0\n",
        "bzimage",
        f"{HEADER}release: 5.0.1\n",
        "the release: 5.0.0 there, 5.0.1 here",
    ),
    "end of .brk": (
        f"{HEAD}sections:\n- {{name: .text, address: {TEXT:#x}, size: 1}}\n"
        f"- {{name: .brk, address: {TEXT + 0xA00000:#x}, size: 0x17000}}\n",
        "symbols",
        listed(OLD, shift=0x400000),
        "_end - _text: 0xa17000 there, 0xa16000 here",
    ),
    "start of .bss": (
        f"{HEAD}sections:\n- {{name: .text, address: {TEXT:#x}, size: 1}}\n"
        f"- {{name: .bss, address: {TEXT + 0x8D8000:#x}, size: 0x1000}}\n",
        "symbols",
        listed(OLD),
        "__bss_start - _text: 0x8d8000 there, 0x8d7000 here",
    ),
    "place of a symbol": (
        listed(OLD | {"sme_encrypt_kernel": TEXT + 0x8629A0}, shift=0x200000),
        "symbols",
        listed(OLD, shift=0x600000),
        "sme_encrypt_kernel - _text: 0x8629a0 there, 0x8629a6 here",
    ),
    "place of the section": (
        f"{HEAD}sections:\n- {{name: .text, address: {TEXT:#x}, size: 1}}\n"
        f"- {{name: .init.scratch, address: {TEXT + 0xC00000:#x}, size: 4M}}\n",
        "symbols",
        listed(OLD | {"__init_scratch_begin": TEXT + 0xE00000}),
        "the workarea's section: .init.scratch at _text + 0xc00000 there, .init.scratch at "
        "_text + 0xe00000 here",
    ),
    "no section": (
        f"{HEAD}sections: [{{name: .text, address: {TEXT:#x}, size: 1}}]\n"
        "sections_complete: true\n",
        "symbols",
        listed(OLD | {"__init_scratch_begin": TEXT + 0xE00000}),
        "the workarea's section: none there, .init.scratch at _text + 0xe00000 here",
    ),
    "place of another section": (
        f"{HEAD}sections: [{{name: .text, address: {TEXT:#x}, size: 1}},\n"
        f" {{name: .data, address: {TEXT + 0x800000:#x}, size: 1}}]\n",
        "bzimage",
        f"{HEADER}sections: [{{name: .text, address: {TEXT:#x}, size: 1}},\n"
        f" {{name: .data, address: {TEXT + 0xA00000:#x}, size: 1}}]\n",
        "section .data - _text: 0x800000 there, 0xa00000 here",
    ),
    "SME code": (
        f"{HEAD}sme_text: true\n",
        "symbols",
        filler(1100) + listed({name: at for name, at in OLD.items() if "sme" not in name}),
        "whether it has SME code: yes there, no here",
    ),
    "link address": (
        f"{HEAD}symbols: {{_text: {TEXT + 0x1000000:#x}}}\n",
        "bzimage",
        HEADER,
        "LOAD_PHYSICAL_ADDR: 0x2000000 there, 0x1000000 here",
    ),
    "init_size": (
        HEADER,
        "bzimage",
        HEADER.replace("0xd41000", "0xd42000"),
        "init_size: 0xd41000 there, 0xd42000 here",
    ),
    "init_size below the kernel": (
        listed(OLD),
        "bzimage",
        HEADER.replace("0xd41000", "0xa15000"),
        "init_size is never below _end - _text: 0xa16000 there, 0xa15000 here",
    ),
    "init_size of KERNEL": (
        HEADER.replace("0xd41000", "0xa15000"),
        "symbols",
        listed(OLD),
        "init_size is never below _end - _text: 0xa15000 there, 0xa16000 here",
    ),
    "version": (
        f"{HEAD}release: 6.10.1-amd64\n",
        "config",
        CONFIG,
        "the version: 6.10 there, 6.1 here",
    ),
    "an option": (
        f"{HEAD}config: {{CONFIG_KASAN: y}}\n",
        "config",
        CONFIG,
        "CONFIG_KASAN: y there, n here",
    ),
    "alignment": (
        HEADER,
        "config",
        CONFIG.replace("ALIGN=0x200000", "ALIGN=0x1000000"),
        "kernel_alignment: 0x200000 there, 0x1000000 here",
    ),
    "start": (
        f"{HEAD}symbols: {{_text: {TEXT:#x}}}\n",
        "config",
        "CONFIG_PHYSICAL_START=0x2000000\n",
        "LOAD_PHYSICAL_ADDR: 0x1000000 there, 0x2000000 here",
    ),
    "relocatable": (
        HEADER,
        "config",
        "# CONFIG_RELOCATABLE is not set\n",
        "whether it is relocatable: yes there, no here",
    ),
    "SME in the configuration": (
        listed(OLD),
        "config",
        "# CONFIG_AMD_MEM_ENCRYPT is not set\n",
        "whether it has SME code: yes there, no here",
    ),
}


@pytest.mark.parametrize("name", CONTRADICTIONS)
def test_files_of_different_builds_are_refused_with_the_evidence(files: Files, name: str) -> None:
    content, option, other_content, evidence = CONTRADICTIONS[name]
    kernel, other = files("kernel", content), files("other", other_content)
    error = refusal(kernel, **{option: other})
    assert isinstance(error, WrongKind)
    assert error.where == other
    assert error.message == f"is not of the same build as {kernel}: {evidence}"
    assert error.help_text == "give files of one build, or leave one of them out"


def test_two_complements_that_contradict_each_other(files: Files) -> None:
    header, symbols = files("h", HEADER.replace("0xd41000", "4M")), files("s", listed(OLD))
    error = refusal(files("k", f"{HEAD}release: 5.0.0\n"), bzimage=header, symbols=symbols)
    assert error.where == symbols
    assert error.message.startswith(f"is not of the same build as {header}: init_size is never")


def test_recorded_kernels_and_lists_belong_together_or_not() -> None:
    lists = {path.name.split(".kallsyms")[0]: str(path) for path in LISTS.glob("6*.kallsyms.txt")}
    for name, symbols in lists.items():
        for path in sorted(KERNELS.glob("6*.yaml")):
            if path.stem == name:
                image = read(str(path), symbols=symbols)
                assert not image.symbols_shifted
                assert "_end" in image.symbols
            else:
                assert refusal(str(path), symbols=symbols).where == symbols


def test_a_complement_that_tells_no_init_size(files: Files) -> None:
    kernel = str(KERNELS / "5.0-old.yaml")
    error = refusal(kernel, bzimage=files("vmlinux", vmlinux().build()))
    assert error.message == "does not show init_size: no setup header: not a bzImage"


def test_files_that_make_no_kernel_together(files: Files) -> None:
    kernel = files("k", f"{HEAD}symbols: {{_end: {TEXT - 0x1000:#x}}}\n")
    error = refusal(kernel, symbols=files("s", listed({"_text": TEXT})))
    assert isinstance(error, MalformedInput)
    assert "is not within 1 GiB above _text" in error.message
    error = refusal(kernel, symbols=files("s", listed(OLD)))
    assert error.message.endswith(": _end: 0xffffffff80fff000 there, 0xffffffff81a16000 here")


def run(*arguments: str, stdin: str = "") -> tuple[int, Any, str]:
    done = subprocess.run(
        [sys.executable, "-m", "smecheck", *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def test_the_command_line(files: Files) -> None:
    kernel = files("System.map", listed(OLD))
    header, config = files("vmlinuz", HEADER), files("config", "CONFIG_X86_5LEVEL=y\n")
    status, out, _ = run(
        "analyze", "-", "--bzimage", header, "--config", config, "--format", "json",
        stdin=Path(kernel).read_text(),
    )  # fmt: skip
    report = json.loads(out)
    assert status == 1
    assert [part["path"] for part in report["inputs"]] == ["<stdin>", header, config]
    assert [part["kind"] for part in report["inputs"]] == ["symbols", "description", "config"]
    assert report["kernel"]["kind"] == "symbols"
    status, _, err = run("analyze", header, "--symbols", "-", stdin=listed(OLD))
    assert (status, err) == (1, "")


@pytest.mark.parametrize("command", ["analyze", "describe"])
def test_standard_input_is_one_file(command: str) -> None:
    status, out, err = run(command, "-", "--symbols", "-")
    assert (status, out) == (2, "")
    assert "standard input can be only one of the inputs" in err
