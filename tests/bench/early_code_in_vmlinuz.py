"""What a kernel's own symbols and its early code cost, which every vmlinuz is read for.

    python tests/bench/early_code_in_vmlinuz.py VMLINUZ...

The payload is unpacked once, and read from memory in turn with and without them, in one process:
unpacking takes seconds for xz, in which 50 ms would be lost. The bound is 50 ms of CPU.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Iterator
from unittest.mock import patch

from page import publish

from smecheck.evidence import Known, value_of
from smecheck.kernel.image import KernelImage
from smecheck.read.kernel import unpacked
from smecheck.read.kernel.kernel import read_kernel
from smecheck.read.kernel.payload import Payload

PAIRS, MILLISECONDS = 15, 50


def milliseconds(vmlinuz: str) -> float:
    before = time.process_time()
    read_kernel(vmlinuz)
    return (time.process_time() - before) * 1000


def row(vmlinuz: str) -> tuple[str, ...]:
    packed = []

    def at_hand(payload: Payload) -> Iterator[bytes]:
        if not packed:
            packed.extend(unpack(payload))
        return iter(packed)

    unpack = Payload.blocks
    nothing = patch.object(unpacked, "_read_only", lambda loads: ())
    with patch.object(Payload, "blocks", at_hand):
        image = read_kernel(vmlinuz)  # warm up, too
        pairs = []
        for _ in range(PAIRS):
            complete = milliseconds(vmlinuz)
            with nothing:
                pairs.append((complete, milliseconds(vmlinuz)))
    complete, without = (statistics.median(times) for times in zip(*pairs, strict=True))
    cost = statistics.median(one - other for one, other in pairs)
    return (
        value_of(image.release) or vmlinuz,
        found(image),
        f"{complete:.0f} ms",
        f"{without:.0f} ms",
        f"{cost:.0f} ms",
        "yes" if cost <= MILLISECONDS else "NO",
    )


def found(image: KernelImage) -> str:
    if isinstance(image.symbols_from, Known) and isinstance(image.early_code, Known):
        return "yes"
    return "NO"


def main() -> None:
    rows = [row(name) for name in sys.argv[1:]]
    publish(
        "early_code_in_vmlinuz",
        "Symbols and early code of a vmlinuz",
        "Reading a payload that is in memory already, with its kallsyms and its early code and "
        f"without. The bound\nof the difference is {MILLISECONDS} ms; the column is its median, "
        f"of {PAIRS} pairs.",
        ("kernel", "found", "with", "without", "difference", "kept"),
        rows,
    )
    sys.exit(any("NO" in cells for cells in rows))


if __name__ == "__main__":
    main()
