"""The gate with a policy of fifty machines, against unpacking the same vmlinuz once.

    python tests/bench/gate_against_unpacking.py VMLINUZ...

The bound is twice the CPU time of unpacking. What "unpacking" takes is told twice: by the
decompressor alone, and by a Python that reads the vmlinuz and does nothing else, as the gate must
before it can ask anything.
"""

from __future__ import annotations

import shlex
import struct
import sys
import tempfile
from pathlib import Path

from measuring import ROOT, compared, installed
from page import publish
from vmlinuz_against_decompressors import TOOLS, payload_of

MACHINES, FACTOR = 50, 2
SAMPLE = ROOT / "samples" / "dead-kdump"
_READ = "import sys; from smecheck.read.kernel.kernel import read_kernel; read_kernel(sys.argv[1])"


def policy() -> str:
    lines = ["schema: smecheck/policy-v1", "machines:"]
    for number in range(MACHINES):
        lines += [
            f"  - name: machine-{number}",
            f"    iomem: {SAMPLE / 'iomem.txt'}",
            f"    host: {SAMPLE / 'host.yaml'}",
            f"    mode: {('load', 'crash')[number % 2]}",
            f"    loader: {('kexec_load', 'kexec_file_load')[number // 2 % 2]}",
            f"    initrd: {20 + number}M",
            "    cmdline: console=ttyS0 mem_encrypt=on",
        ]
    return "\n".join([*lines, ""])


def row(smecheck: str, vmlinuz: Path, folder: Path) -> tuple[str, ...]:
    packed, output_len = payload_of(vmlinuz)
    tool = next(tool for magic, tool in TOOLS.items() if packed.startswith(magic))
    if tool == "gzip":
        packed += struct.pack("<I", output_len)
    file = folder / "payload"
    file.write_bytes(packed)
    rules = folder / "policy.yaml"
    rules.write_text(policy())
    gate = [smecheck, "gate", str(vmlinuz), "--policy", str(rules), "--format", "plain"]
    alone = compared(gate, f"{tool} -dc < {shlex.quote(str(file))} > /dev/null")
    python = str(Path(smecheck).with_name("python"))
    reading = compared(gate, [python, "-c", _READ, str(vmlinuz)])
    kept = ("yes" if times.ratio < FACTOR else "NO" for times in (alone, reading))
    _, theirs, ratio = reading.cells()
    return (vmlinuz.name, f"`{tool} -dc`", *alone.cells(), next(kept), theirs, ratio, next(kept))


def main() -> None:
    with installed() as smecheck, tempfile.TemporaryDirectory() as folder:
        rows = [row(smecheck, Path(name), Path(folder)) for name in sys.argv[1:]]
    publish(
        Path(__file__).stem,
        f"The gate with {MACHINES} machines, against unpacking the vmlinuz once",
        f"`smecheck gate` with a policy of {MACHINES} machines, whose loads are predicted. The "
        f"bound is {FACTOR} times the decompressor alone,\nor a Python that reads the vmlinuz and "
        "no more; where unpacking is quick, Python's own start is most of it.",
        (
            *("kernel", "against", "gate", "the other", "ratio of CPU", "kept"),
            *("reading it", "ratio of CPU", "kept"),
        ),
        rows,
    )


if __name__ == "__main__":
    main()
