"""The files of a policy's machines, each read once however many machines name it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import TypeVar

from smecheck.builds.gate_report import Unreadable
from smecheck.builds.policy import NamedFile, PolicyMachine
from smecheck.errors import InputError
from smecheck.load.contradiction import loader_asked, mode_asked
from smecheck.load.request import Machine
from smecheck.load.segments import Loader, Mode, SegmentList
from smecheck.machine.firmware import FirmwareMap
from smecheck.machine.host import Host
from smecheck.machine.kernel_log import KernelLog
from smecheck.machine.memory import CRASH_KERNEL, MemoryMap, Region, usable_ram
from smecheck.record import record, replace
from smecheck.span import Span

T = TypeVar("T")


@record
class MachineFacts:
    """What the files of a machine say."""

    host: Host | None
    segments: SegmentList | None
    memory: MemoryMap | None
    firmware: FirmwareMap | None
    log: KernelLog | None


class MachineFiles:
    """Reads the files of machines, and remembers what it has read while others need it."""

    def __init__(self, machines: Iterable[PolicyMachine]) -> None:
        self._known: dict[str, dict[tuple[object, ...], object]] = {}
        """By the names of the files: what was read, by what reads it."""
        paths = (file.path for machine in machines for file in machine.files.values())
        self._uses = Counter(paths)
        """How often each file is still needed."""

    @property
    def kept(self) -> tuple[str, ...]:
        """The files of which something is remembered."""
        return tuple(self._known)

    def of(self, machine: PolicyMachine) -> MachineFacts | Unreadable:
        """Read the files of a machine; say why it cannot be asked if one cannot be read."""
        try:
            return self._facts(machine)
        except _FileError as error:
            return error.unreadable
        finally:
            for file in machine.files.values():
                self._uses[file.path] -= 1
                if self._uses[file.path] <= 0:
                    self._known.pop(file.path, None)

    def _facts(self, machine: PolicyMachine) -> MachineFacts:
        files, request = machine.files, machine.request
        host = self._read(files.get("host"), _host)
        memory = self._read(files.get("iomem"), _iomem)
        firmware = self._read(files.get("memmap"), _memmap)
        log = self._read(files.get("dmesg"), _dmesg)
        asking = Machine(host=host) if host is not None else None
        loader, mode = loader_asked(request, asking), mode_asked(request, asking)
        segments = self._read(files.get("segments"), _segments, mode)
        # The loads of a log are for other boots than the first.
        if log is not None and not request.is_first_boot:
            log, segments = self._needed(files["dmesg"], _with_load, segments, loader, mode)
        if machine.crash_region is not None:
            memory, host = _with_crash_region(machine, memory, host)
        return MachineFacts(host, segments, memory, firmware, log)

    def _read(self, file: NamedFile | None, read: Callable[..., T], *asked: object) -> T | None:
        return None if file is None else self._needed(file, read, *asked)

    def _needed(self, file: NamedFile, read: Callable[..., T], *asked: object) -> T:
        of_file, key = self._known.setdefault(file.path, {}), (read, *asked)
        if key not in of_file:
            try:
                of_file[key] = read(file.path, *asked)
            except InputError as error:
                of_file[key] = error
        known = of_file[key]
        if isinstance(known, InputError):
            raise _FileError(unreadable(file, known))
        result: T = known  # type: ignore[assignment] # kept under the function that made it
        return result


# Each imports its reader itself: a policy of memory maps does not pay for those of logs.


def _host(path: str) -> Host:
    from smecheck.read.machine.host_description import read_host

    return read_host(path)


def _iomem(path: str) -> MemoryMap:
    from smecheck.read.machine.iomem import read_iomem

    return read_iomem(path)


def _memmap(path: str) -> FirmwareMap:
    from smecheck.read.machine.memmap import read_memmap

    return read_memmap(path)


def _dmesg(path: str) -> KernelLog:
    from smecheck.read.log.dmesg import read_dmesg

    return read_dmesg(path)


def _segments(path: str, mode: Mode | None) -> SegmentList:
    from smecheck.read.load.segments import read_segments

    return read_segments(path, mode=mode)


def _with_load(
    path: str, given: SegmentList | None, loader: Loader | None, mode: Mode | None
) -> tuple[KernelLog, SegmentList | None]:
    from smecheck.read.load.log_segments import with_load

    return with_load(path, _dmesg(path), given, loader, mode)


class _FileError(Exception):
    """A file cannot be read."""

    def __init__(self, unreadable: Unreadable) -> None:
        super().__init__(unreadable.message)
        self.unreadable = unreadable


def unreadable(file: NamedFile, error: InputError) -> Unreadable:
    """Say at which place of the policy a file is named, and why it cannot be read."""
    message = error.message.split("\n")[0]
    return Unreadable(f"{error.where or file.path}: {message}", file.where, error.help_text)


def _with_crash_region(
    machine: PolicyMachine, memory: MemoryMap | None, host: Host | None
) -> tuple[MemoryMap | None, Host | None]:
    """Put the crash reservation where the policy says, whatever the files say."""
    span = machine.crash_region
    if span is None:
        return memory, host
    if memory is None:
        return None, replace(host or Host(source=machine.where), crash_kernel=span)
    kept = [region for region in memory.regions if region.name != CRASH_KERNEL]
    depth = 1 + max((r.depth for r in kept if _holds(r, span)), default=-1)
    reservation = Region(CRASH_KERNEL, span, depth, 0)
    regions = sorted([*kept, reservation], key=lambda r: (r.span.start, r.depth))
    return replace(memory, regions=tuple(regions), system_ram=usable_ram(regions)), host


def _holds(region: Region, span: Span) -> bool:
    return region.span.start <= span.start and span.end <= region.span.end
