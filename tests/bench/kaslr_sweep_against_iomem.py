"""CPU time of the sweep over KASLR's places, as a ratio to parsing the /proc/iomem of the machine.

    python tests/bench/kaslr_sweep_against_iomem.py

16 TiB, and 1 TiB, in 200 ranges of RAM: four million places, and a quarter million. The cost is to
grow with the ranges (and a little with the TiBs: page tables have borders every 512 GiB), not with
the places. The devices in the iomem are as many as a machine of that size has.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from page import publish
from test_kaslr_sweep import GIB, MIB, machine

from smecheck.analysis import answer
from smecheck.asked import Switch
from smecheck.case import Case
from smecheck.machine.memory import Missing
from smecheck.read.machine.iomem import parse_iomem
from smecheck.record import replace
from smecheck.span import Span

RUNS = 15
DEVICES_A_RANGE = 10
SHAPES = ((200, 16 << 40), (200, 1 << 40), (50, 16 << 40), (400, 16 << 40))


def ram_of(ranges: int, total: int) -> list[Span]:
    size = total // ranges
    return [Span.sized(GIB + number * size, size - 64 * MIB) for number in range(ranges)]


def iomem_of(ram: list[Span]) -> str:
    lines = ["00000000-00000fff : Reserved"]
    for span in ram:
        lines.append(f"{span.start:012x}-{span.end - 1:012x} : System RAM")
        for number in range(DEVICES_A_RANGE):
            start = span.end + number * MIB
            lines.append(f"{start:012x}-{start + MIB - 1:012x} : 0000:{number:02x}:00.0")
    return "\n".join(lines) + "\n"


def cpu_seconds(call: Callable[[], object]) -> float:
    begun = time.process_time()
    call()
    return time.process_time() - begun


def milliseconds(call: Callable[[], object]) -> float:
    return statistics.median(cpu_seconds(call) for _ in range(RUNS)) * 1000


def question(ram: list[Span], text: str) -> Case:
    base = ram[0].start + 64 * MIB
    asked = machine(ram, Span.sized(base + 14 * MIB, 5 * MIB), base, None)
    return replace(asked, memory=replace(parse_iomem(text, "iomem"), missing=Missing.NOTHING))


def main() -> None:
    rows = []
    for ranges, total in SHAPES:
        ram = ram_of(ranges, total)
        text = iomem_of(ram)
        asked = question(ram, text)
        at_rest = replace(asked, asked=replace(asked.asked, kaslr=Switch.OFF))
        swept = milliseconds(lambda asked=asked: answer(asked))
        without = milliseconds(lambda asked=at_rest: answer(asked))
        parsed = milliseconds(lambda text=text: parse_iomem(text, "iomem"))
        sweep = answer(asked).kaslr
        assert sweep is not None
        ours = swept - without
        rows.append(
            (
                f"{ranges} ranges, {total >> 40} TiB",
                f"{sweep.slots.count}",
                f"{ours:.1f} ms",
                f"{parsed:.1f} ms",
                f"{ours / parsed:.2f}",
            )
        )
    publish(
        Path(__file__).stem,
        "The sweep over KASLR's places, against parsing the iomem of the machine",
        "What the sweep adds to an analysis. The bound is parsing the iomem once, for 200 ranges "
        "in 16 TiB; the cost grows with the ranges, not with the places.",
        ("machine", "places", "sweep", "parsing", "ratio of CPU"),
        rows,
    )


if __name__ == "__main__":
    main()
