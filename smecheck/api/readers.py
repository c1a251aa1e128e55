"""The readers of single inputs, for Python; and what may stand for an input."""

from __future__ import annotations

import io
import os
from enum import Enum
from typing import IO, TYPE_CHECKING, Any, TypeAlias, TypeVar

from smecheck.errors import UsageError
from smecheck.load.segments import Mode
from smecheck.read.source import NamedStream, Source

if TYPE_CHECKING:
    from smecheck.kernel.image import KernelImage
    from smecheck.load.segments import SegmentList
    from smecheck.machine.firmware import FirmwareMap
    from smecheck.machine.host import Host
    from smecheck.machine.kernel_log import KernelLog
    from smecheck.machine.memory import MemoryMap

E = TypeVar("E", bound=Enum)
File: TypeAlias = "str | os.PathLike[str] | IO[bytes] | IO[str]"
"""A path, or a file that is open for reading."""


def read_kernel(kernel: File) -> KernelImage:
    """Read a kernel: a vmlinuz, a vmlinux, a list of symbols or a description."""
    from smecheck.read.kernel.kernel import read_kernel as read

    return read(_source(kernel, "kernel"))


def read_iomem(iomem: File) -> MemoryMap:
    """Read a dump of /proc/iomem."""
    from smecheck.read.machine.iomem import read_iomem as read

    return read(_source(iomem, "iomem"))


def read_memmap(memmap: File) -> FirmwareMap:
    """Read the firmware's map: a listing of /sys/firmware/memmap, or a kernel log."""
    from smecheck.read.machine.memmap import read_memmap as read

    return read(_source(memmap, "memmap"))


def read_log(dmesg: File) -> KernelLog:
    """Read a kernel log."""
    from smecheck.read.log.dmesg import read_dmesg

    return read_dmesg(_source(dmesg, "dmesg"))


def read_segments(segments: File, *, mode: Mode | str | None = None) -> SegmentList:
    """Read the segments of a load: output of ``kexec -d``, a kernel log, or a description."""
    from smecheck.read.load.segments import read_segments as read

    return read(_source(segments, "segments"), mode=chosen(Mode, mode))


def read_host(host: File) -> Host:
    """Read the description of a system that loads, ``smecheck/host-v1``."""
    from smecheck.read.machine.host_description import read_host as read

    return read(_source(host, "host"))


def parse_iomem(text: str, name: str = "iomem") -> MemoryMap:
    """Read the text of a dump of /proc/iomem; ``name`` is what errors call it."""
    return read_iomem(_Named(text, name))


def parse_log(text: str, name: str = "dmesg") -> KernelLog:
    """Read the text of a kernel log."""
    return read_log(_Named(text, name))


def parse_segments(text: str, name: str = "segments") -> SegmentList:
    """Read the text of a load's segments."""
    return read_segments(_Named(text, name))


class _Named(io.StringIO):
    """A text with a name, as a file has one."""

    def __init__(self, text: str, name: str) -> None:
        super().__init__(text)
        self.name = name


def given(given: Any, name: str) -> Any:
    """Return where an input is read from; what was read already stays what it is."""
    return _source(given, name) if _is_file(given) else given


def _is_file(given: Any) -> bool:
    return isinstance(given, str | os.PathLike | io.IOBase) or hasattr(given, "read")


def _source(file: File, name: str) -> Source:
    if isinstance(file, str | os.PathLike):
        return os.fspath(file)
    content = file.read()
    data = content.encode() if isinstance(content, str) else content
    called = getattr(file, "name", name)
    return NamedStream.of(called if isinstance(called, str) else name, data)


def chosen(kind: type[E], value: E | str | None) -> E | None:
    """Return the member of an enum that a word names."""
    if value is None or isinstance(value, kind):
        return value
    try:
        return kind(value)
    except ValueError:
        known = ", ".join(str(member.value) for member in kind)
        raise UsageError(
            f"{value!r} is not a {kind.__name__}", help_text=f"choose one of {known}"
        ) from None
