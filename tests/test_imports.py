"""What a run imports, which is most of what it takes: only what it needs."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from commandline import FORMATS, sample, start
from elfwriter import vmlinux

PROBE = """
import sys
import {given}
before = set(sys.modules)
import atexit

@atexit.register
def tell():
    imported = sorted(set(sys.modules) - before)
    sys.__stderr__.write("\\nimported: " + " ".join(imported) + "\\n")

from smecheck.cli.main import main
if sys.argv[1:]:
    main()
"""
THIRD_PARTY = {"click", "elftools", "rich", "yaml"}
HEAVY = {
    *("asyncio", "concurrent", "email", "http", "importlib.metadata", "importlib.resources"),
    *("json", "logging", "multiprocessing", "pkg_resources", "socket", "ssl", "subprocess"),
    *("tempfile", "urllib", "xml", "zipfile"),
}
"""What is dear and not needed to read a kernel and print lines."""
YAML = sample("founding-failure")
ELF = ("analyze", "vmlinux")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("imports")
    (made / "vmlinux").write_bytes(vmlinux().build())
    return made


def imported(folder: Path, *arguments: str, given: str = "sys") -> set[str]:
    """Return the modules that are imported beside a given one, and the packages they are in."""
    program = (sys.executable, "-c", PROBE.format(given=given))
    found = start(*arguments, cwd=folder, program=program)
    assert found.status in (0, 1, 2, 4), found.err
    (line,) = [line for line in found.err.split("\n") if line.startswith("imported: ")]
    modules = set(line.split()[1:])
    return modules | {module.partition(".")[0] for module in modules}


def rooms(modules: set[str]) -> set[str]:
    """Return which rooms of smecheck are among the modules."""
    parts = [module.split(".") for module in modules]
    return {words[1] for words in parts if words[0] == "smecheck" and len(words) > 1}


def test_the_probe_sees_what_is_imported(folder: Path) -> None:
    assert {"click", "elftools", "rich"} <= imported(folder, *ELF, "--format", "text")
    assert {"click", "yaml", "json"} <= imported(folder, *YAML, "--format", "json")
    assert "smecheck.cli.output_file" in imported(folder, *YAML, "-o", "report")


def test_the_command_line_alone(folder: Path) -> None:
    modules = imported(folder)
    assert modules & THIRD_PARTY == {"click"}
    assert not modules & (HEAVY | {"dataclasses"})
    assert rooms(modules) == {"cli", "errors"}


@pytest.mark.parametrize("option", ["--version", "-V"])
def test_versions_are_told_without_importing_what_they_are_of(option: str, folder: Path) -> None:
    modules = imported(folder, option)
    assert modules & (THIRD_PARTY | {"cramjam", "lz4", "backports"}) == {"click"}
    assert not modules & HEAVY
    assert rooms(modules) == {"cli", "errors"}


@pytest.mark.parametrize(
    "arguments",
    [
        ("--help",),
        ("analyze", "--help"),
        ("schema", "error-v1"),
        ("completion", "bash"),
        ("nosuch",),
    ],
)
def test_nothing_is_read_or_analyzed_without_need(arguments: tuple[str, ...], folder: Path) -> None:
    modules = imported(folder, *arguments)
    assert modules & THIRD_PARTY == {"click"}
    assert "dataclasses" not in modules or "schema" in arguments
    assert not rooms(modules) & {"analysis", "read", "boot", "workarea"}
    rules = {module for module in modules if module.startswith("smecheck.checks.")}
    assert rules <= {"smecheck.checks.finding", "smecheck.checks.tolerance"}
    kernel = {module for module in modules if module.startswith("smecheck.kernel.")}
    assert kernel <= {"smecheck.kernel.constants"}


@pytest.mark.parametrize("arguments", [("rules",), ("explain", "SME001")])
def test_rules_are_told_without_reading_anything(arguments: tuple[str, ...], folder: Path) -> None:
    modules = imported(folder, *arguments)
    assert modules & THIRD_PARTY == {"click"}
    assert not modules & HEAVY
    assert not rooms(modules) & {"analysis", "read"}


def test_elf_in_plain(folder: Path) -> None:
    modules = imported(folder, *ELF, "--format", "plain")
    assert modules & THIRD_PARTY == {"click", "elftools"}
    # What pyelftools imports for itself is not ours to save: pdb, and what that needs.
    own = imported(folder, *ELF, "--format", "plain", given="elftools.elf.structs")
    assert not own & (HEAVY | {"dataclasses", "jsonschema"})


def test_an_elf_needs_no_part_of_pyelftools_but_the_structures(folder: Path) -> None:
    modules = imported(folder, *ELF, "--format", "plain")
    assert "elftools.elf.structs" in modules
    assert not {module for module in modules if module.startswith("elftools.dwarf")}
    assert "elftools.elf.elffile" not in modules


def test_yaml_in_plain(folder: Path) -> None:
    modules = imported(folder, *YAML, "--format", "plain")
    assert modules & THIRD_PARTY == {"click", "yaml"}
    assert not modules & (HEAVY | {"dataclasses", "jsonschema"})


def test_json_needs_no_rich(folder: Path) -> None:
    modules = imported(folder, *YAML, "--format", "json")
    assert modules & THIRD_PARTY == {"click", "yaml"}
    assert not modules & (HEAVY - {"json"})


@pytest.mark.parametrize("form", FORMATS)
def test_a_bare_kernel_brings_no_reader_of_loads_and_machines(form: str, folder: Path) -> None:
    modules = imported(folder, *ELF, "--format", form)
    readers = {module for module in modules if module.startswith("smecheck.read.")}
    names = {module.removeprefix("smecheck.read.") for module in readers}
    elf = {"banner", "elf", "elf_content", "elf_file", "elf_symbols", "image_symbols", "purgatory"}
    elf |= {"early_code", "code_pages", "kernel_symbols"}  # this one's code leads nowhere: a note
    kernel = {f"kernel.{name}" for name in elf | {"complements", "kernel"}}
    assert names == kernel | {"case", "kernel", "kinds", "source"}
    of_machines = ("smecheck.machine.", "smecheck.boot.kaslr.")
    known = {module for module in modules if module.startswith(of_machines)}
    # A noun; and an example of where KASLR may break the proof of this kernel.
    example = {"smecheck.boot.kaslr.slots", "smecheck.boot.kaslr.variants"}
    assert known == {"smecheck.machine.memory", *example}


def test_a_gate_without_a_policy_needs_no_yaml_and_no_rules_of_machines(folder: Path) -> None:
    modules = imported(folder, "gate", "vmlinux", "--format", "plain")
    assert modules & THIRD_PARTY == {"click", "elftools"}
    own = imported(folder, "gate", "vmlinux", "--format", "plain", given="elftools.elf.structs")
    assert not own & (HEAVY | {"dataclasses", "jsonschema"})
    assert "smecheck.checks.written" not in modules
    assert "smecheck.load.predicted_load" not in modules


@pytest.mark.skipif(sys.version_info < (3, 15), reason="imports are lazy since Python 3.15")
def test_the_program_imports_what_it_uses_when_it_uses_it(folder: Path) -> None:
    script = (
        "import atexit, sys, smecheck.__main__ as m; "
        "atexit.register(lambda: print(sys.get_lazy_imports(), *sys.lazy_modules)); m.main()"
    )
    found = start(*ELF, "--format", "plain", cwd=folder, program=(sys.executable, "-c", script))
    mode, *never_used = found.out.splitlines()[-1].split()
    assert (found.status, mode) == (0, "all")
    assert any(name.startswith("smecheck.") for name in never_used)
