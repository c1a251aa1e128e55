"""CPU time of predicting a whole load, as a ratio to parsing the /proc/iomem that it goes by.

    python tests/bench/predicted_load_against_iomem.py

The machine has 2,048 ranges of RAM, as many as kexec-tools reads. Every segment is the worst case:
the highest ranges are too small for the kernel.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from page import publish
from recorded_loads import image_of, recorded_loads

from smecheck.load.predict import predict
from smecheck.load.request import LoadRequest
from smecheck.load.segments import Loader, Mode
from smecheck.read.machine.iomem import parse_iomem

RANGES = 2048
PAIRS = 21


def iomem() -> str:
    lines, at = ["00000000-00000fff : Reserved"], 0x100000
    for number in range(RANGES):
        size = 0x20000000 if number == 1 else 0x40000
        lines.append(f"{at:08x}-{at + size - 1:08x} : System RAM")
        if number == 1:
            lines.append(f"  {at + 0x1000000:08x}-{at + 0x1FFFFFF:08x} : Kernel code")
            lines.append(f"  {at + 0x8000000:08x}-{at + 0x17FFFFFF:08x} : Crash kernel")
        at += size + 0x10000
    return "\n".join(lines) + "\n"


def cpu_seconds(call: Callable[[], object]) -> float:
    begun = time.process_time()
    call()
    return time.process_time() - begun


def main() -> None:
    text = iomem()
    memory = parse_iomem(text, "iomem")
    image = image_of(recorded_loads("fabricated")["headers"]["6.1.0-56-amd64"])
    rows = []
    for loader in Loader:
        for mode in Mode:
            request = LoadRequest(image, loader, mode, memory, initrd_size=32 << 20)
            assert predict(request).placed
            pairs = [
                (
                    cpu_seconds(lambda asked=request: predict(asked)),
                    cpu_seconds(lambda: parse_iomem(text, "iomem")),
                )
                for _ in range(PAIRS)
            ]
            ratio = statistics.median(ours / theirs for ours, theirs in pairs)
            ours = statistics.median(pair[0] for pair in pairs) * 1000
            theirs = statistics.median(pair[1] for pair in pairs) * 1000
            rows.append(
                (
                    f"{loader.value}, {mode.value}",
                    f"{ours:.1f} ms",
                    f"{theirs:.1f} ms",
                    f"{ratio:.2f}",
                )
            )
    publish(
        Path(__file__).stem,
        "Predicting a load, against parsing the iomem it goes by",
        f"A machine with {RANGES} ranges of RAM. The bound is 5 times parsing its iomem.",
        ("load", "predicting", "parsing", "ratio of CPU"),
        rows,
    )


if __name__ == "__main__":
    main()
