"""Reading a kernel log: what it says of memory, of the crash reservation, and of its kernel.

Whatever stands before a message does not matter, as long as it is the kernel's: every tool writes
its own time stamps there. Logs of any length are read line by line; a sieve passes over the lines
that say nothing of interest.
"""

from __future__ import annotations

from smecheck.errors import WrongKind
from smecheck.machine.kernel_log import KernelLog
from smecheck.read.kinds import KERNEL_LOG, XEN_LOG, kind_of_sample
from smecheck.read.lines.known_lines import KnownLines
from smecheck.read.lines.log_lines import opened
from smecheck.read.lines.messages import log_messages
from smecheck.read.log import dmesg_boot
from smecheck.read.log.dmesg_boot import BootReader
from smecheck.read.source import Source
from smecheck.record import replace

_KNOWN = KnownLines(dmesg_boot.LINES)


def read_dmesg(source: Source) -> KernelLog:
    """Read a kernel log.

    Raises:
        UnreadableInput: it cannot be read.
        WrongKind: it holds nothing that a kernel log says of memory or of its kernel.
        MalformedInput: a line of the memory map is cut off.
    """
    with opened(source) as text:
        reader = BootReader(text.name)
        for message in log_messages(text, _KNOWN, lambda: reader.wants_next):
            reader.feed(message)
        log = reader.finish()
        if log is None:
            raise _no_log(text.name, text.head)
        return replace(log, remarks=(*text.remarks, *log.remarks))


def _no_log(name: str, sample: bytes) -> WrongKind:
    kind = kind_of_sample(sample)
    holding = "a memory map, a command line, or a crashkernel reservation"
    what = "is not a kernel log" if kind is None else f"is {kind.description}, not a kernel log"
    text = f"{what} with {holding}"
    if kind is KERNEL_LOG:
        text = f"is a kernel log that does not hold {holding}"
    if kind is XEN_LOG:
        return WrongKind(
            f"is {kind.description}, which says nothing about the kernel that was loaded "
            "or that loads",
            where=name,
            help_text="give the kernel log of the domain (sudo dmesg), or /proc/iomem (--iomem)",
        )
    return WrongKind(
        text,
        where=name,
        help_text="capture all of it: sudo dmesg, or sudo journalctl -k -b where the ring buffer "
        "has wrapped",
    )
