"""What the measurements share: CPU time in pairs, peak memory, smecheck as it is installed."""

from __future__ import annotations

import json
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAIRS = 11

Command = list[str] | str
"""Words, or a line for the shell."""


@contextmanager
def installed(extra: str = "") -> Iterator[str]:
    """Install smecheck in an environment of its own, as users do; give the program's path.

    An editable install compiles itself at each start, where Python may not write bytecode.
    """
    with tempfile.TemporaryDirectory(prefix="smecheck-bench-") as folder:
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        pip = [f"{folder}/bin/python", "-m", "pip", "install", "-q", "--compile"]
        subprocess.run([*pip, f"{ROOT}[{extra}]" if extra else str(ROOT)], check=True)
        yield f"{folder}/bin/smecheck"


@dataclass(frozen=True)
class Compared:
    """Medians of the CPU times of pairs of runs, in seconds, and of their ratios."""

    ours: float
    theirs: float
    ratio: float

    def cells(self) -> tuple[str, str, str]:
        return f"{self.ours * 1000:.0f} ms", f"{self.theirs * 1000:.0f} ms", f"{self.ratio:.2f}"


def cpu_seconds(command: Command) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        command,
        shell=isinstance(command, str),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=False,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def compared(command: Command, other: Command, pairs: int = PAIRS) -> Compared:
    """Run both in turn, so that whatever else the machine does falls on both."""
    if pairs > 1:
        cpu_seconds(command), cpu_seconds(other)  # warm up
    times = [(cpu_seconds(command), cpu_seconds(other)) for _ in range(pairs)]
    return Compared(
        statistics.median(ours for ours, _ in times),
        statistics.median(theirs for _, theirs in times),
        statistics.median(ours / theirs for ours, theirs in times),
    )


def peak_mib(command: list[str]) -> float:
    """Return the peak memory of a command; measured from a small process, which it begins as."""
    script = (
        "import json, resource, subprocess, sys;"
        "subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL);"
        "print(json.dumps(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))"
    )
    run = [sys.executable, "-I", "-c", script, *command]
    kib: int = json.loads(subprocess.run(run, stdout=subprocess.PIPE, check=True).stdout)
    return kib / 1024
