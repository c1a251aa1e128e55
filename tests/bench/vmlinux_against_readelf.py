"""CPU time of smecheck on a real vmlinux, as a ratio to readelf on the same file.

    python tests/bench/vmlinux_against_readelf.py VMLINUX

Runs ``smecheck analyze`` (plain format) and ``readelf -sW VMLINUX | grep -w _end`` in turn and
prints the median of the paired ratios of their CPU times, and smecheck's peak memory; then the
same for ``smecheck --version`` against ``python -c pass``. Needs readelf; measures, does not
judge.
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
from pathlib import Path

PAIRS = 21


def cpu_seconds(command: list[str] | str) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, shell=isinstance(command, str), stdout=subprocess.DEVNULL, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def median_ratio(command: list[str] | str, other: list[str] | str) -> str:
    cpu_seconds(command), cpu_seconds(other)  # warm up
    pairs = [(cpu_seconds(command), cpu_seconds(other)) for _ in range(PAIRS)]
    ratio = statistics.median(ours / theirs for ours, theirs in pairs)
    ours = statistics.median(ours for ours, _ in pairs) * 1000
    theirs = statistics.median(theirs for _, theirs in pairs) * 1000
    return f"{ratio:.2f} ({ours:.0f} ms against {theirs:.0f} ms, medians of {PAIRS} pairs)"


def peak_memory(command: list[str]) -> str:
    script = (
        "import resource, subprocess, sys; subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL);"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    run = [sys.executable, "-c", script, *command]
    kib = int(subprocess.run(run, stdout=subprocess.PIPE, check=True, text=True).stdout)
    return f"{kib / 1024:.1f} MiB"


def main() -> None:
    vmlinux = sys.argv[1]
    smecheck = str(Path(sys.executable).with_name("smecheck"))
    analyze = [smecheck, "analyze", vmlinux, "--format", "plain"]
    print("analyze / readelf:", median_ratio(analyze, f"readelf -sW '{vmlinux}' | grep -w _end"))
    print("peak memory:", peak_memory(analyze))
    version, bare = [smecheck, "--version"], [sys.executable, "-c", "pass"]
    print("--version / python -c pass:", median_ratio(version, bare))


if __name__ == "__main__":
    main()
