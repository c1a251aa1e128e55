"""Whether a kernel log is that of the boot asked about, and what it says of that boot then."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smecheck.asked import Path
from smecheck.evidence import Fact, Known, Unknown, value_of
from smecheck.kernel.cmdline import values

if TYPE_CHECKING:
    from collections.abc import Iterator

    from smecheck.case import Identified
    from smecheck.kernel.image import KernelImage
    from smecheck.machine.kernel_log import Encryption, KernelLog

_NOT_MOVED = ("KASLR disabled:", "Physical KASLR disabled:")
"""choose_random_location(), arch/x86/boot/compressed/kaslr.c: the kernel stays where it is loaded.
"Virtual KASLR disabled" is about virtual addresses alone."""


def said_of_kaslr(log: KernelLog, path: Path) -> Known[bool] | None:
    """Return what the decompressor of the boot said of KASLR; ``None`` if it said nothing.

    A boot that was loaded is the one after the log's last boot, if that came to its decompressor.
    """
    console = log.unfinished if path.by_kexec else log.boot.decompressor
    for line in console.kaslr if console is not None else ():
        if line.text.startswith(_NOT_MOVED):
            return Known(False, f"{line.where}: {line.text}")
    return None


def running_cmdline(log: KernelLog, image: KernelImage) -> Fact[str]:
    """Return the command line of the running kernel, if that is the kernel in hand."""
    other = another_kernel(log, image)
    if other is not None:
        return Unknown(f"another kernel wrote {log.source}: {other.value}")
    return log.boot.cmdline


def running_cmdlines(found: Identified) -> Iterator[Known[str]]:
    """Yield what the log and the host say that the running kernel was given, each once."""
    log, host = found.log, found.host
    logged = log.boot.cmdline if log is not None else None
    if isinstance(logged, Known):
        yield logged
    current = host.cmdline if host is not None else None
    if isinstance(current, Known) and (logged is None or value_of(logged) != current.value):
        yield current


def another_kernel(log: KernelLog, image: KernelImage) -> Known[str] | None:
    """Return the release of the kernel that wrote the log, if it is not that of ``image``."""
    logged, own = log.boot.release, image.release
    if isinstance(logged, Known) and isinstance(own, Known) and logged.value != own.value:
        return logged
    return None


def sme_of_this_release(log: KernelLog, image: KernelImage) -> Encryption | None:
    """Return the line in which a kernel of the release of ``image`` says that SME is active."""
    own, logged = image.release, log.boot.release
    if isinstance(own, Unknown) or isinstance(logged, Unknown) or own.value != logged.value:
        return None
    return next((one for one in log.boot.encryption_lists if "SME" in one.features), None)


def is_of_boot(log: KernelLog, path: Path, image: KernelImage) -> bool:
    """Return whether the log is that of the boot asked about, not of a kernel before it.

    A crash kernel is known by elfcorehdr= on its command line.
    """
    if another_kernel(log, image) is not None:
        return False
    cmdline = log.boot.cmdline
    is_crash = isinstance(cmdline, Known) and bool(values(cmdline.value, "elfcorehdr"))
    return is_crash if path.is_crash else not path.by_kexec and not is_crash


def log_is_of_this_boot(found: Identified, path: Path) -> bool:
    """Return whether the log is that of the boot asked about, started as is asked.

    What is predicted, or asked about with another command line, was not booted.
    """
    log, segments = found.log, found.segments
    is_another = found.asked.cmdline is not None or (segments is not None and segments.predicted)
    return log is not None and not is_another and is_of_boot(log, path, found.image)
