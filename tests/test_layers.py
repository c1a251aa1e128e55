"""Imports point one way, from what is known to what is done with it, and the core is pure.

Nouns say what there is: they import the ground and other nouns alone, and may be imported from
everywhere. All else may import what stands before it in the flow.
"""

from __future__ import annotations

import ast
import re
import sys
from functools import cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "smecheck"
GROUND = ("record", "remembered", "when_asked", "errors", "span", "quantity", "evidence")
NOUNS = {
    *("kernel.image", "kernel.symbols", "kernel.decompressor_sizes", "kernel.facts"),
    *("kernel.constants", "kernel.early_code"),
    *("kernel.program", "kernel.verification"),
    *("machine.memory", "machine.firmware", "machine.host", "machine.kernel_log", "machine.vmcore"),
    *("load.segments", "load.request", "load.compared_segments"),
    *("boot.boot", "boot.early_boot", "boot.kaslr.slots"),
    *("workarea.placement", "workarea.proven"),
    *("kernel.generations", "checks.finding", "checks.tolerance"),
    *("asked", "case", "answer"),
    *("builds.build_facts", "builds.gate_report", "builds.comparison_report", "builds.policy"),
    "support_case.triage_report",
    *("fleets.row", "fleets.classes", "fleets.summary"),
}
FLOW = (
    *("machine_code", "kernel", "machine", "load", "boot", "workarea", "checks"),
    *("inputs_used", "analysis", "advice", "emulation", "builds", "support_case", "fleets"),
)
"""The rooms of the core, in the order in which data flows through them."""
READERS_KNOW = ("machine_code", "kernel", "machine", "load", "boot")
"""Beside nouns: what tells which noun a text is."""
PURE = {*GROUND, *FLOW, *("asked", "case", "answer")}
NO_IO = {
    *("os", "io", "sys", "pathlib", "time", "datetime", "random", "logging", "subprocess"),
    *("socket", "tempfile", "shutil", "signal", "threading", "multiprocessing"),
}
MODULES = sorted(PACKAGE.rglob("*.py"))


def name_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts).removesuffix(".__init__")


def room_of(module: str) -> str:
    return [*module.split("."), "__init__"][1]


NAMES = {name_of(path): path for path in MODULES}


@cache
def imports(path: Path) -> frozenset[str]:
    """Return the modules that a file imports, for types too; of ours down to the file."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            module = node.module or ""
            inner = {f"{module}.{alias.name}" for alias in node.names}
            found |= inner & NAMES.keys() or {module}
    return frozenset(found)


def own_imports(module: str) -> frozenset[str]:
    return frozenset(name for name in imports(NAMES[module]) if name in NAMES)


def is_noun(module: str) -> bool:
    return module.removeprefix("smecheck.") in NOUNS


def may_import(module: str, name: str) -> bool:
    room, target = room_of(module), room_of(name)
    if target in GROUND:
        return room not in GROUND or GROUND.index(target) < GROUND.index(room)
    if room == target or room in ("cli", "api", "__init__", "__main__"):
        return True
    if room in ("programs", "engine"):
        return target not in ("report", "cli", "api")
    if is_noun(module) or room in GROUND:
        return is_noun(name) and room not in GROUND
    if is_noun(name):
        return True
    if room == "read":
        return target in READERS_KNOW
    if room == "report":
        return target in ("checks", "__init__")
    return room in FLOW and target in FLOW and FLOW.index(target) < FLOW.index(room)


@pytest.mark.parametrize("module", sorted(NAMES))
def test_imports_point_one_way(module: str) -> None:
    for name in own_imports(module):
        assert may_import(module, name), f"{module} imports {name}"


def test_no_imports_go_in_a_circle() -> None:
    done = {"smecheck"}  # the package's face, which imports when it is asked, and its version
    while left := NAMES.keys() - done:
        free = {module for module in left if own_imports(module) - {module} <= done}
        assert free, f"in a circle, or behind one: {sorted(left)[:12]}"
        done |= free


def test_nouns_are_there() -> None:
    assert {f"smecheck.{noun}" for noun in NOUNS} <= NAMES.keys()


def test_every_room_is_in_the_flow() -> None:
    known = {*PURE, "read", "programs", "engine", "report", "cli", "api", "__init__", "__main__"}
    assert {room_of(module) for module in NAMES} <= known


@pytest.mark.parametrize("module", sorted(m for m in NAMES if room_of(m) in PURE))
def test_the_core_is_pure(module: str) -> None:
    for name in imports(NAMES[module]):
        top = name.split(".")[0]
        allowed = top == "smecheck" or top in sys.stdlib_module_names
        assert allowed or (room_of(module) == "emulation" and top == "unicorn"), f"imports {name}"
        assert top not in NO_IO or room_of(module) == "emulation", f"{module} imports {name}"
    assert not called(module) & WHAT_READS_OR_PRINTS


@pytest.mark.parametrize("module", sorted(m for m in NAMES if room_of(m) == "report"))
def test_a_report_is_a_string_and_nothing_is_read_for_it(module: str) -> None:
    tops = {name.split(".")[0] for name in imports(NAMES[module])}
    assert not tops & (NO_IO - {"io"})  # StringIO
    assert not called(module) & WHAT_READS_OR_PRINTS


WHAT_READS_OR_PRINTS = {"print", "open", "input", "exit"}


def called(module: str) -> set[str]:
    return {
        node.func.id
        for node in ast.walk(ast.parse(NAMES[module].read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }


def test_names_say_what_a_file_knows() -> None:
    assert not {path.stem for path in MODULES} & {"utils", "common", "helpers", "misc"}


SUBJECTS = {
    *("case", "segments", "complements", "policy", "program", "early_code"),
    *("ownership", "gate", "compare", "triage", "verify"),
}
"""Names that several rooms have a file of, since each knows a side of the same subject."""


def test_files_of_one_name_are_of_one_subject() -> None:
    stems = [path.stem for path in MODULES if path.stem != "__init__"]
    assert {stem for stem in stems if stems.count(stem) > 1} == SUBJECTS


def test_files_that_texts_name_are_there() -> None:
    root = PACKAGE.parent
    texts = [*MODULES, *(root / "docs").glob("*.md"), root / "README.md"]
    known = [f"/{path.relative_to(root)}" for top in ("smecheck", "tests", "docs")
             for path in (root / top).rglob("*.py")]  # fmt: skip
    for text in texts:
        for name in re.findall(r"`([\w/]+\.py)`", text.read_text()):
            assert any(path.endswith(f"/{name}") for path in known), f"{text}: {name}"
