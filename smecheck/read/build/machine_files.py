"""The machines of a policy as questions, their files read once however many machines name them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import TypeVar

from smecheck.builds.gate_report import Unreadable
from smecheck.builds.policy import NamedFile, PolicyMachine
from smecheck.case import Case
from smecheck.errors import InputError, UsageError
from smecheck.kernel.image import KernelImage
from smecheck.load.request import Machine
from smecheck.machine.memory import CRASH_KERNEL, MemoryMap, Region, usable_ram
from smecheck.read.case import Inputs, LoadingSystem, case
from smecheck.read.source import Source
from smecheck.record import replace
from smecheck.span import Span

T = TypeVar("T")


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

    def case(self, image: KernelImage, machine: PolicyMachine) -> Case | Unreadable:
        """Read a machine as a question about a kernel; say why it cannot be asked if it cannot."""

        def remembering(name: str, read: Callable[..., T], source: Source, /, *about: object) -> T:
            return self._read(machine.files[name], read, source, *about)

        inputs = Inputs(**{name: file.path for name, file in machine.files.items()})
        loading = LoadingSystem(mem_min=machine.window.start, mem_max=machine.window.end - 1)
        try:
            question = case(image, inputs, machine.request, loading, reading=remembering)
        except _FileError as error:
            return error.unreadable
        except UsageError as error:
            return Unreadable(error.message, machine.where, error.help_text)
        finally:
            for file in machine.files.values():
                self._uses[file.path] -= 1
                if self._uses[file.path] <= 0:
                    self._known.pop(file.path, None)
        if machine.crash_region is None:
            return question
        return _with_crash_region(question, machine.crash_region, machine.where)

    def _read(self, file: NamedFile, read: Callable[..., T], source: Source, *about: object) -> T:
        of_file, key = self._known.setdefault(file.path, {}), (read, *about)
        if key not in of_file:
            try:
                of_file[key] = read(source, *about)
            except InputError as error:
                of_file[key] = error
        known = of_file[key]
        if isinstance(known, InputError):
            raise _FileError(unreadable(file, known))
        result: T = known  # type: ignore[assignment] # kept under the function that made it
        return result


class _FileError(Exception):
    """A file cannot be read."""

    def __init__(self, unreadable: Unreadable) -> None:
        super().__init__(unreadable.message)
        self.unreadable = unreadable


def unreadable(file: NamedFile, error: InputError) -> Unreadable:
    """Say at which place of the policy a file is named, and why it cannot be read."""
    message = error.message.split("\n")[0]
    return Unreadable(f"{error.where or file.path}: {message}", file.where, error.help_text)


def _with_crash_region(question: Case, span: Span, where: str) -> Case:
    """Put the crash reservation where the policy says, whatever the files say."""
    machine, memory = question.machine or Machine(), question.memory
    host = machine.host
    if memory is None or host.crash_kernel is not None:
        host = replace(host, source=host.source or where, crash_kernel=span)
        question = replace(question, machine=replace(machine, host=host))
    if memory is None:
        return question
    return replace(question, memory=_reserving(memory, span))


def _reserving(memory: MemoryMap, span: Span) -> MemoryMap:
    kept = [region for region in memory.regions if region.name != CRASH_KERNEL]
    depth = 1 + max((r.depth for r in kept if _holds(r, span)), default=-1)
    reservation = Region(CRASH_KERNEL, span, depth, 0)
    regions = sorted([*kept, reservation], key=lambda r: (r.span.start, r.depth))
    return replace(memory, regions=tuple(regions), system_ram=usable_ram(regions))


def _holds(region: Region, span: Span) -> bool:
    return region.span.start <= span.start and span.end <= region.span.end
