"""What running a kernel's machine code costs: all starts of the matrix, and those of a gate.

    python tests/bench/machine_code_runs.py KERNEL...

The bounds are 10 s of CPU and 512 MiB for ``smecheck verify``, 3 s for what ``--verify`` adds to
``smecheck gate``. Needs the extra "verify".
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from pathlib import Path

from measuring import cpu_seconds, installed, peak_mib
from page import publish

TIMES, SECONDS, MIB, GATE_SECONDS = 3, 10, 512, 3


def row(smecheck: str, kernel: str) -> tuple[str, ...]:
    verify = [smecheck, "verify", kernel]
    written = subprocess.run([*verify, "--format", "json"], stdout=subprocess.PIPE, check=False)
    answer = json.loads(written.stdout)
    gate = [smecheck, "gate", kernel, "-q"]
    seconds = statistics.median(cpu_seconds(verify) for _ in range(TIMES))
    added = statistics.median(
        cpu_seconds([*gate, "--verify"]) - cpu_seconds(gate) for _ in range(TIMES)
    )
    peak = peak_mib(verify)
    kept = seconds <= SECONDS and added <= GATE_SECONDS and peak <= MIB
    return (
        f"{answer['kernel']['release'] or Path(kernel).name} ({answer['kernel']['kind']})",
        answer["result"],
        str(len(answer["runs"])),
        f"{seconds:.1f} s",
        f"{peak:.0f} MiB",
        f"{added:.1f} s",
        "yes" if kept else "NO",
    )


def main() -> None:
    with installed("verify") as smecheck:
        rows = [row(smecheck, name) for name in sys.argv[1:]]
    publish(
        Path(__file__).stem,
        "The machine code of a kernel, run",
        f"The whole of `smecheck verify`: at most {SECONDS} s of CPU and {MIB} MiB. What "
        f"`--verify` adds to\n`smecheck gate`: at most {GATE_SECONDS} s. Medians of {TIMES} runs.",
        ("kernel", "result", "runs", "CPU", "peak", "gate --verify adds", "kept"),
        rows,
    )
    sys.exit(any(cells[-1] == "NO" for cells in rows))


if __name__ == "__main__":
    main()
