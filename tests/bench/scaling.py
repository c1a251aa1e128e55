"""CPU time of eight times as much, as a ratio: what grows with its input must not grow faster.

    python tests/bench/scaling.py

The maps have many small ranges of RAM, the policies many machines with a map each; whatever
smecheck needs to start is taken off. The bound is 12 for eight times as much, and 2 s for the
larger map.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from measuring import ROOT, cpu_seconds, installed
from page import publish

SMALL, TIMES, FACTOR, SECONDS = 125, 8, 12, 2.0
SAMPLE = ROOT / "samples" / "founding-failure"
KERNEL = str(SAMPLE / "kernel.yaml")
REPEATED = 5


def iomem(ranges: int) -> str:
    lines = ["00001000-0009fbff : System RAM", "00100000-3fffffff : System RAM"]
    start = 0x40000000
    for _ in range(ranges):
        lines.append(f"{start:08x}-{start + 0x1FFFF:08x} : System RAM")
        lines.append(f"{start + 0x20000:08x}-{start + 0x3FFFF:08x} : Reserved")
        start += 0x40000
    lines.append(f"{start:08x}-{start + 0x3FFFFFFF:08x} : System RAM")
    return "\n".join(lines) + "\n"


def analyze(smecheck: str, folder: Path, ranges: int, *more: str) -> list[str]:
    path = folder / f"iomem-{ranges}"
    path.write_text(iomem(ranges))
    load = ("--segments", str(SAMPLE / "kexec.log"), "--cmdline", "quiet")
    return [smecheck, "analyze", KERNEL, "--iomem", str(path), *load, *more, "-q"]


def gate(smecheck: str, folder: Path, machines: int) -> list[str]:
    lines = ["schema: smecheck/policy-v1", "machines:"]
    for number in range(machines):
        (folder / f"machine-{number}").write_text((SAMPLE / "iomem.txt").read_text())
        lines += [
            f"  - {{name: m{number}, iomem: machine-{number}, mode: load, loader: kexec_load,",
            f"     initrd: {8 + number % 64}M, cmdline: nokaslr mem_encrypt=on}}",
        ]
    path = folder / f"policy-{machines}.yaml"
    path.write_text("\n".join([*lines, ""]))
    return [smecheck, "gate", KERNEL, "--policy", str(path), "-q"]


def least(command: list[str]) -> float:
    return min(cpu_seconds(command) for _ in range(REPEATED))


def main() -> None:
    rows = []
    with installed() as smecheck, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        start = least([smecheck, "analyze", KERNEL, "-q"])
        for what, unit, command in (
            ("`analyze`", "ranges", lambda n: analyze(smecheck, folder, n)),
            ("`analyze --advise`", "ranges", lambda n: analyze(smecheck, folder, n, "--advise")),
            ("`gate`", "machines", lambda n: gate(smecheck, folder, n)),
        ):
            few, many = (least(command(n)) for n in (SMALL, SMALL * TIMES))
            ratio = (many - start) / max(few - start, 0.01)
            kept = ratio < FACTOR and (unit == "machines" or many < SECONDS)
            rows.append(
                (
                    what,
                    f"{SMALL} and {SMALL * TIMES} {unit}",
                    f"{few * 1000:.0f} ms",
                    f"{many * 1000:.0f} ms",
                    f"{ratio:.2f}",
                    "yes" if kept else "NO",
                )
            )
    publish(
        Path(__file__).stem,
        f"{TIMES} times as much, against as much",
        f"Many small ranges of RAM, and a policy of many machines with a map each. The ratio is\n"
        f"without the {start * 1000:.0f} ms that an answer about the kernel alone takes; its bound "
        f"is {FACTOR},\nand {SECONDS:.0f} s for a map.",
        ("of", "with", "few", "many", "ratio of CPU", "kept"),
        rows,
    )
    sys.exit(any(row[-1] == "NO" for row in rows))


if __name__ == "__main__":
    main()
