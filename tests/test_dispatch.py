"""Whoever depends on a closed choice asks all of it, so that a new member cannot go unnoticed.

A comparison with one member (``loader is Loader.KEXEC_LOAD``) takes every other one, and every one
to come, for the same. What depends on a member is a field of its row, which a new member has to
answer, or a ``match`` that ends in ``assert_never``, which mypy holds complete; what is a dict by
member is complete.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from enum import Enum
from functools import cache
from importlib import import_module
from pathlib import Path as FilePath
from typing import Any, TypeGuard

import pytest

from smecheck.analysis import analyze
from smecheck.answer import Verdict
from smecheck.asked import BootRequest, Path
from smecheck.case import Case
from smecheck.kernel.generations import GENERATION_RULES, Generation, generations_of
from smecheck.kernel.image import Scheme
from smecheck.load.segments import Loader, Mode
from smecheck.load.versions import KernelChange, ToolsChange
from smecheck.machine.host import Host
from smecheck.read.archive import member_readers
from smecheck.read.archive.member_patterns import MemberKind
from smecheck.read.archive.member_readers import MemberReaders
from smecheck.read.kernel.kernel import read_kernel
from smecheck.read.load.segments import read_segments
from smecheck.read.log import contiguous_lines, dmesg_draft, e820_lines, encryption_lines
from smecheck.read.log.dmesg_draft import BootDraft
from smecheck.read.machine.iomem import read_iomem
from smecheck.record import field_names, replace
from smecheck.workarea import load_addresses
from smecheck.workarea.proven import Way

PACKAGE = FilePath(__file__).parents[1] / "smecheck"
MODULES = {
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts): path
    for path in sorted(PACKAGE.rglob("*.py"))
}

CLOSED = {
    "smecheck.answer.Cost",
    "smecheck.asked.Path",
    "smecheck.builds.gate_report.GateVerdict",
    "smecheck.checks.finding.Confidence",
    "smecheck.kernel.decompressor_sizes.InitSizeSide",
    "smecheck.kernel.generations.Generation",
    "smecheck.kernel.image.Scheme",
    "smecheck.load.segments.Loader",
    "smecheck.load.segments.Mode",
    "smecheck.report.options.Picture",
    "smecheck.workarea.proven.Way",
}
"""Choices of which no member may be compared with, but where the enum is defined."""

PARTIAL = {
    ("checks.firmware_memory", "EfiType"): "names of the two kinds of runtime memory",
    ("checks.rule", "SegmentRole"): "what is lost of any other role is its content",
    ("emulation.differences", "Aspect"): "END and FAULT are no figures of a run that came through",
    ("load.candidates", "E820Type"): "types that kexec-tools knows; it leaves the others out",
    ("load.crash_map", "E820Type"): "marks of memmap= as kexec-tools knows them; others get $",
    ("machine.e820", "EfiType"): "do_add_efi_memmap(): all others are reserved",
    ("read.archive.member_readers", "MemberKind"): "the rest is read by another table, or as a log",
    ("read.kernel.kconfig", "OptionType"): "a text is told by its quotes",
    ("report.gate_text", "RowOutcome"): "colours; what has none is printed plain",
    ("report.memory_picture", "Ink"): "a note is no area",
    ("support_case.advice_now", "FailureClass"): "advice that depends on nothing else",
}
"""Dicts that rightly lack members: why."""

WILD = {
    ("report.render", "Format"): "what is no format of such an answer is refused with a ValueError",
    ("support_case.exclusions", "FailureClass"): "every other class gets the same advice",
}
"""Where a ``match`` rightly takes several members for the same: why."""


@cache
def tree_of(module: str) -> ast.Module:
    return ast.parse(MODULES[module].read_text())


@cache
def enums_in(module: str) -> frozenset[str]:
    """Return the enums that a module defines."""
    return frozenset(
        node.name
        for node in tree_of(module).body
        if isinstance(node, ast.ClassDef)
        and any(isinstance(base, ast.Name) and "Enum" in base.id for base in node.bases)
    )


@cache
def enums_known_to(module: str) -> dict[str, str]:
    """Return the names of enums in a module, and where each is defined."""
    known = {name: f"{module}.{name}" for name in enums_in(module)}
    for node in ast.walk(tree_of(module)):
        if isinstance(node, ast.ImportFrom) and node.module in MODULES:
            for alias in node.names:
                if alias.name in enums_in(node.module):
                    known[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    return known


def member(node: ast.AST, module: str) -> tuple[str, str] | None:
    """Return the enum and the name of a member, where that is what an expression is."""
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        enum = enums_known_to(module).get(node.value.id)
        return None if enum is None else (enum, node.attr)
    return None


def compared(module: str) -> Iterator[tuple[str, int]]:
    """Yield the enums whose members a module compares something with, and the lines."""
    for node in ast.walk(tree_of(module)):
        if not isinstance(node, ast.Compare):
            continue
        sides = (node.left, *node.comparators)
        parts = [part for side in sides for part in parts_of(side, module)]
        for found in (member(part, module) for part in parts):
            if found is not None:
                yield found[0], node.lineno
        if any(isinstance(part, ast.Attribute) and part.attr == "value" for part in parts):
            texts = {part.value for part in parts if isinstance(part, ast.Constant)}
            for enum in CLOSED:
                if texts & values_of(enum):
                    yield enum, node.lineno


def parts_of(side: ast.expr, module: str) -> list[ast.expr]:
    """Return what a side of a comparison consists of, where it is a tuple, or the name of one."""
    if isinstance(side, ast.Name):
        side = tuples_in(module).get(side.id, side)
    return side.elts if isinstance(side, ast.Tuple | ast.List | ast.Set) else [side]


@cache
def tuples_in(module: str) -> dict[str, ast.expr]:
    """Return what a module calls by a name, where that is a tuple, a list or a set."""
    found: dict[str, ast.expr] = {}
    for node in tree_of(module).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            value = node.value.args[0] if is_frozenset(node.value) else node.value
            if isinstance(value, ast.Tuple | ast.List | ast.Set):
                found[node.targets[0].id] = value
    return found


def is_frozenset(node: ast.expr) -> TypeGuard[ast.Call]:
    is_call = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and bool(node.args)
    return is_call and ast.unparse(node).startswith("frozenset(")


@cache
def values_of(enum: str) -> frozenset[object]:
    """Return what members are called in texts: to compare with that is the same as with them."""
    module, name = enum.rsplit(".", 1)
    return frozenset(one.value for one in getattr(import_module(module), name))


def members_of(enum: str) -> set[str]:
    module, name = enum.rsplit(".", 1)
    return set(getattr(import_module(module), name).__members__)


def dicts_by_member(module: str) -> Iterator[tuple[str, set[str], int]]:
    """Yield the enums that dicts of a module are keyed by, their keys, and the lines."""
    for node in ast.walk(tree_of(module)):
        if not isinstance(node, ast.Dict):
            continue
        keys = [None if key is None else member(key, module) for key in node.keys]
        enums = {key[0] for key in keys if key is not None}
        if len(enums) == 1 and None not in keys:
            yield enums.pop(), {key[1] for key in keys if key is not None}, node.lineno


def open_matches(module: str) -> Iterator[tuple[str, int]]:
    """Yield the enums that a ``match`` goes through with a wildcard other than ``assert_never``."""
    for node in ast.walk(tree_of(module)):
        if not isinstance(node, ast.Match):
            continue
        values = [value.value for value in ast.walk(node) if isinstance(value, ast.MatchValue)]
        enums = {found[0] for value in values if (found := member(value, module)) is not None}
        is_wild = isinstance(node.cases[-1].pattern, ast.MatchAs)
        if enums and is_wild and "assert_never" not in ast.dump(node.cases[-1]):
            yield ", ".join(sorted(enums)), node.lineno


def short(name: str) -> str:
    return name.removeprefix("smecheck.")


def test_members_are_not_compared_with() -> None:
    found = [
        f"{module}:{line} compares with a member of {enum}"
        for module in MODULES
        for enum, line in compared(module)
        if enum in CLOSED and enum.rpartition(".")[0] != module
    ]
    assert not found, "give the enum, or its row, what is asked for: " + "; ".join(found)


def test_a_match_over_members_ends_in_assert_never() -> None:
    """One that has no wildcard is held by mypy, with its check ``exhaustive-match``."""
    wild = {
        (short(module), enum.rpartition(".")[2]): f"{module}:{line} has a wildcard over {enum}"
        for module in MODULES
        for enum, line in open_matches(module)
    }
    assert wild.keys() == WILD.keys(), [text for key, text in wild.items() if key not in WILD]


def test_dicts_by_member_are_complete() -> None:
    lacking = {
        (short(module), enum.rpartition(".")[2]): f"{module}:{line} lacks {sorted(missing)}"
        for module in MODULES
        for enum, keys, line in dicts_by_member(module)
        if (missing := members_of(enum) - keys)
    }
    assert lacking.keys() == PARTIAL.keys(), [
        *(text for key, text in lacking.items() if key not in PARTIAL),
        *(f"{key} is complete: take it out of PARTIAL" for key in PARTIAL if key not in lacking),
    ]


def test_every_kind_of_member_has_a_reader() -> None:
    others = MemberReaders(lambda _: None)._others
    tables = [member_readers._FACTS, others, member_readers._LOGS]
    read = [kind for table in tables for kind in table]
    assert sorted(kind.name for kind in read) == sorted(
        kind.name for kind in MemberKind if kind is not MemberKind.UNKNOWN
    )


def test_every_line_of_a_log_has_a_reader() -> None:
    """Else it is known for what it is, and dropped."""
    groups = [*contiguous_lines.LINES, *encryption_lines.LINES]
    tables = [e820_lines.TABLE, e820_lines.MAP_HEADING, e820_lines.OLD_TABLE]
    here = [dmesg_draft.UP, dmesg_draft.CMDLINE]
    read = [*BootDraft._readers, *groups, *tables, *here]
    assert len(read) == len(set(read))
    assert set(read) == set(dmesg_draft.LINES)


KEEPS_INIT_SIZE = {
    *("COUNTS_LAST_BYTE", "HIGH_CRASH_KERNEL", "RESERVED_IN_ANY_CASE", "WHOLE_VECTOR_TABLE"),
    *("HOTPLUGGED_RAM", "SHRINKS_RESERVATIONS", "MORE_CRASH_RANGES", "RNG_SEED", "FALLS_BACK"),
    *("FILE_LOAD_FIRST", "HOTPLUG", "DEBUG_FLAG", "NO_BACKUP", "LARGE_PURGATORY"),
    *("SMALL_PURGATORY", "IMA", "CRASH_HOTPLUG", "FROM_HIGHEST_RANGE", "HANDOVER"),
    *("DM_CRYPT_KEYS", "NO_CMA_FLAG", "CRASH_CMA", "KEEPS_MEMBLOCK"),
}
"""Changes of loaders that leave the kernel's segment as a proof takes it to be: aligned, at or
above pref_address, of init_size. They change other segments, where a search begins, what may be
searched, or what is refused."""


def test_every_change_of_a_loader_is_judged_for_the_proof() -> None:
    """One that lets a kernel lie otherwise and is not there makes a proof claim too much."""
    otherwise = {one.change for ways in load_addresses._OTHERWISE.values() for one in ways}
    for change in (*ToolsChange, *KernelChange):
        keeps = change.name in KEEPS_INIT_SIZE
        assert keeps is not (change in otherwise), (
            f"{change.name}: does a kernel lie aligned, at or above pref_address, with init_size "
            "bytes, before it and since? Then add it here, else to _OTHERWISE of "
            "workarea/load_addresses.py"
        )


def test_every_generation_has_a_row() -> None:
    assert list(GENERATION_RULES) == [rules.generation for rules in GENERATION_RULES.values()]
    assert GENERATION_RULES.keys() == set(Generation)


def test_every_generation_is_of_a_scheme_that_has_a_workarea() -> None:
    of_schemes = {scheme: generations_of(scheme) for scheme in Scheme}
    assert sorted(g.value for found in of_schemes.values() for g in found) == sorted(
        generation.value for generation in Generation
    )
    for scheme, generations in of_schemes.items():
        assert bool(generations) is scheme.rules.has_workarea
        assert not (scheme.rules.is_section and scheme.rules.follows_end)


def test_a_scheme_that_nothing_places_is_undecided(monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as a new one, which is neither a section nor follows ``_end``: never clear."""
    sample = PACKAGE.parent / "samples/founding-failure"

    def verdict() -> Verdict:
        case = Case(
            image=read_kernel(str(sample / "kernel.yaml")),
            asked=BootRequest(),
            memory=read_iomem(str(sample / "iomem.txt")),
            segments=read_segments(str(sample / "kexec.log")),
        )
        return analyze(case).verdict

    assert verdict() is Verdict.COLLISION
    nowhere = replace(Scheme.AFTER_END.rules, follows_end=False)
    monkeypatch.setattr(Scheme.AFTER_END, "rules", nowhere)
    assert verdict() is Verdict.UNDECIDED


