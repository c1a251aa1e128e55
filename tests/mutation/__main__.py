"""How many small faults in placement and rules the tests miss: ``python -m tests.mutation --help``.

Needs pytest-cov, by which it learns once which tests run which lines. Then it makes one fault after
another in a copy of the project, and runs tests that run its line until one of them fails: some,
chosen at random, and of what survives these all others, up to a number. In a process that a test
starts no line is watched; so what survives meets the tests of whole outputs, too.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent)]

from mutants import Mutant, mutants  # noqa: E402 - it is found by now

ROOT = Path(__file__).parents[2]
ROOMS = ("span.py", "machine", "load", "boot", "workarea", "checks")
"""Placement and rules."""
COPIED = ("smecheck", "tests", "samples", "docs", "pyproject.toml", "README.md")
QUIET = ("-q", "-x", "-n", "0", "-p", "no:cacheprovider", "--no-header")
OF_OUTPUTS = (
    "tests/test_goldens.py",
    "tests/test_sample_answers.py",
    "tests/test_docs_commands.py",
)
"""They run the program as a process of its own."""


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.mutation",
        description="Make small faults in placement and rules, and see whether a test fails.",
    )
    parser.add_argument("--count", type=int, default=100, help="faults to make")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rooms", nargs="+", default=ROOMS, help="files or folders of smecheck/")
    parser.add_argument("--tests", type=int, default=40, help="tests to run for each at once")
    parser.add_argument("--most", type=int, default=1000, help="tests to run for each, at most")
    parser.add_argument("--contexts", type=Path, help="a .coverage with contexts, kept or made")
    options = parser.parse_args()
    chosen = random.Random(options.seed)  # noqa: S311 - a sample
    with tempfile.TemporaryDirectory() as folder:
        copied = _copy(Path(folder))
        contexts = options.contexts or Path(folder) / ".coverage"
        if not contexts.exists():
            _learn(copied, contexts)
        known = _tests_by_line(contexts, options.rooms, _collected(copied))
        sites = [site for room in options.rooms for site in _sites(copied, room, known)]
        survivors, of_all = 0, 0
        for path, mutant in (sample := chosen.sample(sites, min(options.count, len(sites)))):
            tests = sorted(known[path, mutant.line])
            chosen.shuffle(tests)
            picked = tests[: options.most]
            chunks = (*_batches(picked, options.tests), [*OF_OUTPUTS])
            if not all(_survives(copied, path, mutant, chunk) for chunk in chunks):
                continue
            survivors += 1
            of_all += len(picked) == len(tests)
            print(
                f"{path}:{mutant.line}: {mutant.before} -> {mutant.after} "
                f"({len(picked)} of {len(tests)} tests)",
                flush=True,
            )
    print(
        f"{survivors} of {len(sample)} survive, {of_all} of them all tests that run their line; "
        f"of {len(sites)} that could be made"
    )
    return 0


def _batches(tests: list[str], size: int) -> Iterator[list[str]]:
    for start in range(0, len(tests), size):
        yield tests[start : start + size]


def _copy(folder: Path) -> Path:
    for name in COPIED:
        source = ROOT / name
        copy = shutil.copytree if source.is_dir() else shutil.copy
        copy(source, folder / name)
    return folder


def _environment(copied: Path, **more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(copied), "PYTHONDONTWRITEBYTECODE": "1", **more}


def _learn(copied: Path, contexts: Path) -> None:
    """Run all tests once, and keep which of them run which lines."""
    subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-n", "auto", "-p", "no:cacheprovider"),
            *("--cov=smecheck", "--cov-context=test", "--cov-report="),
        ],
        cwd=copied,
        env=_environment(copied, COVERAGE_FILE=str(contexts.resolve())),
        check=False,  # those that bound their CPU time may fail while they are watched
    )


def _collected(copied: Path) -> set[str]:
    """Return the tests that there are: contexts that were kept may name others."""
    found = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", *QUIET],
        cwd=copied,
        env=_environment(copied),
        capture_output=True,
        text=True,
        check=True,
    )
    return {line for line in found.stdout.splitlines() if "::" in line}


def _tests_by_line(
    contexts: Path, rooms: list[str], collected: set[str]
) -> dict[tuple[str, int], set[str]]:
    from coverage import CoverageData

    data = CoverageData(str(contexts))
    data.read()
    known: dict[tuple[str, int], set[str]] = {}
    for file in data.measured_files():
        name = file[file.rindex("smecheck/") :]
        if not name.startswith(tuple(f"smecheck/{room}" for room in rooms)):
            continue
        for line, tests in data.contexts_by_lineno(file).items():
            found = {test.partition("|")[0] for test in tests} & collected
            if found:
                known[name, line] = found
    return known


def _sites(
    copied: Path, room: str, known: dict[tuple[str, int], set[str]]
) -> Iterator[tuple[str, Mutant]]:
    """Yield the faults that can be made in lines that a test runs."""
    where = copied / "smecheck" / room
    for path in sorted(where.rglob("*.py")) if where.is_dir() else [where]:
        name = str(path.relative_to(copied))
        for mutant in mutants(path.read_text()):
            if (name, mutant.line) in known:
                yield name, mutant


def _survives(copied: Path, path: str, mutant: Mutant, tests: list[str]) -> bool:
    file = copied / path
    original = file.read_text()
    file.write_text(mutant.source)
    try:
        found = subprocess.run(
            [sys.executable, "-m", "pytest", *QUIET, *tests],
            cwd=copied,
            env=_environment(copied),
            capture_output=True,
            timeout=600,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return False
    finally:
        file.write_text(original)
    return found.returncode == 0


if __name__ == "__main__":
    sys.exit(main())
