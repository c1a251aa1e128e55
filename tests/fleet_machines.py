"""Synthetic machines for fleets: layouts from a laptop's to 12 TiB in 2,048 ranges, and who asks.

A layout is what firmware and the crash reservation make of a model of machine. Two machines of one
layout differ as machines do: in the devices on their buses, and in where KASLR put the kernel that
runs. They ask the same; machines of different layouts, or with different loads, do not.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

MIB, GIB, TIB = 1 << 20, 1 << 30, 1 << 40
RANGES = (64, 2048)
MOST_RAM = 12 * TIB
LOADS = tuple(
    (loader, mode) for loader in ("kexec_load", "kexec_file_load") for mode in ("load", "crash")
)
KERNELS = Path(__file__).parent / "data" / "kernels"
PROVEN = (KERNELS / "6.1.0-56-amd64.yaml", KERNELS / "6.12.117+deb12-amd64.yaml")
OLD = (KERNELS / "5.0-old.yaml", KERNELS / "5.0-old16.yaml")
"""Old scheme: where the workarea lies depends on the machine."""
_CMDLINES = ("nokaslr mem_encrypt=on", "ro quiet", "nokaslr quiet", "mem_encrypt=on")


class Layout:
    """The memory of a model of machine."""

    def __init__(self, number: int, ranges: tuple[int, int] = RANGES) -> None:
        chosen = random.Random(f"layout {number}")
        # Most machines are small: as many between 64 and 128 ranges as between 1,024 and 2,048.
        low, high = ranges
        self.ranges = round(low * (high / low) ** chosen.random())
        total = round(16 * GIB * (MOST_RAM / (16 * GIB)) ** chosen.random())
        per_range = max(16 * MIB, total // self.ranges)
        self.spans: list[tuple[int, int, str]] = []
        at = MIB
        low_end = 0x60000000 + chosen.randrange(64) * 16 * MIB
        self.spans.append((at, low_end, "System RAM"))
        at = 4 * GIB
        self.spans.append((low_end, low_end + 16 * MIB, "Reserved"))
        self.spans.append((low_end + 16 * MIB, low_end + 18 * MIB, "ACPI Tables"))
        for _ in range(self.ranges - 2):
            size = per_range - chosen.randrange(8) * 64 * 1024
            self.spans.append((at, at + size, "System RAM"))
            at += size
            if chosen.random() < 0.4:
                self.spans.append((at, at + 64 * 1024, "Reserved"))
            at += 64 * 1024 * (1 + chosen.randrange(4))
        self.kernel_at = chosen.randrange(1, 8) * 32 * MIB
        size = chosen.choice((128, 192, 256, 512)) * MIB
        end = low_end - chosen.randrange(1, 16) * 16 * MIB
        self.reservation = (end - size, end)

    def iomem(self, device: int = 0, kernel_at: int | None = None) -> str:
        """Return its /proc/iomem, as one machine shows it.

        Args:
            device: whose devices they are; 0 for those of the model.
            kernel_at: where KASLR put the running kernel.
        """
        lines = ["00000000-00000fff : Reserved", "00001000-0009ffff : System RAM"]
        lines.append("000a0000-000fffff : Reserved")
        kernel = kernel_at or self.kernel_at
        for index, (start, end, name) in enumerate(self.spans):
            lines.append(f"{start:08x}-{end - 1:08x} : {name}")
            if index == 0:
                lines += [
                    f"  {kernel:08x}-{kernel + 0xFFFFFF:08x} : Kernel code",
                    f"  {kernel + 0x1000000:08x}-{kernel + 0x1ABFFFF:08x} : Kernel data",
                    f"  {kernel + 0x1D57000:08x}-{kernel + 0x1FFFFFF:08x} : Kernel bss",
                    f"  {self.reservation[0]:08x}-{self.reservation[1] - 1:08x} : Crash kernel",
                ]
            if name == "ACPI Tables":
                base = 0xC0000000 + device * MIB % 0x10000000
                lines.append(f"{0xC0000000:08x}-{0xDFFFFFFF:08x} : PCI Bus 0000:00")
                lines.append(f"  {base:08x}-{base + 0xFFFF:08x} : 0000:00:{device % 32:02x}.0")
                lines.append("fec00000-fec003ff : IOAPIC 0")
        return "\n".join(lines) + "\n"


def machines(
    count: int,
    layouts: int,
    *,
    seed: int = 1,
    alike: float = 0.0,
    ranges: tuple[int, int] = RANGES,
) -> Iterator[dict[str, Any]]:
    """Yield machines as an inventory describes them.

    Args:
        count: of machines.
        layouts: of distinct ones among them.
        seed: of who has which layout.
        alike: the share of machines whose devices and running kernel are their own.
        ranges: of RAM that the smallest and the largest has.
    """
    chosen = random.Random(seed)
    known: dict[int, Layout] = {}
    texts: dict[int, str] = {}
    for number in range(count):
        which = number if layouts >= count else chosen.randrange(layouts)
        if which not in known:
            known[which] = Layout(which, ranges)
            texts[which] = known[which].iomem()
            if layouts >= count:
                known = {which: known[which]}
                texts = {which: texts[which]}
        loader, mode = LOADS[chosen.randrange(len(LOADS))]
        text = texts[which]
        if chosen.random() < alike:
            text = known[which].iomem(1 + number, chosen.randrange(1, 12) * 32 * MIB)
        yield {
            "id": f"machine-{number}",
            "iomem": text,
            "loader": loader,
            "mode": mode,
            "initrd": 30 * MIB + which % 8 * MIB,
            "cmdline": _CMDLINES[which % len(_CMDLINES)],
        }


def write_inventory(path: Path, found: Iterator[dict[str, Any]]) -> None:
    """Write machines as JSON Lines."""
    with path.open("w") as file:
        for machine in found:
            file.write(json.dumps(machine) + "\n")
