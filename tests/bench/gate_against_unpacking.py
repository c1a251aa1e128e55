"""CPU time of the gate with a policy of fifty machines, as a ratio to unpacking the same vmlinuz.

    python tests/bench/gate_against_unpacking.py VMLINUZ

Runs ``smecheck gate VMLINUZ --policy …`` (plain format; fifty machines whose loads are predicted)
and, in turn, two ways of unpacking VMLINUZ once: a Python that reads it and does nothing else, and
the decompressor alone, on its payload. Prints the medians of the paired ratios; measures, does not
judge.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from vmlinux_against_readelf import median_ratio

SAMPLES = Path(__file__).parents[2] / "samples" / "dead-kdump"
MACHINES = 50
DECOMPRESSORS = {
    b"\x1f\x8b": "gzip -dc",
    b"BZh": "bzip2 -dc",
    b"\xfd7zXZ": "xz -dc --single-stream",
    b"\x28\xb5\x2f\xfd": "zstd -dc",
    b"\x02!L\x18": "lz4 -dc",
}


def policy() -> str:
    lines = ["schema: smecheck/policy-v1", "machines:"]
    for number in range(MACHINES):
        lines += [
            f"  - name: machine-{number}",
            f"    iomem: {SAMPLES / 'iomem.txt'}",
            f"    host: {SAMPLES / 'host.yaml'}",
            f"    mode: {('load', 'crash')[number % 2]}",
            f"    loader: {('kexec_load', 'kexec_file_load')[number // 2 % 2]}",
            f"    initrd: {20 + number}M",
            "    cmdline: console=ttyS0 mem_encrypt=on",
        ]
    return "\n".join([*lines, ""])


def payload(vmlinuz: Path) -> tuple[bytes, str]:
    """Return the compressed payload, and the command that unpacks it from standard input."""
    data = vmlinuz.read_bytes()
    setup = (data[0x1F1] + 1) * 512
    offset = setup + int.from_bytes(data[0x248:0x24C], "little")
    # The last four bytes are the unpacked size.
    packed = data[offset : offset + int.from_bytes(data[0x24C:0x250], "little") - 4]
    tool = next(tool for magic, tool in DECOMPRESSORS.items() if packed.startswith(magic))
    return packed, tool


def main() -> None:
    vmlinuz = Path(sys.argv[1])
    smecheck = str(Path(sys.executable).with_name("smecheck"))
    with tempfile.TemporaryDirectory() as folder:
        rules, packed = Path(folder, "policy.yaml"), Path(folder, "payload")
        rules.write_text(policy())
        data, tool = payload(vmlinuz)
        packed.write_bytes(data)
        gate = [smecheck, "gate", str(vmlinuz), "--policy", str(rules), "--format", "plain"]
        status = subprocess.run(gate, stdout=subprocess.DEVNULL, check=False).returncode
        print(f"gate with {MACHINES} machines: exit {status}")
        script = "import sys; from smecheck.inputs.kernel import read_kernel as r; r(sys.argv[1])"
        read = [sys.executable, "-c", script, str(vmlinuz)]
        print("gate / reading it in Python:", median_ratio(gate, read))
        print(f"gate / {tool}:", median_ratio(gate, f"{tool} <'{packed}'"))


if __name__ == "__main__":
    main()
