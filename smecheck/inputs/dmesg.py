"""Reading a kernel log: what it says of memory, of the crash reservation, and of its kernel.

Whatever stands before a message does not matter: every tool writes its own time stamps there. Logs
of any length are read line by line; a sieve passes over the lines that say nothing of interest.
"""

from __future__ import annotations

import re

from smecheck.errors import WrongKind
from smecheck.inputs.dmesg_boot import BootReader
from smecheck.inputs.log_lines import MESSAGE_LIMIT, line_text, log_lines
from smecheck.inputs.source import display_name
from smecheck.inputs.text_kind import KERNEL_LOG, kind_of_text
from smecheck.model.kernel_log import KernelLog

RELEVANT = re.compile(
    rb"e820|\[mem 0x|physical RAM map|efi: |esrt: |crashkernel|Linux version|ommand line: "
    rb"|RAMDISK: |nr_cpu_ids|Allowing |Encrypt|KASLR disabled|input_|output|kernel_total_size"
    rb"|needed_size|Decompressing|Booting the kernel|smp: Brought up|Freeing unused|as init process"
    rb"|Hypervisor detected: "
)
"""What a line must hold for :class:`BootReader` to know it."""

_SAMPLE_SIZE = 16 << 10


def read_dmesg(path: str) -> KernelLog:
    """Read a kernel log from a file, or from standard input for ``-``.

    Raises:
        UnreadableInput: it cannot be read.
        WrongKind: it holds nothing that a kernel log says of memory or of its kernel.
        MalformedInput: a line of the memory map is cut off.
    """
    name = display_name(path)
    reader, sample = BootReader(name), b""
    for number, line in log_lines(path):
        if len(sample) < _SAMPLE_SIZE:
            sample += line + b"\n"
        if reader.wants_next or RELEVANT.search(line):
            reader.feed(number, line_text(line[:MESSAGE_LIMIT]))
    log = reader.finish()
    if log is None:
        raise _no_log(name, sample)
    return log


def description_of(sample: bytes) -> str | None:
    """Say what a text is that begins with ``sample`` and is not what was asked for."""
    if b"\0" in sample:
        return "a binary file (compressed?)"
    kind = kind_of_text(sample.decode("utf-8", "replace"))
    return kind.description if kind is not None else None


def _no_log(name: str, sample: bytes) -> WrongKind:
    description = description_of(sample)
    holding = "a memory map, a command line, or a crashkernel reservation"
    what = f"is {description}, not a kernel log" if description else "is no kernel log"
    text = f"{what} with {holding}"
    if description == KERNEL_LOG:
        text = f"is a kernel log that does not hold {holding}"
    return WrongKind(
        text,
        where=name,
        help_text="capture all of it: sudo dmesg, or sudo journalctl -k -b where the ring buffer "
        "has wrapped",
    )
