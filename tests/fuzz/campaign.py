"""A campaign: inputs for every reader, each within the bounds of time and memory.

Batches run in processes of their own: what takes the interpreter down, or all of the memory, is a
failure with a number. The same seed gives the same inputs.
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import tempfile
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from random import Random
from typing import Any

from answers import check_error
from readers import READERS, Reader

from smecheck.errors import ExitCode, SmecheckError

MEMORY_LIMIT = 256 << 20
"""Bytes of the whole process, the interpreter and the tests' own writers included."""
_STUCK = 60
"""Seconds by the clock for each of CPU, on a machine that has other things to do."""
_CRASHED = 1500
_IN_MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108
_ADDRESS_SPACE = 4 << 30
_WHO = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)


@dataclass(frozen=True)
class Failure:
    reader: str
    number: int
    what: str


@dataclass
class Outcome:
    """How many inputs there were, how many were taken, how many refused; what went wrong."""

    taken: int = 0
    refused: int = 0
    slowest: float = 0.0
    peak: int = 0
    failures: tuple[Failure, ...] = ()

    @property
    def inputs(self) -> int:
        return self.taken + self.refused + len(self.failures)

    def add(self, other: Outcome) -> None:
        self.taken += other.taken
        self.refused += other.refused
        self.slowest = max(self.slowest, other.slowest)
        self.peak = max(self.peak, other.peak)
        self.failures += other.failures


def input_of(reader: Reader, seed: int, number: int) -> bytes:
    """Return the input of that number."""
    return reader.make(Random(f"{seed}/{reader.name}/{number}"))


def run_batch(reader: Reader, seed: int, numbers: range) -> Outcome:
    """Run a batch; behind an input that was too much, the rest goes on in another process."""
    outcome = Outcome()
    while numbers:
        part, done = _run_in_child(reader, seed, numbers)
        outcome.add(part)
        numbers = range(done, numbers.stop)
    return outcome


def _run_in_child(reader: Reader, seed: int, numbers: range) -> tuple[Outcome, int]:
    """Return what came of the inputs, and the number of the first that had no turn."""
    context = get_context("fork")
    parent, child = context.Pipe(duplex=False)
    process = context.Process(target=_in_child, args=(child, reader, seed, numbers))
    process.start()
    child.close()
    outcome, number = Outcome(), numbers.start
    try:
        while parent.poll(_CRASHED):
            number, one = parent.recv()
            if one is None:
                break
            outcome.add(one)
            number += 1
        else:
            raise EOFError
    except EOFError:
        process.kill()
        process.join()
        what = f"the process died or hung (exit code {process.exitcode})"
        outcome.failures += (Failure(reader.name, number, what),)
        number += 1
    process.join()
    return outcome, number


def _in_child(pipe: Any, reader: Reader, seed: int, numbers: range) -> None:
    signal.signal(signal.SIGALRM, _stuck)
    resource.setrlimit(resource.RLIMIT_AS, (_ADDRESS_SPACE, _ADDRESS_SPACE))
    with tempfile.TemporaryDirectory(prefix="smecheck-fuzz-", dir=_IN_MEMORY) as folder:
        path = Path(folder) / "input"
        for number in numbers:
            path.write_bytes(input_of(reader, seed, number))
            outcome = run_one(reader, str(path), number)
            pipe.send((number, outcome))
    pipe.send((number + 1, None))


def _stuck(signal_number: int, frame: object) -> None:
    raise TimeoutError("nothing came of it for long")


def run_one(reader: Reader, path: str, number: int) -> Outcome:
    """Give one input to its reader."""
    outcome = Outcome()
    Path("/proc/self/clear_refs").write_text("5")  # proc(5): begins the peak again
    before = _spent()
    signal.alarm(int(_STUCK * reader.seconds))
    problem = ""
    try:
        try:
            value = reader.read(path)
            outcome.taken = 1
        except SmecheckError as error:
            if error.exit_code is not ExitCode.INPUT:
                raise
            check_error(error, path)
            outcome.refused = 1
        outcome.slowest = _spent() - before
        if outcome.taken:
            reader.use(value)
    except Exception:
        problem = traceback.format_exc()
    finally:
        signal.alarm(0)
    outcome.peak = max(resource.getrusage(who).ru_maxrss << 10 for who in _WHO)
    if not problem and outcome.slowest > reader.seconds:
        problem = f"took {outcome.slowest:.1f} s of CPU"
    if not problem and outcome.peak > MEMORY_LIMIT:
        problem = f"the process grew to {outcome.peak >> 20} MiB"
    if problem:
        outcome = Outcome(slowest=outcome.slowest, peak=outcome.peak)
        outcome.failures = (Failure(reader.name, number, problem),)
    return outcome


def _spent() -> float:
    """Return the CPU time of this process and of the children that did the work and ended."""
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


def campaign(
    readers: tuple[Reader, ...], seed: int, inputs: int, seconds: float | None
) -> Iterator[tuple[Reader, Outcome]]:
    """Run batches, of each reader in turn, up to a number of inputs or a time; yield outcomes."""
    end = None if seconds is None else _spent() + seconds
    each = -(-inputs // len(readers))
    batch = min(each, 250 if seconds is None else 15)
    for start in range(0, each, batch):
        for reader in readers:
            if end is not None and _spent() > end:
                return
            bounds = (start // reader.cost, min(start + batch, each) // reader.cost)
            yield reader, run_batch(reader, seed, range(*bounds))


def keep(folder: Path, failure: Failure, seed: int) -> Path:
    """Write down the input of a failure."""
    folder.mkdir(parents=True, exist_ok=True)
    reader = next(reader for reader in READERS if reader.name == failure.reader)
    path = folder / f"{failure.reader}-{seed}-{failure.number}"
    path.write_bytes(input_of(reader, seed, failure.number))
    with contextlib.suppress(OSError):
        os.chmod(path, 0o600)  # noqa: PTH101
    return path
