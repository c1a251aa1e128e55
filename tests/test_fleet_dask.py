"""Fleets on a Dask cluster of two workers: one is killed, and then the scheduler goes away."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from commandline import environment, run, start
from fleet_unfinished import STATUS, command, unfinished, write_machines

pytestmark = pytest.mark.skipif(
    find_spec("distributed") is None, reason="Dask is not installed: extra fleet"
)

CLUSTER = """
import json, sys
from distributed import LocalCluster

if __name__ == "__main__":
    with LocalCluster(
        n_workers=int(sys.argv[2]),
        threads_per_worker=1,
        scheduler_port=int(sys.argv[1]),
        dashboard_address=None,
        silence_logs=50,
    ) as cluster:
        workers = [worker.pid for worker in cluster.workers.values()]
        print(json.dumps([cluster.scheduler_address, workers]), flush=True)
        sys.stdin.read()
"""


@contextlib.contextmanager
def cluster(folder: Path, port: int, *, workers: int) -> Iterator[tuple[str, list[int], int]]:
    """Start a cluster; give its address, the processes of its workers, and its own."""
    script = folder / "cluster.py"
    script.write_text(CLUSTER)
    process = subprocess.Popen(
        [sys.executable, str(script), str(port), str(workers)],
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        address, pids = json.loads(process.stdout.readline())
        yield address, pids, process.pid
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.stdin.close()
        process.stdout.close()
        process.wait()


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        number: int = found.getsockname()[1]
        return number


@pytest.fixture(scope="module")
def inventory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("fleet") / "inventory.jsonl"
    write_machines(path)
    return path


@pytest.fixture(scope="module")
def whole(inventory: Path) -> bytes:
    return run(*command(inventory, "--jobs", "1")).raw


def resumed(rows: Path, address: str) -> tuple[str, ...]:
    return "--resume", str(rows), "--dask", address


def test_a_worker_of_two_is_killed(inventory: Path, whole: bytes, tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    with (
        cluster(tmp_path, 0, workers=2) as (address, workers, _),
        unfinished(inventory, *resumed(rows, address), rows=rows) as (process, last),
    ):
        assert len(workers) == 2
        assert len(rows.read_bytes()) < len(whole)
        os.kill(workers[0], signal.SIGKILL)
        _, said = process.communicate(last, timeout=300)
    assert said == b""
    assert process.returncode == STATUS
    assert rows.read_bytes() == whole


def test_the_scheduler_goes_away_and_comes_back(
    inventory: Path, whole: bytes, tmp_path: Path
) -> None:
    rows, port = tmp_path / "rows.jsonl", free_port()
    with (
        cluster(tmp_path, port, workers=1) as (address, _, pid),
        unfinished(inventory, *resumed(rows, address), rows=rows) as (process, last),
    ):
        os.killpg(pid, signal.SIGKILL)
        _, said = process.communicate(last, timeout=300)
    assert process.returncode == 2
    assert b"Traceback" not in said, said.decode()
    error, help_text = said.decode().splitlines()
    assert error.startswith("smecheck: error: the workers cannot be reached any more: ")
    assert help_text == "help: start the cluster again, and continue with --resume FILE"
    left = rows.read_bytes()
    assert whole.startswith(left)
    assert len(left) < len(whole)
    with cluster(tmp_path, port, workers=1) as (address, _, _):
        done = start(*command(inventory, *resumed(rows, address)))
    assert (done.status, done.err) == (STATUS, "")
    assert rows.read_bytes() == whole


SHORT = """
import smecheck.engine.dask_cluster as cluster
from smecheck.__main__ import main

cluster._TIMEOUT = "1s"
main()
"""


def test_no_scheduler_answers(inventory: Path) -> None:
    words = command(inventory, "--dask", f"tcp://127.0.0.1:{free_port()}")
    done = start(*words, program=(sys.executable, "-c", SHORT))
    assert done.status == 2
    assert "no Dask scheduler answers at tcp://127.0.0.1:" in done.err
    assert "Traceback" not in done.err


def test_without_dask_it_is_said_what_to_install(inventory: Path, tmp_path: Path) -> None:
    (tmp_path / "distributed.py").write_text("raise ImportError\n")
    done = start(
        *command(inventory, "--dask", "tcp://127.0.0.1:1"), env={"PYTHONPATH": str(tmp_path)}
    )
    assert done.status == 2
    assert "pip install 'smecheck[fleet]'" in done.err
