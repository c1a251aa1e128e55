"""smecheck on vmlinuz files, against the command that unpacks the same payload to nowhere.

    python tests/bench/vmlinuz_against_decompressors.py VMLINUZ...

The bound is 1.25 times the command's CPU time and 0.25 s; peak memory 64 MiB, or, of zstd with its
window of 128 MiB, the payload's output_len and 32 MiB.
"""

from __future__ import annotations

import shlex
import struct
import sys
import tempfile
from pathlib import Path

from measuring import compared, installed, peak_mib
from page import publish

TOOLS = {b"\xfd7zXZ": "xz", b"\x28\xb5\x2f\xfd": "zstd", b"\x02\x21\x4c\x18": "lz4"}
TOOLS |= {b"\x1f\x8b": "gzip", b"BZh": "bzip2"}
FACTOR, SECONDS = 1.25, 0.25
LEAST_MIB, BESIDE_ZSTD_MIB = 64, 32


def payload_of(vmlinuz: Path) -> tuple[bytes, int]:
    """Return the packed payload without the output length behind it, and that length."""
    data = vmlinuz.read_bytes()
    offset, length = struct.unpack_from("<II", data, 0x248)
    start = ((data[0x1F1] or 4) + 1) * 512 + offset
    packed = data[start : start + length]
    return packed[:-4], int.from_bytes(packed[-4:], "little")


def row(smecheck: str, vmlinuz: Path, folder: Path) -> tuple[str, ...]:
    packed, output_len = payload_of(vmlinuz)
    tool = next(tool for magic, tool in TOOLS.items() if packed.startswith(magic))
    if tool == "gzip":
        packed += struct.pack("<I", output_len)
    file = folder / "payload"
    file.write_bytes(packed)
    analyze = [smecheck, "analyze", str(vmlinuz), "--format", "plain"]
    times = compared(analyze, f"{tool} -dc < {shlex.quote(str(file))} > /dev/null")
    peak, size = peak_mib(analyze), output_len / (1 << 20)
    bound = times.theirs * FACTOR + SECONDS
    most = size + BESIDE_ZSTD_MIB if tool == "zstd" else LEAST_MIB
    kept = "yes" if times.ours <= bound and peak <= most else "NO"
    memory = f"{peak:.0f} of {most:.0f} MiB"
    return (vmlinuz.name, f"`{tool} -dc`", *times.cells(), f"{bound * 1000:.0f} ms", memory, kept)


def main() -> None:
    with installed() as smecheck, tempfile.TemporaryDirectory() as folder:
        rows = [row(smecheck, Path(name), Path(folder)) for name in sys.argv[1:]]
    publish(
        Path(__file__).stem,
        "A vmlinuz, against the program that unpacks its payload",
        "The whole of `smecheck analyze`, against unpacking alone, to /dev/null. The bound is "
        f"{FACTOR} times that and {SECONDS} s;\nof memory, {LEAST_MIB} MiB, or for zstd, whose "
        f"window is 128 MiB, output_len and {BESIDE_ZSTD_MIB} MiB.",
        ("kernel", "against", "smecheck", "the other", "ratio of CPU", "bound", "peak", "kept"),
        rows,
    )


if __name__ == "__main__":
    main()