WORDS: dict[str, type[Enum]] = {"loader": Loader, "mode": Mode, "path": Path, "scheme": Scheme}


def choices(schema: Any, place: str) -> Iterator[tuple[str, str, set[str]]]:
    """Yield the places in a schema where one of these is told, its name, and what it may be."""
    if isinstance(schema, list):
        for item in schema:
            yield from choices(item, place)
    elif isinstance(schema, dict):
        for name, value in schema.get("properties", {}).items():
            if name in WORDS and isinstance(value, dict) and "enum" in value:
                yield place, name, {word for word in value["enum"] if word is not None}
        for name, value in schema.items():
            yield from choices(value, f"{place}/{name}")


@pytest.mark.parametrize("file", sorted(PACKAGE.glob("schemas/*.json")), ids=lambda file: file.stem)
def test_schemas_list_every_member(file: FilePath) -> None:
    for place, name, words in choices(json.loads(file.read_text()), ""):
        members: list[Any] = list(WORDS[name])
        if place.endswith("/placement"):
            members = [scheme for scheme in members if scheme.rules.has_workarea]
        elif "/proof/" in place:
            members = list(Way)
        elif "/placements/" in place:
            members = [scheme for scheme in members if scheme.rules.is_section]
        assert words == {one.value for one in members}, f"{file.name}{place}: {name}"


@pytest.mark.parametrize("loader", Loader)
def test_a_loader_knows_fields_of_the_host(loader: Loader) -> None:
    assert set(loader.rules.host_fields) <= set(field_names(Host()))


@pytest.mark.parametrize("loader", Loader)
def test_a_loader_has_options_of_its_own(loader: Loader) -> None:
    """What one call asks for is no other's: they are told apart by these."""
    for others in (other.rules for other in Loader if other is not loader):
        assert loader.rules.option != others.option
        assert loader.rules.long_option != others.long_option
        assert loader.rules.short_name != others.short_name
        assert not set(loader.rules.host_fields) & set(others.host_fields)
