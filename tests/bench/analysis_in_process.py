"""CPU time of an analysis in process: predicted, against recorded, against parsing its iomem.

    python tests/bench/analysis_in_process.py

Every analysis is of a machine of its own, read anew, as a fleet is: only the kernel is the same.
A predicted load is recorded by taking its segments for a record.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from measuring import ROOT
from page import publish
from predicted_load_against_iomem import iomem as large_iomem

from smecheck.analysis import analyze
from smecheck.answer import Report
from smecheck.asked import asked_by_options
from smecheck.case import Case
from smecheck.kernel.image import KernelImage
from smecheck.load.segments import Loader, Mode
from smecheck.read.kernel.kernel import read_kernel
from smecheck.read.machine.iomem import parse_iomem
from smecheck.record import replace
from smecheck.report.options import RenderOptions
from smecheck.report.text_report import render_text

RUNS = 15
KERNELS = ("founding-failure", "debian-6.1-kexec", "kaslr-gamble")


def maps() -> Iterator[tuple[str, str]]:
    yield "guest", (ROOT / "tests/data/iomem/guest-4.5g-two-reservations.txt").read_text()
    yield "server", server_iomem()
    yield "2048 ranges", large_iomem()


def server_iomem() -> str:
    """Return the map of a server of 512 GiB with two nodes and 400 devices."""
    lines = [
        "00000000-00000fff : Reserved",
        "00001000-0009ffff : System RAM",
        "000a0000-000fffff : Reserved",
        "00100000-6bffffff : System RAM",
        "  01000000-01e01d31 : Kernel code",
        "  03310000-043fffff : Kernel bss",
        "  2b000000-5affffff : Crash kernel",
        "6c000000-6fffffff : Reserved",
        "70000000-70ffffff : ACPI Tables",
        "71000000-72ffffff : ACPI Non-volatile Storage",
        "80000000-fbffffff : PCI Bus 0000:00",
    ]
    for number in range(400):
        start = 0x80000000 + number * 0x100000
        lines.append(f"  {start:08x}-{start + 0xFFFFF:08x} : 0000:{number // 8:02x}:{number % 8}.0")
    lines += ["fec00000-fec003ff : IOAPIC 0", "100000000-407fffffff : System RAM"]
    lines += ["4080000000-807fffffff : System RAM"]
    return "\n".join(lines) + "\n"


def cpu_seconds(call: Callable[[], object]) -> float:
    begun = time.process_time()
    call()
    return time.process_time() - begun


def median(call: Callable[[], object]) -> float:
    return statistics.median(cpu_seconds(call) for _ in range(RUNS))


def asked(image: KernelImage, text: str, loader: Loader, mode: Mode) -> Case:
    boot = asked_by_options(loader=loader, mode=mode, cmdline="root=/dev/sda1 mem_encrypt=on quiet")
    return Case(image, boot, memory=parse_iomem(text, "iomem"))


def times_of(make: Callable[[], Case]) -> float:
    """Return the CPU seconds of analyzing a case that was just read."""
    seconds = []
    for _ in range(RUNS):
        case = make()
        begun = time.process_time()
        analyze(case)
        seconds.append(time.process_time() - begun)
    return statistics.median(seconds)


def main() -> None:
    images = {name: read_kernel(str(ROOT / "samples" / name / "kernel.yaml")) for name in KERNELS}
    options = RenderOptions(False, color=False, width=100, unicode=True, exit_code=0)
    rows, rendering = [], []
    for kernel, image in images.items():
        for name, text in maps():
            parsing = median(lambda text=text: parse_iomem(text, "iomem"))
            for loader in Loader:
                for mode in Mode:

                    def predicted(
                        image: KernelImage = image,
                        text: str = text,
                        loader: Loader = loader,
                        mode: Mode = mode,
                    ) -> Case:
                        return asked(image, text, loader, mode)

                    report: Report = analyze(predicted())
                    if report.segments is None or report.segments.refusal is not None:
                        continue
                    load = replace(report.segments, predicted=False, source="record")

                    def recorded(make: Callable[[], Case] = predicted, load: object = load) -> Case:
                        return replace(make(), segments=load)

                    rendering.append(median(lambda report=report: render_text(report, options)))
                    ours, theirs = times_of(predicted), times_of(recorded)
                    rows.append((kernel, name, loader, mode, ours, theirs, parsing, report))
    table = [
        (
            f"{kernel}, {name}",
            f"{loader.value}, {mode.value}",
            report.verdict.value,
            f"{ours * 1000:.1f} ms",
            f"{theirs * 1000:.2f} ms",
            f"{parsing * 1000:.2f} ms",
            f"{ours / theirs:.1f}",
            f"{theirs / parsing:.1f}",
        )
        for kernel, name, loader, mode, ours, theirs, parsing, report in rows
    ]
    publish(
        Path(__file__).stem,
        "An analysis in process, predicted, recorded, and against parsing its iomem",
        "Each analysis reads its machine anew and keeps the kernel. The goals: a predicted "
        "analysis takes 5 times a recorded one, a recorded one 4 times parsing the iomem of a "
        "server. A kernel whose proof holds needs no what-if loads; for one whose does not, up to "
        "20 of them are predicted and up to 12 judged. The text of these reports takes "
        f"{statistics.median(rendering) * 1000:.1f} ms, {max(rendering) * 1000:.1f} ms at most; "
        "the bound is 8 ms.",
        ("machine", "load", "verdict", "predicted", "recorded", "parsing", "ratio", "to parsing"),
        table,
    )


if __name__ == "__main__":
    main()
