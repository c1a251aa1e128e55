"""Runs of a fleet that are looked at before they are over, which they cannot be by then."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from commandline import PROGRAM, environment
from fleet_machines import PROVEN, machines, write_inventory

KERNELS = tuple(map(str, PROVEN))
"""Answered soon, and of no two machines alike: what is tested is who does the work, and when."""
MACHINES = 150
DISTINCT = 140
HELD_BACK = 15
"""Machines that a run is not given before it was looked at: it cannot be over by then. Of 135 that
are all different two workers have the rows of the first: they read 128 of them before."""
WRONG = 40
"""The machine that the exit status is of, by its huge initrd: the others are fine."""
STATUS = 1


def write_machines(path: Path) -> None:
    """Write the inventory."""
    found = list(machines(DISTINCT, DISTINCT, seed=9, ranges=(16, 24)))
    for number in range(DISTINCT, MACHINES):
        found.append({**found[number // 2], "id": f"machine-{number}"})
    found[WRONG]["initrd"] = "300G"
    write_inventory(path, iter(found))


def command(inventory: Path, *more: str, quiet: bool = True) -> list[str]:
    kernels = [word for kernel in KERNELS for word in ("--kernel", kernel)]
    return ["fleet", *kernels, str(inventory), *more, *(("-q",) if quiet else ())]


INTERRUPTIBLE = """
import os, signal, sys

# A shell starts what it runs in the background with the signal ignored.
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execv(sys.argv[1], sys.argv[1:])
"""


@contextlib.contextmanager
def unfinished(
    inventory: Path, *more: str, rows: Path | None = None
) -> Iterator[tuple[subprocess.Popen[bytes], bytes]]:
    """Start a run whose first rows are there, and give the machines that it waits for, too.

    Args:
        inventory: whose machines it reads from standard input.
        more: options.
        rows: where they say that rows go; if nowhere, they go through a pipe.
    """
    lines = inventory.read_bytes().splitlines(keepends=True)
    with subprocess.Popen(
        [sys.executable, "-c", INTERRUPTIBLE, *PROGRAM, *command(Path("-"), *more, quiet=False)],
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE if rows is None else subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        assert process.stdin is not None
        process.stdin.write(b"".join(lines[:-HELD_BACK]))
        process.stdin.flush()
        deadline = time.monotonic() + 180
        while rows is not None and not (rows.exists() and rows.stat().st_size):
            assert process.poll() is None, "it is over"
            assert time.monotonic() < deadline, "no rows came"
            time.sleep(0.02)
        yield process, b"".join(lines[-HELD_BACK:])
