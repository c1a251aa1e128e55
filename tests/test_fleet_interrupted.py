"""Runs of a fleet that end early: killed, interrupted, out of room, short of workers."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor, Future
from pathlib import Path
from typing import Any

import pytest
from commandline import PROGRAM, environment, run, start
from fleet_machines import Layout, machines
from fleet_unfinished import (
    KERNELS,
    MACHINES,
    STATUS,
    WRONG,
    command,
    unfinished,
    write_machines,
)

import smecheck
from smecheck.checks.tolerance import Tolerance
from smecheck.cli.fleet_progress import FleetProgress
from smecheck.engine.run import FleetRun, Tally
from smecheck.engine.task import Asked
from smecheck.engine.workers import InThisProcess
from smecheck.read.fleet.described import Described, Said
from smecheck.read.kernel.kernel import read_kernel


@pytest.fixture(scope="module")
def inventory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("fleet") / "inventory.jsonl"
    write_machines(path)
    return path


@pytest.fixture(scope="module")
def whole(inventory: Path) -> bytes:
    """The rows of a run that nobody interrupted."""
    done = run(*command(inventory, "--jobs", "1"))
    assert done.status == STATUS
    assert done.raw.count(b"\n") == MACHINES * len(KERNELS)
    return done.raw


def processes_of(group: int) -> list[int]:
    """Return the processes of a group; the resource tracker of Python is none of the workers."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal():
            continue
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
            words = (entry / "cmdline").read_bytes()
        except OSError:
            continue
        if int(fields[2]) == group and fields[0] != "Z" and b"resource_tracker" not in words:
            found.append(int(entry.name))
    return found


def wait_for_the_end_of(group: int) -> None:
    """Wait until no process of a group is left: workers end when their parent does."""
    deadline = time.monotonic() + 120
    while processes_of(group):
        assert time.monotonic() < deadline, "workers outlive their parent"
        time.sleep(0.05)


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_run_that_was_killed_goes_on_to_the_same_bytes(
    inventory: Path, whole: bytes, tmp_path: Path, jobs: str
) -> None:
    rows = tmp_path / "rows.jsonl"
    options = ("--resume", str(rows), "--jobs", jobs)
    with unfinished(inventory, *options, rows=rows) as (process, _):
        os.kill(process.pid, signal.SIGKILL)
    wait_for_the_end_of(process.pid)
    left = rows.read_bytes()
    assert whole.startswith(left)
    assert len(left) < len(whole)
    done = run(*command(inventory, *options))
    assert rows.read_bytes() == whole
    again = run(*command(inventory, "--resume", str(rows), "--jobs", "1"))
    assert done.status == again.status == STATUS
    assert rows.read_bytes() == whole


