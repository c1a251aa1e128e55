"""A small campaign, the same in each run of the tests; ``python -m tests.fuzz`` makes long ones."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from readers import READERS

ROOT = Path(__file__).parents[2]
EACH = 20
"""Inputs of every reader, fewer of costly ones: the same in every run, on every machine, and 8 s
of CPU for all. More are made by ``python -m tests.fuzz``."""
TAKES_ALL = frozenset({"kallsyms", "early-code", "machine-code", "members"})
"""What is broken inside a kernel, or in one member of an archive, is said in the answer."""


def test_broken_inputs_are_refused_or_harmless(tmp_path: Path) -> None:
    arguments = ("--inputs", str(EACH * len(READERS)), "--keep", str(tmp_path))
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, f"{done.stderr}{done.stdout}"
    lines = [line.split() for line in done.stdout.splitlines()[1:]]
    assert [line[0] for line in lines] == [reader.name for reader in READERS]
    wanted = {reader.name: EACH // reader.cost for reader in READERS}
    for name, inputs, taken, refused, failed, *_ in lines:
        assert (int(inputs), int(failed)) == (wanted[name], 0), name
        assert int(taken) + int(refused) == wanted[name], name
        # A harness whose inputs are all taken, or all refused, breaks nothing.
        assert int(taken) > 0, name
        assert int(refused) > 0 or name in TAKES_ALL, name


def test_a_reader_that_fails_is_seen(tmp_path: Path) -> None:
    """A harness that cannot fail is none: with a reader that has a bug, a hang and a hunger."""
    script = f"""
import sys
sys.path[:0] = [{str(Path(__file__).parent)!r}, {str(Path(__file__).parents[1])!r}]
import time
import campaign
from readers import Reader

def read(path):
    kind = open(path, "rb").read()
    if kind == b"1":
        raise KeyError("a bug")
    if kind == b"2":
        end = time.process_time() + 1.5
        while time.process_time() < end:
            pass
    if kind == b"3":
        bytearray(300 << 20)
    if kind == b"4":
        import os
        os.abort()

numbers = iter(range(100))
reader = Reader("buggy", read, lambda random: str(next(numbers)).encode(), seconds=1)
outcome = campaign.run_batch(reader, 1, range(6))
print(outcome.taken)
for failure in outcome.failures:
    print(failure.number, failure.what.strip().splitlines()[-1])
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False
    )
    shown = done.stdout.splitlines()
    assert done.returncode == 0, done.stderr
    wanted = (
        "KeyError: 'a bug'",
        r"took 1\.\d s of CPU",
        r"the process grew to 3\d\d MiB",
        r"the process died or hung \(exit code -6\)",
    )
    assert len(shown) == 5
    for line, words in zip(shown[1:], wanted, strict=True):
        assert re.search(words, line), line
