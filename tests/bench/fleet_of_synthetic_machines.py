"""CPU time of a fleet: it grows with the distinct questions, and against a loop of commands.

    python tests/bench/fleet_of_synthetic_machines.py [LAYOUTS MACHINES ...]

Synthetic machines (tests/fleet_machines.py: up to 12 TiB, 64 to 2,048 ranges), with both system
calls and both modes, against two proven kernels and two of the old scheme, by two processes. CPU
time is that of the program and its workers. Memory is the peak of the program and of the largest
worker. A loop asks `smecheck analyze` for some of the same pairs, one after the other.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from itertools import islice
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from fleet_machines import OLD, PROVEN, machines, write_inventory
from measuring import cpu_seconds, installed
from page import publish

SIZES = (10_000, 30_000, 100_000)
LAYOUTS = 2_000
KERNELS = (*PROVEN, *OLD)
APART = 300
"""Machines of which no two are alike."""
LOOP = 24
PARENT_MIB, WORKER_MIB, CPU_SECONDS = 512, 256, 1200
LEAST_RATE, LEAST_FACTOR = 100, 50


class Peaks:
    """The peak memory of a process and of the largest of its children, looked at as they run."""

    def __init__(self, pid: int) -> None:
        self.parent = self.worker = 0.0
        self._pid, self._is_done = pid, False
        self._thread = threading.Thread(target=self._look)
        self._thread.start()

    def stop(self) -> None:
        self._is_done = True
        self._thread.join()

    def _look(self) -> None:
        while not self._is_done:
            self.parent = max(self.parent, peak_mib(self._pid))
            for child in children_of(self._pid):
                self.worker = max(self.worker, peak_mib(child))
            time.sleep(0.2)


def peak_mib(pid: int) -> float:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    found = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")]
    return int(found[0]) / 1024 if found else 0.0


def children_of(pid: int) -> list[int]:
    try:
        return list(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))
    except OSError:
        return []


def measured(smecheck: str, inventory: Path, rows: Path) -> tuple[float, float, Peaks, int]:
    """Return CPU seconds, seconds, peaks, and the questions that were answered."""
    named = [word for kernel in KERNELS for word in ("--kernel", str(kernel))]
    command = [smecheck, "fleet", *named, str(inventory), "-o", str(rows), "--jobs", "2"]
    before, begun = os.times(), time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        peaks = Peaks(process.pid)
        assert process.stdout is not None
        said = process.stdout.read().decode()
    peaks.stop()
    after = os.times()
    cpu = after.children_user + after.children_system
    cpu -= before.children_user + before.children_system
    questions = re.search(r"([0-9,]+) distinct questions? answered", said)
    assert questions
    return cpu, time.monotonic() - begun, peaks, int(questions[1].replace(",", ""))


def loop_seconds(smecheck: str, inventory: Path, folder: Path, pairs: int) -> float:
    """Return the CPU seconds of the command for some pairs."""
    with inventory.open() as file:
        found = [json.loads(line) for line in islice(file, pairs)]
    total = 0.0
    for number, one in enumerate(found):
        path = folder / f"iomem-{number}"
        path.write_text(one["iomem"])
        options = [f"--{name}={one[name]}" for name in ("loader", "mode", "initrd", "cmdline")]
        kernel = str(KERNELS[number % len(KERNELS)])
        command = [smecheck, "analyze", kernel, "--iomem", str(path), *options, "-q"]
        total += cpu_seconds(command)
    return total


def main() -> None:
    given = list(map(int, sys.argv[1:]))
    layouts, sizes = given[0] if given else LAYOUTS, tuple(given[1:]) or SIZES
    rows = []
    with installed() as smecheck, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        inventory, written = folder / "inventory.jsonl", folder / "rows.jsonl"
        write_inventory(inventory, machines(APART, APART, seed=7))
        loop = loop_seconds(smecheck, inventory, folder, LOOP) / LOOP
        for count in (APART, *sizes):
            if count != APART:
                write_inventory(inventory, machines(count, layouts, seed=7))
            cpu, seconds, peaks, questions = measured(smecheck, inventory, written)
            pairs = count * len(KERNELS)
            assert sum(1 for _ in written.open()) == pairs
            factor = loop * pairs / cpu
            kept = [
                peaks.parent <= PARENT_MIB,
                peaks.worker <= WORKER_MIB,
                cpu <= CPU_SECONDS,
                questions < count or pairs / cpu >= LEAST_RATE,
                count != sizes[-1] or factor >= LEAST_FACTOR,
            ]
            rows.append(
                (
                    f"{count:,}",
                    f"{questions:,}",
                    f"{cpu:.0f} s",
                    f"{seconds:.0f} s",
                    f"{pairs / cpu:.0f}",
                    f"{1000 * cpu / questions:.1f} ms",
                    f"{factor:.0f}",
                    f"{peaks.parent:.0f} MiB",
                    f"{peaks.worker:.0f} MiB",
                    "yes" if all(kept) else "NO",
                )
            )
            print(rows[-1], flush=True)
            written.unlink()
    publish(
        Path(__file__).stem,
        "A fleet, against a loop of commands",
        f"Machines of {layouts:,} layouts (in the first row all different) against "
        f"{len(KERNELS)} kernels, by two processes. The\nbounds: {CPU_SECONDS:,} s of CPU, "
        f"{PARENT_MIB} MiB, {WORKER_MIB} MiB a worker; {LEAST_RATE} pairs a second of CPU where no "
        f"two machines are alike,\nand in the last row {LEAST_FACTOR} times as quick as `smecheck "
        f"analyze` for each pair ({loop * 1000:.0f} ms of CPU).",
        (
            *("machines", "questions", "CPU", "time", "pairs a second of CPU"),
            *("CPU a question", "times a loop", "peak", "peak of a worker", "kept"),
        ),
        rows,
    )
    sys.exit(any(row[-1] == "NO" for row in rows))


if __name__ == "__main__":
    main()