def test_wherever_it_was_cut_it_goes_on(inventory: Path, whole: bytes, tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    chosen = random.Random(4)
    lines = whole.splitlines(keepends=True)
    cuts = [len(lines[0]), len(whole) - 1, len(whole), chosen.randrange(len(whole))]
    for cut in cuts:
        rows.write_bytes(whole[:cut])
        run(*command(inventory, "--resume", str(rows), "--jobs", "1"))
        assert rows.read_bytes() == whole, f"cut at {cut}"


def test_a_file_of_another_run_is_refused(inventory: Path, whole: bytes, tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    some = b"".join(whole.splitlines(keepends=True)[:20])
    for content, more, message in (
        (some, ("--sme", "off"), "has another answer for machine-0 than this run"),
        (
            some.replace(b"machine-3", b"machine-x"),
            (),
            "has machine-x where this run has machine-3",
        ),
        (some.replace(b"6.1.0", b"6.2.0"), (), "is a row of"),
        (b"nonsense\n", (), "is not a row of"),
    ):
        rows.write_bytes(content)
        done = run(*command(inventory, "--resume", str(rows), "--jobs", "1", *more))
        assert done.status in (2, 3)
        assert message in done.err
        assert rows.read_bytes() == content


def test_an_interrupt_leaves_whole_rows(inventory: Path, whole: bytes, tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    with unfinished(inventory, "-o", str(rows), "--jobs", "2", rows=rows) as (process, _):
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        assert process.stderr is not None
        said = process.stderr.read()
    assert process.returncode == 130
    assert f"continue with --resume {rows}".encode() in said
    assert b"Traceback" not in said
    left = rows.read_bytes()
    assert left.endswith(b"\n")
    assert whole.startswith(left)
    assert len(left) < len(whole)
    wait_for_the_end_of(process.pid)
    run(*command(inventory, "--resume", str(rows), "--jobs", "1"))
    assert rows.read_bytes() == whole


def test_shards_together_are_one_run(inventory: Path, whole: bytes) -> None:
    shards = [("--shard", f"{number}/3", "--jobs", "1") for number in (1, 2, 3)]
    parts = [run(*command(inventory, *shard)).raw for shard in shards]
    assert all(len(part.splitlines()) == MACHINES * 2 // 3 for part in parts)
    assert sorted(b"".join(parts).splitlines()) == sorted(whole.splitlines())


def test_rows_as_they_come_are_the_same_rows(inventory: Path, whole: bytes, tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    assert run(*command(inventory, "--unordered", "--jobs", "2", "-o", str(rows))).status == STATUS
    assert sorted(rows.read_bytes().splitlines()) == sorted(whole.splitlines())
    rows.write_bytes(rows.read_bytes()[: len(whole) // 2])
    run(*command(inventory, "--unordered", "--jobs", "2", "--resume", str(rows)))
    assert sorted(rows.read_bytes().splitlines()) == sorted(whole.splitlines())


def test_a_worker_that_is_killed_is_replaced(inventory: Path, whole: bytes, tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    with unfinished(inventory, "-o", str(rows), "--jobs", "2", rows=rows) as (process, last):
        worker = next(pid for pid in processes_of(process.pid) if pid != process.pid)
        os.kill(worker, signal.SIGKILL)
        process.communicate(last, timeout=180)
    assert process.returncode == STATUS
    assert rows.read_bytes() == whole


LIMITED = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv.pop(1)),) * 2)
from smecheck.__main__ import main
main()
"""


def test_a_disk_without_room_keeps_what_is_done(
    inventory: Path, whole: bytes, tmp_path: Path
) -> None:
    """A limit on the size of files fails as a full disk does: a part is written, then nothing."""
    rows = tmp_path / "rows.jsonl"
    limit = len(whole) // 2 + 7
    done = start(
        *(str(limit), *command(inventory, "-o", str(rows), "--jobs", "1")),
        program=(sys.executable, "-c", LIMITED),
    )
    assert done.status == 2
    assert "cannot be written: file too large" in done.err
    assert f"continue with --resume {rows}" in done.err
    left = rows.read_bytes()
    assert left
    assert left.endswith(b"\n")
    assert whole.startswith(left)
    run(*command(inventory, "--resume", str(rows), "--jobs", "1"))
    assert rows.read_bytes() == whole


def test_a_full_device_is_said() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full here")
    line = json.dumps({"id": "a", "iomem": Layout(1, (64, 64)).iomem(), "mode": "crash"})
    done = run(
        *("fleet", "--kernel", KERNELS[1], "-", "-q", "-o", "/dev/full"), stdin=line.encode()
    )
    assert done.status == 2
    assert "/dev/full: cannot be written: no space left on device" in done.err


# Workers that die --------------------------------------------------------------------------------


class Dying(InThisProcess):
    """An engine some of whose machines kill whoever works on them."""

    slots = 3

    def __init__(self, deadly: set[str], *, may_restart: bool = True) -> None:
        self.deadly = deadly
        self.may_restart = may_restart
        self.restarts = 0

    def submit(self, function: Any, /, *args: Any, **named: Any) -> Future[Any]:
        future: Future[Any] = Future()
        if self.deadly & {machine.name for machine in args[1]}:
            future.set_exception(BrokenExecutor("died"))
            return future
        return super().submit(function, *args, **named)

    def restart(self) -> bool:
        self.restarts += 1
        return self.may_restart


def of_fleet(engine: Any, count: int = 40) -> Iterator[tuple[str, Any]]:
    asked = Asked((read_kernel(KERNELS[1]),), Said(), Tolerance())
    found = machines(count, count, seed=1, ranges=(64, 80))
    given = [Described(one["id"], "x", one, "") for one in found]
    return FleetRun(asked, engine, Tally()).answers(given)


def test_a_machine_that_kills_its_worker_is_a_row() -> None:
    engine = Dying({"machine-7", "machine-21"})
    found = dict(of_fleet(engine))
    assert list(found) == [f"machine-{number}" for number in range(40)]
    for name, (answer,) in found.items():
        if name in engine.deadly:
            assert answer.exit_code == 70
            assert answer.error is not None
            assert answer.error.message == "the process that worked on this machine died"
        else:
            assert answer.verdict == "clear"
    assert engine.restarts < 12


def test_an_executor_that_broke_is_an_error() -> None:
    with pytest.raises(smecheck.EngineError, match="workers of the executor died"):
        dict(of_fleet(Dying({"machine-7"}, may_restart=False)))


class KilledWorker(Exception):
    """As Dask calls it."""


class DyingOnDask(Dying):
    """A cluster that gives up on what kills its workers, and goes on."""

    def submit(self, function: Any, /, *args: Any, **named: Any) -> Future[Any]:
        future = super().submit(function, *args, **named)
        if future.exception() is not None:
            future = Future()
            future.set_exception(KilledWorker("task"))
        return future


def test_a_machine_that_a_cluster_gave_up_on_is_a_row() -> None:
    engine = DyingOnDask({"machine-7", "machine-21"})
    found = dict(of_fleet(engine))
    dead = {name for name, (answer,) in found.items() if answer.exit_code == 70}
    assert dead == engine.deadly
    assert engine.restarts == 0
    assert len(found) == 40


class Unreachable(InThisProcess):
    """A cluster that went away."""

    def submit(self, function: Any, /, *args: Any, **named: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_exception(OSError("Timed out trying to connect"))
        return future


def test_a_cluster_that_went_away_is_an_error() -> None:
    with pytest.raises(
        smecheck.EngineError, match="workers cannot be reached any more: OSError: Timed"
    ):
        dict(of_fleet(Unreachable()))


# Progress, and readers that go away --------------------------------------------------------------


def test_a_line_a_minute_where_there_is_no_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], inventory: Path
) -> None:
    now = [1000.0]
    monkeypatch.setattr("smecheck.cli.fleet_progress.time.monotonic", lambda: now[0])
    tally = Tally()
    progress = FleetProgress([str(inventory)], tally, 5, quiet=False)
    for _ in range(125):
        now[0] += 1
        tally.machines += 2
        tally.read += 2
        tally.shared += 1
        progress.bytes_read = inventory.stat().st_size * tally.read // 1000
        progress.update()
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "smecheck: 125 machines, 2/s, 50% like another, 7 min left",
        "smecheck: 245 machines, 2/s, 50% like another, 6 min left",
    ]
    quiet = FleetProgress([], tally, 0, quiet=True)
    now[0] += 1000
    quiet.update()
    assert capsys.readouterr().err == ""


SHOWS_AT_ONCE = """
import smecheck.cli.fleet_progress as progress
from smecheck.__main__ import main

progress._AFTER = progress._EVERY = 0
main()
"""


def test_a_bar_on_a_terminal(inventory: Path, tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    some = tmp_path / "some.jsonl"
    some.write_bytes(b"".join(inventory.read_bytes().splitlines(keepends=True)[: WRONG + 1]))
    options = ("-o", str(tmp_path / "rows"), "--jobs", "1")
    words = [sys.executable, "-c", SHOWS_AT_ONCE, *command(some, *options, quiet=False)]
    with subprocess.Popen(
        words, env=environment(), stdout=subprocess.DEVNULL, stderr=theirs
    ) as process:
        os.close(theirs)
        shown = b""
        with contextlib.suppress(OSError):  # so it ends
            while piece := os.read(ours, 4096):
                shown += piece
    os.close(ours)
    assert process.returncode == STATUS
    assert re.search(rb"\d+ machines, \d+/s", shown)
    assert b"left" in shown


def test_a_reader_that_goes_away_ends_it(inventory: Path) -> None:
    with unfinished(inventory, "--jobs", "2") as (process, last):
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        with contextlib.suppress(BrokenPipeError), process.stdin as left:
            left.write(last)
        said = process.stderr.read()
    assert (process.returncode, said) == (141, b"")
    wait_for_the_end_of(process.pid)


def test_a_pipe_with_a_name_is_an_inventory(inventory: Path, whole: bytes, tmp_path: Path) -> None:
    kernels = " ".join(f"--kernel {kernel}" for kernel in KERNELS)
    some = f"<(head -n 40 {inventory})"
    line = f"{' '.join(PROGRAM)} fleet {kernels} {some} -q -o {tmp_path / 'rows'}"
    subprocess.run(line, shell=True, executable="bash", env=environment(), check=False)  # noqa: S602
    wanted = whole.splitlines(keepends=True)[: 40 * len(KERNELS)]
    assert (tmp_path / "rows").read_bytes() == b"".join(wanted)
