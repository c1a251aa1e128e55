"""The one way in: everything that is read for one question, for whoever asks it.

The command line, triage and Python callers name inputs and say of the boot what they know. An input
is a path, a stream with a name, or the noun that it would be read into. Who asks many questions may
remember what was read: everything is read through one function, which is given.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeAlias, TypeVar

from smecheck.asked import BootRequest, Paging
from smecheck.case import Case
from smecheck.errors import UsageError
from smecheck.evidence import Known
from smecheck.kernel.constants import MAX_PHYSICAL_ADDRESS, PMD_SIZE
from smecheck.read.source import STDIN, NamedStream, Source, held
from smecheck.record import record, replace

if TYPE_CHECKING:
    from collections.abc import Callable

    from smecheck.boot.early_boot import EarlyBoot
    from smecheck.kernel.image import KernelImage
    from smecheck.load.request import Machine
    from smecheck.load.segments import SegmentList
    from smecheck.machine.firmware import FirmwareMap
    from smecheck.machine.host import Host
    from smecheck.machine.kernel_log import KernelLog
    from smecheck.machine.memory import MemoryMap
    from smecheck.span import Span

T = TypeVar("T")
Given: TypeAlias = Source | T | None
"""An input: where it is read from, the noun itself, or nothing."""


@record
class Inputs:
    """What there is to read beside the kernel; each may be left out."""

    bzimage: str | None = None
    symbols: str | None = None
    config: str | None = None
    """Files of the same build, for what the kernel lacks."""
    iomem: Given[MemoryMap] = None
    memmap: Given[FirmwareMap] = None
    dmesg: Given[KernelLog] = None
    segments: Given[SegmentList] = None
    host: Given[Host] = None
    crash_cma: Source | None = None
    boot_params: Source | None = None
    srat: str | None = None
    boot: Given[EarlyBoot] = None


@record
class LoadingSystem:
    """What is said of the system that loads, beside its description."""

    kexec_tools: str | None = None
    running_kernel: str | None = None
    cpus: int | None = None
    mem_min: int | None = None
    mem_max: int | None = None
    """The last address, as kexec takes it."""

    def completed(self, *, by: LoadingSystem) -> LoadingSystem:
        """Return it with what it leaves open as another one says it."""
        left_open = (name for name in SHORT_CUTS if getattr(self, name) is None)
        return replace(self, **{name: getattr(by, name) for name in left_open})


NO_INPUTS, NOTHING_ASKED, NOTHING_SAID = Inputs(), BootRequest(), LoadingSystem()

_LOG_IN_FIFO = 64 << 20
"""Bytes of a log in a FIFO, which is kept; a file is read as it goes by, whatever its length."""

_CPUS = "give the number of possible CPUs: /sys/devices/system/cpu/possible"

FILES: tuple[str, ...] = Inputs.__match_args__
"""The names of the inputs, in order."""
SHORT_CUTS: tuple[str, ...] = LoadingSystem.__match_args__
"""The names of what is said of the system that loads, in order."""


class Reading(Protocol):
    """How an input is read: at once, or by somebody who remembers what was read before."""

    def __call__(self, name: str, read: Callable[..., T], source: Source, /, *about: object) -> T:
        """Return what ``read(source, *about)`` returns.

        Args:
            name: of the input: ``iomem``.
            read: its reader, which depends on its arguments alone.
            source: what is read.
            about: what else the reader is given.
        """
        ...


def _at_once(_name: str, read: Callable[..., T], source: Source, /, *about: object) -> T:
    return read(source, *about)


def case(
    kernel: Source | KernelImage,
    inputs: Inputs = NO_INPUTS,
    asked: BootRequest = NOTHING_ASKED,
    loading: LoadingSystem = NOTHING_SAID,
    *,
    cross_check: bool = False,
    reading: Reading = _at_once,
) -> Case:
    """Read everything for one question.

    Args:
        kernel: a vmlinuz, a vmlinux, a list of symbols, a description, or what was read of one.
        inputs: what there is beside it.
        asked: what is said of the boot.
        loading: what is said of the system that loads.
        cross_check: whether a recorded load is to be held against the prediction of it.
        reading: how each of the inputs is read.

    Raises:
        UsageError: what is said cannot all be meant.
        InputError: an input cannot be read or understood.
    """
    _refuse_impossible_address(asked.load_address)
    machine = _machine(inputs, loading, reading)
    _refuse_contradiction(asked, machine, None)
    image = _image(kernel, inputs)
    _refuse_other_paging(asked.paging, image)
    log, segments = _log_and_segments(inputs, asked, machine, reading)
    _refuse_contradiction(asked, machine, segments)
    memory = _read(inputs.iomem, "iomem", _iomem, reading)
    _refuse_other_reservation(machine, memory, log)
    if cross_check and segments is None:
        raise UsageError(
            "--cross-check compares a recorded load with the prediction, but no load is given",
            help_text="give one with --segments, or with a kernel log (--dmesg) that holds it",
        )
    return Case(
        image=image,
        asked=asked,
        segments=segments,
        memory=memory,
        firmware=_read(inputs.memmap, "memmap", _memmap, reading),
        log=log,
        machine=machine,
        cross_check=cross_check,
        early=_early(inputs, asked, reading),
    )


def of_other_kernel(question: Case, image: KernelImage) -> Case:
    """Return the question about another kernel, of which all else was read already.

    Raises:
        UsageError: the levels of page tables that are asked for are none of that kernel's.
    """
    _refuse_other_paging(question.asked.paging, image)
    return replace(question, image=image)


def _read(given: Given[T], name: str, read: Callable[[Source], T], reading: Reading) -> T | None:
    return reading(name, read, given) if isinstance(given, str | NamedStream) else given


def _image(kernel: Source | KernelImage, inputs: Inputs) -> KernelImage:
    from smecheck.read.kernel.complements import Complements, read_complemented

    complements = Complements(inputs.bzimage, inputs.symbols, inputs.config)
    others = [getattr(inputs, name) for name in FILES]
    if [kernel, *others].count(STDIN) > 1:
        raise UsageError(
            "standard input can be only one of the inputs", help_text="put the others into files"
        )
    if isinstance(kernel, str):
        return read_complemented(kernel, complements)
    if complements.paths:
        raise UsageError(
            "only a kernel that is read from a file can be complemented by others",
            help_text="give the path of the kernel",
        )
    if isinstance(kernel, NamedStream):
        from smecheck.read.kernel.kernel import read_kernel

        return read_kernel(kernel)
    return kernel


def _log_and_segments(
    inputs: Inputs, asked: BootRequest, machine: Machine | None, reading: Reading
) -> tuple[KernelLog | None, SegmentList | None]:
    """Return the log, and the load: as it was given, or as the log shows it."""
    segments: SegmentList | None
    if isinstance(inputs.segments, str | NamedStream):
        from smecheck.load.contradiction import mode_asked
        from smecheck.read.load.segments import read_segments

        mode = mode_asked(asked, machine)
        segments = reading("segments", read_segments, inputs.segments, mode)
    else:
        segments = inputs.segments
    dmesg = inputs.dmesg
    if isinstance(dmesg, str):
        # It is read twice: for the machine, and for a load.
        dmesg = reading("dmesg", held, dmesg, _LOG_IN_FIFO)
    log = _read(dmesg, "dmesg", _dmesg, reading)
    if asked.is_first_boot:
        return log, segments  # the loads of the log are for other boots
    if log is not None and isinstance(dmesg, str | NamedStream):
        from smecheck.load.contradiction import loader_asked, mode_asked
        from smecheck.read.load.log_segments import with_load

        loader, mode = loader_asked(asked, machine), mode_asked(asked, machine)
        return reading("dmesg", with_load, dmesg, log, segments, loader, mode)
    return log, segments


# Each imports its reader itself: nobody pays for what was not given.


def _iomem(source: Source) -> MemoryMap:
    from smecheck.read.machine.iomem import read_iomem

    return read_iomem(source)


def _memmap(source: Source) -> FirmwareMap:
    from smecheck.read.machine.memmap import read_memmap

    return read_memmap(source)


def _dmesg(source: Source) -> KernelLog:
    from smecheck.read.log.dmesg import read_dmesg

    return read_dmesg(source)


def _host(source: Source) -> Host:
    from smecheck.read.machine.host_description import read_host

    return read_host(source)


def _boot(source: Source) -> EarlyBoot:
    from smecheck.read.machine.boot_description import read_boot_description
    from smecheck.read.source import display_name, read_text

    return read_boot_description(read_text(source), display_name(source))


def _machine(inputs: Inputs, loading: LoadingSystem, reading: Reading) -> Machine | None:
    """Return what is said of the machine that loads; ``None`` where nothing is."""
    if inputs.host is None and inputs.crash_cma is None and loading == NOTHING_SAID:
        return None
    from smecheck.load.request import Machine
    from smecheck.machine.host import Host

    host = _read(inputs.host, "host", _host, reading) or Host()
    if inputs.crash_cma is not None:
        from smecheck.read.machine.crash_cma_ranges import read_crash_cma_ranges

        areas = reading("crash_cma", read_crash_cma_ranges, inputs.crash_cma)
        host = replace(host, crash_cma_ranges=areas)
    return Machine(host=_with_short_cuts(host, loading), window=_window(loading))


def _window(loading: LoadingSystem) -> Span:
    from smecheck.load.request import ADDRESSES
    from smecheck.span import Span

    low, last = loading.mem_min or 0, loading.mem_max
    end = ADDRESSES.end if last is None else last + 1
    if low >= end:
        raise UsageError(
            f"--mem-min {low:#x} is not below --mem-max {last:#x}",
            help_text="give the window as it is given to kexec",
        )
    return Span(low, end)


def _with_short_cuts(host: Host, loading: LoadingSystem) -> Host:
    """Put what is said by itself over what the description says."""
    from smecheck.load.versions import parse_version
    from smecheck.machine.host import MOST_CPUS

    versions = (
        ("--kexec-tools", "kexec_tools", loading.kexec_tools),
        ("--running-kernel", "kernel_release", loading.running_kernel),
    )
    for name, field, text in versions:
        if text is None:
            continue
        if parse_version(text) is None:
            raise UsageError(
                f"{name} {text!r} is not a version", help_text="write it as 2.0.25, or 6.1.0-56"
            )
        host = replace(host, **{field: Known(text, name)})
    if loading.cpus is None:
        return host
    if loading.cpus == 0:
        raise UsageError("--cpus 0: a machine has at least one", help_text=_CPUS)
    if loading.cpus > MOST_CPUS:
        raise UsageError(
            f"--cpus {loading.cpus}: no kernel knows more than {MOST_CPUS}",
            help_text=_CPUS,
        )
    return replace(host, cpus=Known(loading.cpus, "--cpus"))


def _early(inputs: Inputs, asked: BootRequest, reading: Reading) -> EarlyBoot | None:
    """Put together what a decompressor finds in memory; ``None`` where nothing was given."""
    if inputs.boot is None and inputs.boot_params is None and inputs.srat is None:
        return None
    from smecheck.boot.early_boot import EarlyBoot, completed, from_boot_params
    from smecheck.evidence import Unknown

    unknown = Unknown("not given")
    early = _read(inputs.boot, "boot", _boot, reading)
    early = early or EarlyBoot("", unknown, unknown, unknown)
    if asked.cmdline is not None:
        early = replace(early, cmdline=asked.cmdline)
    if inputs.boot_params is not None:
        from smecheck.read.machine.boot_params import read_boot_params

        params = reading("boot_params", read_boot_params, inputs.boot_params)
        early = completed(early, by=from_boot_params(params, early.cmdline))
    if inputs.srat is not None:
        from smecheck.read.machine.srat import read_srat

        table = reading("srat", read_srat, inputs.srat)
        early = replace(early, source=early.source or table.source, srat=Known(table, table.source))
    return early


def _refuse_contradiction(
    asked: BootRequest, machine: Machine | None, load: SegmentList | None
) -> None:
    """Refuse what cannot all be true of one load."""
    if not _says_something(asked, machine, load):
        return
    from smecheck.load.contradiction import contradiction

    found = contradiction(asked, machine, load)
    if found is not None:
        raise UsageError(found.message, help_text=found.help_text)


def _refuse_other_reservation(
    machine: Machine | None, memory: MemoryMap | None, log: KernelLog | None
) -> None:
    """Refuse a crash reservation that is not that of the iomem, and CMA areas not of the log."""
    if machine is None:
        return
    from smecheck.load.contradiction import other_crash_areas, other_reservation

    found = other_reservation(machine, memory) or other_crash_areas(machine, log)
    if found is not None:
        raise UsageError(found.message, help_text=found.help_text)


def _says_something(asked: BootRequest, machine: Machine | None, load: SegmentList | None) -> bool:
    """Return whether anything is said of a load."""
    said = (asked.path, asked.mode, asked.loader, machine, load)
    return any(part is not None for part in said)


def _refuse_other_paging(paging: Paging, image: KernelImage) -> None:
    """Refuse levels of page tables that the kernel itself rules out."""
    if paging is Paging.AUTO:
        return
    from smecheck.boot.paging import paging_contradicted

    problem = paging_contradicted(paging, image)
    if problem is not None:
        raise UsageError(
            f"--paging {paging.value} contradicts {image.source}: {problem}",
            help_text="leave --paging out, or give the kernel that is meant",
        )


def _refuse_impossible_address(load_address: int | None) -> None:
    if load_address is None:
        return
    problem = ""
    if load_address % PMD_SIZE:
        problem = "is not a multiple of 2 MiB: a kernel hangs there"
    elif not 0 < load_address < MAX_PHYSICAL_ADDRESS:
        problem = "is not a physical address of a kernel"
    if problem:
        raise UsageError(
            f"--load-address {load_address:#x} {problem}",
            help_text="give the physical address of _text, the start of Kernel code in /proc/iomem",
        )
