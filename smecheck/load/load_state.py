"""A kexec_load in the making: what its steps share."""

from __future__ import annotations

from smecheck.load.assumptions import Assumptions
from smecheck.load.crash_map import UsableMap
from smecheck.load.kexec_buffers import KexecBuffers, LoadRefused
from smecheck.load.kexec_options import KexecOptions
from smecheck.load.request import LoadRequest, Refusal
from smecheck.load.versions import Version
from smecheck.machine.memory import MemoryMap
from smecheck.record import record
from smecheck.span import Span

COMMAND_LINE_SIZE = 2048
"""kexec-tools, include/x86/x86-linux.h."""


@record
class LoadState:
    """What is known of the load, and the segments so far."""

    request: LoadRequest
    tools: Version
    options: KexecOptions
    assumptions: Assumptions
    buffers: KexecBuffers
    iomem: MemoryMap | None
    """/proc/iomem, or what stands in for it; there for every crash kernel."""
    reserved: tuple[Span, ...]
    """The reservations for a crash kernel."""
    efi_entries: int
    """Entries of the EFI runtime map, where it is handed over."""
    usable: UsableMap
    """What a crash kernel may run in."""

    @property
    def is_crash(self) -> bool:
        """Whether a crash kernel is loaded."""
        return self.request.mode.is_crash


def cmdline_bytes(cmdline: str) -> int:
    """Return the length of a command line with the NUL that ends it."""
    return len(cmdline.encode(errors="surrogateescape")) + 1


def with_word(cmdline: str, word: str) -> str:
    """Return the command line with one more word.

    Raises:
        LoadRefused: it becomes too long for kexec-tools.
    """
    longer = f"{cmdline} {word}"
    if cmdline_bytes(longer) > COMMAND_LINE_SIZE:
        raise LoadRefused(Refusal("Command line overflow"))
    return longer
