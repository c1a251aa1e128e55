"""smecheck on a debug vmlinux, against what people use to find one symbol in it.

    python tests/bench/vmlinux_against_symbol_tools.py VMLINUX

``smecheck analyze`` in plain format, against ``readelf -sW | grep``, ``nm | grep`` and pyelftools'
own lookup, which takes minutes: one pair of that.
"""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

from measuring import compared, installed, peak_mib
from page import publish

LOOKUP = """
import sys
from elftools.elf.elffile import ELFFile
symbols = ELFFile(open(sys.argv[1], "rb")).get_section_by_name(".symtab")
print(symbols.get_symbol_by_name("_end"))
"""


def main() -> None:
    vmlinux = Path(sys.argv[1])
    quoted = shlex.quote(str(vmlinux))
    with installed() as smecheck:
        analyze = [smecheck, "analyze", str(vmlinux), "--format", "plain"]
        python = str(Path(smecheck).with_name("python"))
        rows = [
            ("`readelf -sW`, `grep -w _end`", f"readelf -sW {quoted} | grep -w _end", 11),
            ("`nm`, `grep -w _end`", f"nm {quoted} | grep -w _end", 11),
            ("pyelftools, `get_symbol_by_name`", [python, "-c", LOOKUP, str(vmlinux)], 1),
        ]
        cells = [(name, *compared(analyze, other, pairs).cells()) for name, other, pairs in rows]
        start = compared([smecheck, "--version"], [python, "-c", "pass"])
        peak = peak_mib(analyze)
    publish(
        Path(__file__).stem,
        "A debug vmlinux, against tools that find a symbol",
        f"`smecheck analyze` on `{vmlinux.name}`, {vmlinux.stat().st_size >> 20} MiB. "
        f"Its peak memory: {peak:.1f} MiB.",
        ("against", "smecheck", "the other", "ratio of CPU"),
        [*cells, ("`smecheck --version`, against `python -c pass`", *start.cells())],
    )


if __name__ == "__main__":
    main()
