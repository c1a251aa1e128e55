"""Imports point one way, and the core is the standard library alone."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "smecheck"
FOUNDATION = {"record", "span", "quantity", "evidence", "errors"}
MAY_IMPORT = {
    "span": {"record"},
    "record": set(),
    "quantity": set(),
    "evidence": {"record"},
    "errors": set(),
    "model": {"record", "span", "evidence", "model"},
    "placement": {"record", "span", "quantity", "evidence", "model", "placement"},
    "checks": {"record", "span", "quantity", "evidence", "model", "placement", "checks"},
    "analysis": {"record", "span", "quantity", "evidence", "model", "placement", "checks"},
    "advice": {
        *("record", "span", "quantity", "evidence", "model", "placement", "analysis", "advice"),
    },
    "triage": FOUNDATION - {"errors"} | {"model", "placement", "analysis", "triage"},
    "builds": FOUNDATION - {"errors"} | {"model", "placement", "checks", "analysis", "builds"},
    "inputs": FOUNDATION | {"model", "placement", "inputs"},
    "report": FOUNDATION | {"model", "checks", "report", "__init__"},
    "cli": FOUNDATION
    | {"model", "placement", "checks", "analysis", "advice", "builds", "triage", "inputs", "report"}
    | {"cli", "__init__"},
}
PURE = FOUNDATION | {"model", "placement", "checks", "analysis", "advice", "builds", "triage"}
NO_IO = {
    "os",
    "io",
    "sys",
    "pathlib",
    "time",
    "datetime",
    "random",
    "logging",
    "subprocess",
    "socket",
}
MODULES = sorted(PACKAGE.rglob("*.py"))


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found.add(node.module or "")
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_one_way(path: Path) -> None:
    if room(path) in ("__init__", "__main__"):
        return
    for name in imports(path):
        parts = name.split(".")
        if parts[0] == "smecheck":
            target = parts[1] if len(parts) > 1 else "__init__"
            assert target in MAY_IMPORT[room(path)], f"{path} imports {name}"


@pytest.mark.parametrize(
    "path", [path for path in MODULES if room(path) in PURE], ids=lambda path: str(path.name)
)
def test_the_core_is_pure(path: Path) -> None:
    tree = ast.parse(path.read_text())
    for name in imports(path):
        top = name.split(".")[0]
        assert top == "smecheck" or top in sys.stdlib_module_names, f"{path} imports {name}"
        assert top not in NO_IO, f"{path} imports {name}"
    calls = {
        node.func.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert not calls & {"print", "open", "input", "exit"}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_files_are_named_after_an_idea(path: Path) -> None:
    assert path.stem not in {"utils", "common", "helpers", "misc"}
