"""smecheck from Python: the functions that the package exports.

Inputs are paths, open files, or what one of the readers here returned. Nothing is printed, nothing
is written; what cannot be read or meant is raised as a :class:`~smecheck.errors.SmecheckError`.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import Enum
from typing import IO, TYPE_CHECKING, Any, TypeAlias, TypeVar

from smecheck.answer import Report as Answer
from smecheck.asked import BootRequest, Paging, Path, Switch
from smecheck.builds.comparison_report import Comparison as ComparisonAnswer
from smecheck.builds.gate_report import GateReport as GateAnswer
from smecheck.checks.finding import Severity
from smecheck.checks.tolerance import Tolerance, exit_status
from smecheck.errors import ExitCode, UsageError
from smecheck.kernel.verification import VerifyReport as VerifyAnswer
from smecheck.load.segments import Loader, Mode
from smecheck.read.case import Inputs, LoadingSystem, case
from smecheck.read.source import NamedStream, Source
from smecheck.report.options import RenderOptions
from smecheck.support_case.triage_report import TriageReport as TriageAnswer

if TYPE_CHECKING:
    import datetime
    from concurrent.futures import Executor

    from smecheck.kernel.image import KernelImage
    from smecheck.load.segments import SegmentList
    from smecheck.machine.firmware import FirmwareMap
    from smecheck.machine.host import Host
    from smecheck.machine.kernel_log import KernelLog
    from smecheck.machine.memory import MemoryMap
    from smecheck.read.fleet.machine import Machine

E = TypeVar("E", bound=Enum)
File: TypeAlias = "str | os.PathLike[str] | IO[bytes] | IO[str]"
"""A path, or a file that is open for reading."""


R = TypeVar("R")


class Report(Answer):
    """The answer to one question, as ``smecheck analyze`` gives it."""

    __slots__ = ()

    def to_dict(self) -> Mapping[str, Any]:
        """Return the report as JSON has it, ``smecheck/report-v1``; ``--fail-on`` is ``error``."""
        from smecheck.report.json_report import render_json

        return _document(render_json(self, _options(exit_status(self, Tolerance()))))

    def _repr_html_(self) -> str:
        """Show the memory around the workarea in a notebook, with the verdict above it."""
        from smecheck.report.picture import svg_picture

        return svg_picture(self)

    def __repr__(self) -> str:
        return f"<Report {self.verdict.value} ({self.basis.value}): {self.headline}>"


class GateReport(GateAnswer):
    """The answer of a gate, as ``smecheck gate`` gives it."""

    __slots__ = ()

    def to_dict(self) -> Mapping[str, Any]:
        """Return the answer as JSON has it, ``smecheck/gate-v1``."""
        from smecheck.builds.gate_report import GatesReport
        from smecheck.report.gate_json import render_gates_json

        gates = GatesReport((self,))
        return _document(render_gates_json(gates, _options(self.verdict.exit_code())))

    def __repr__(self) -> str:
        return f"<GateReport {self.verdict.value}: {self.headline}>"


class Comparison(ComparisonAnswer):
    """Two builds held against each other, as ``smecheck compare`` does it."""

    __slots__ = ()

    def to_dict(self) -> Mapping[str, Any]:
        """Return the comparison as JSON has it, ``smecheck/comparison-v1``."""
        from smecheck.programs.compare import exit_status as status_of
        from smecheck.report.comparison_json import render_comparison_json

        return _document(render_comparison_json(self, _options(status_of(self, Tolerance()))))

    def __repr__(self) -> str:
        return f"<Comparison: {self.headline}>"


class TriageReport(TriageAnswer):
    """The answer about a support case, as ``smecheck triage`` gives it."""

    __slots__ = ()

    def to_dict(self) -> Mapping[str, Any]:
        """Return the answer as JSON has it, ``smecheck/triage-v1``."""
        from smecheck.programs.triage import exit_status as status_of
        from smecheck.report.triage_json import render_triage_json

        return _document(render_triage_json(self, _options(status_of(self, Tolerance()))))

    def __repr__(self) -> str:
        return f"<TriageReport {self.verdict.value}: {self.headline}>"


class VerifyReport(VerifyAnswer):
    """What running a kernel's own machine code came to, as ``smecheck verify`` gives it."""

    __slots__ = ()

    def to_dict(self) -> Mapping[str, Any]:
        """Return the answer as JSON has it, ``smecheck/verify-v1``."""
        from smecheck.programs.verify import exit_status as status_of
        from smecheck.report.verify_json import render_verify_json

        return _document(render_verify_json(self, _options(status_of(self))))

    def __repr__(self) -> str:
        return f"<VerifyReport {self.verification.result.value}: {self.verification.share} runs>"


def analyze(
    kernel: File | KernelImage,
    *,
    iomem: File | MemoryMap | None = None,
    segments: File | SegmentList | None = None,
    dmesg: File | KernelLog | None = None,
    memmap: File | FirmwareMap | None = None,
    host: File | Host | None = None,
    boot_params: File | None = None,
    srat: File | None = None,
    boot: File | None = None,
    crash_cma: File | None = None,
    bzimage: str | None = None,
    symbols: str | None = None,
    config: str | None = None,
    initrd: int | str | os.PathLike[str] | None = None,
    cmdline: str | None = None,
    load_address: int | None = None,
    path: Path | str | None = None,
    loader: Loader | str | None = None,
    mode: Mode | str | None = None,
    kaslr: Switch | str = Switch.AUTO,
    sme: Switch | str = Switch.AUTO,
    paging: Paging | str = Paging.AUTO,
    kexec_tools: str | None = None,
    running_kernel: str | None = None,
    cpus: int | None = None,
    mem_min: int | None = None,
    mem_max: int | None = None,
    cross_check: bool = False,
    advise: bool = False,
) -> Report:
    """Say where the workarea of a kernel lies and what it collides with.

    The parameters are the options of ``smecheck analyze`` by the same names, and mean the same.
    Addresses and sizes are bytes; ``initrd`` is a size, or the path of a file whose size counts.

    Raises:
        UsageError: what is said cannot all be meant.
        InputError: an input cannot be read or understood.
    """
    from smecheck.analysis import analyze as answer

    asked = _request(
        initrd,
        path=path,
        loader=loader,
        mode=mode,
        load_address=load_address,
        cmdline=cmdline,
        kaslr=kaslr,
        sme=sme,
        paging=paging,
    )
    inputs = Inputs(
        bzimage=bzimage,
        symbols=symbols,
        config=config,
        iomem=_given(iomem, "iomem"),
        memmap=_given(memmap, "memmap"),
        dmesg=_given(dmesg, "dmesg"),
        segments=_given(segments, "segments"),
        host=_given(host, "host"),
        crash_cma=_given(crash_cma, "crash_cma"),
        boot_params=_given(boot_params, "boot_params"),
        srat=_given(srat, "srat"),
        boot=_given(boot, "boot"),
    )
    loading = LoadingSystem(kexec_tools, running_kernel, cpus, mem_min, mem_max)
    asking = case(_given(kernel, "kernel"), inputs, asked, loading, cross_check=cross_check)
    found = answer(asking)
    if advise:
        from smecheck.advice.advise import advise as advice_on
        from smecheck.record import replace

        found = replace(found, advice=advice_on(asking, found))
    return _public(Report, found)


def gate(
    kernel: str | os.PathLike[str],
    *,
    policy: str | os.PathLike[str] | None = None,
    bzimage: str | None = None,
    symbols: str | None = None,
    config: str | None = None,
    today: datetime.date | None = None,
    fail_on: Severity | str | None = None,
    allow_undecided: bool | None = None,
    ignore: Iterable[str] = (),
    min_slack: int | None = None,
    verify: bool = False,
) -> GateReport:
    """Hold a build against the static rules, the proof, and every machine of a policy.

    The parameters are the options of ``smecheck gate`` by the same names, and mean the same; sizes
    are bytes.

    Raises:
        UsageError: what is said cannot all be meant.
        InputError: the kernel or the policy cannot be read; what a machine's files hold is a row.
    """
    from smecheck.builds.gate import GateOptions
    from smecheck.programs.gate import gate as answer
    from smecheck.programs.gate import read_policy
    from smecheck.programs.verify import verification_of
    from smecheck.read.kernel.complements import Complements, read_with_misfits

    path = os.fspath(kernel)
    held_against = read_policy(os.fspath(policy)) if policy is not None else None
    image = read_with_misfits(path, Complements(bzimage, symbols, config))
    code = verification_of((path, bzimage), image, quick=True) if verify else None
    severity = _chosen(Severity, fail_on)
    said = GateOptions(_day(today), severity, allow_undecided, tuple(ignore), min_slack)
    return _public(GateReport, answer(image, held_against, said, code))


def compare(
    old: str | os.PathLike[str],
    new: str | os.PathLike[str],
    *,
    bzimage: str | None = None,
    symbols: str | None = None,
    config: str | None = None,
    min_slack: int | None = None,
    max_growth: int | None = None,
) -> Comparison:
    """Say what moved between two builds, and what got worse.

    The parameters are the options of ``smecheck compare`` by the same names; sizes are bytes.

    Raises:
        UsageError: what is said cannot all be meant.
        InputError: a file cannot be read or understood.
    """
    from smecheck.builds.comparison import Limits
    from smecheck.programs.compare import compare as answer
    from smecheck.read.kernel.complements import Complements

    complements = Complements(bzimage, symbols, config)
    limits = Limits(min_slack, max_growth)
    return _public(Comparison, answer(os.fspath(old), os.fspath(new), complements, limits))


def triage(
    *paths: str | os.PathLike[str],
    kernel: str | os.PathLike[str] | KernelImage | None = None,
    bzimage: str | None = None,
    symbols: str | None = None,
    config: str | None = None,
    initrd: int | str | os.PathLike[str] | None = None,
    cmdline: str | None = None,
    load_address: int | None = None,
    path: Path | str | None = None,
    loader: Loader | str | None = None,
    mode: Mode | str | None = None,
    kaslr: Switch | str = Switch.AUTO,
    sme: Switch | str = Switch.AUTO,
    paging: Paging | str = Paging.AUTO,
) -> TriageReport:
    """Say why a crash kernel failed, from what was collected of its machine.

    ``paths`` are sosreports, supportconfigs, crash folders or single files; ``/`` is this system.
    The parameters are the options of ``smecheck triage`` by the same names: ``kernel`` is by
    default the running one, as the sources show it, and what is said goes before what is found.

    Raises:
        UsageError: what is said cannot all be meant.
        InputError: a source cannot be read, or nothing in it is known.
    """
    from smecheck.programs.triage import triage as answer
    from smecheck.read.kernel.complements import Complements

    asked = _request(
        initrd,
        path=path,
        loader=loader,
        mode=mode,
        load_address=load_address,
        cmdline=cmdline,
        kaslr=kaslr,
        sme=sme,
        paging=paging,
    )
    found = answer(
        [os.fspath(one) for one in paths],
        os.fspath(kernel) if isinstance(kernel, str | os.PathLike) else kernel,
        Complements(bzimage, symbols, config),
        lambda image: case(image, asked=asked),
    )
    return _public(TriageReport, found)


def verify(
    kernel: str | os.PathLike[str],
    *,
    bzimage: str | None = None,
    symbols: str | None = None,
    config: str | None = None,
) -> VerifyReport:
    """Run the SME code of a kernel in an emulator, and compare with what is predicted of it.

    Raises:
        UsageError: the emulator is not installed (the extra ``smecheck[verify]``).
        InputError: a file cannot be read or understood.
    """
    from smecheck.programs.verify import verify as answer
    from smecheck.read.kernel.complements import Complements

    return _public(VerifyReport, answer(os.fspath(kernel), Complements(bzimage, symbols, config)))


def fleet(
    machines: Iterable[Mapping[str, Any] | str | os.PathLike[str]],
    kernels: Sequence[str | os.PathLike[str] | KernelImage],
    *,
    executor: Executor | None = None,
    ordered: bool = True,
    fail_on: Severity | str = Severity.ERROR,
    allow_undecided: bool = False,
    ignore: Sequence[str] = (),
    host: File | Host | None = None,
    initrd: int | str | os.PathLike[str] | None = None,
    cmdline: str | None = None,
    load_address: int | None = None,
    path: Path | str | None = None,
    loader: Loader | str | None = None,
    mode: Mode | str | None = None,
    kaslr: Switch | str = Switch.AUTO,
    sme: Switch | str = Switch.AUTO,
    paging: Paging | str = Paging.AUTO,
    kexec_tools: str | None = None,
    running_kernel: str | None = None,
    cpus: int | None = None,
    mem_min: int | None = None,
    mem_max: int | None = None,
) -> Iterator[dict[str, Any]]:
    """Ask each kernel about every machine, and yield a row for each, as ``smecheck fleet`` does.

    ``machines`` are objects as an inventory holds them (``fleet-machine-v1``), and paths of
    whatever the command takes: inventories, archives, folders. They are taken as they are needed.
    ``kernels`` are paths, or what :func:`read_kernel` returned; each is read once. ``executor``
    does the work: any of ``concurrent.futures``, or one that is like these, as Dask's
    ``client.get_executor()`` is; by default it is this process. With ``ordered``, rows come in the
    order of the machines, otherwise as they are there. The other parameters are the options of
    ``smecheck fleet`` by the same names: what they say counts for every machine.

    Yields:
        Rows, ``smecheck/fleet-row-v1``: for each machine one for each kernel. A machine that cannot
        be read is a row with its error.

    Raises:
        UsageError: what is said cannot all be meant.
        InputError: a kernel, or an inventory, cannot be read.
        EngineError: the executor does no more work.
    """
    from smecheck.engine.run import FleetRun, Tally
    from smecheck.engine.task import Asked
    from smecheck.engine.workers import Given, InThisProcess
    from smecheck.fleets.row import Row
    from smecheck.read.fleet.described import Said
    from smecheck.read.fleet.machine_paths import named_once
    from smecheck.report.fleet_row_json import row_object

    images = _kernels(kernels)
    asked = _request(
        initrd,
        path=path,
        loader=loader,
        mode=mode,
        load_address=load_address,
        cmdline=cmdline,
        kaslr=kaslr,
        sme=sme,
        paging=paging,
    )
    loading = LoadingSystem(kexec_tools, running_kernel, cpus, mem_min, mem_max)
    said = Said(asked, loading, None if host is None else _host(host))
    severity = _chosen(Severity, fail_on) or Severity.ERROR
    tolerance = Tolerance(severity, allow_undecided, ignored=tuple(ignore))
    engine = InThisProcess() if executor is None else Given(executor)
    run = FleetRun(Asked(images, said, tolerance), engine, Tally(), in_order=ordered)

    def rows() -> Iterator[dict[str, Any]]:
        for name, answers in run.answers(named_once(_machines(machines))):
            for image, one in zip(images, answers, strict=True):
                yield row_object(Row(name, image.source, one))

    return rows()


def _kernels(
    given: Sequence[str | os.PathLike[str] | KernelImage],
) -> tuple[KernelImage, ...]:
    images = tuple(read_kernel(k) if isinstance(k, str | os.PathLike) else k for k in given)
    if not images:
        raise UsageError("no kernel is given", help_text="name one, or give one that was read")
    if len({image.source for image in images}) < len(images):
        raise UsageError("a kernel is given twice", help_text="leave one of them out")
    return images


def _host(given: File | Host) -> Host:
    from smecheck.machine.host import Host

    return given if isinstance(given, Host) else read_host(given)


def _machines(given: Iterable[Mapping[str, Any] | str | os.PathLike[str]]) -> Iterator[Machine]:
    from smecheck.read.fleet.inventory import described
    from smecheck.read.fleet.machine_paths import machines_at

    for number, one in enumerate(given):
        if isinstance(one, str | os.PathLike):
            yield from machines_at(os.fspath(one))
        else:
            yield described(one, f"machines[{number}]", "")


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

    return read(_source(segments, "segments"), mode=_chosen(Mode, mode))


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


def _given(given: Any, name: str) -> Any:
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


def _chosen(kind: type[E], value: E | str | None) -> E | None:
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


def _request(
    initrd: int | str | os.PathLike[str] | None,
    *,
    path: Path | str | None,
    loader: Loader | str | None,
    mode: Mode | str | None,
    load_address: int | None,
    cmdline: str | None,
    kaslr: Switch | str,
    sme: Switch | str,
    paging: Paging | str,
) -> BootRequest:
    """Return what the parameters say of the boot, with words for members of their enums."""
    size, is_file = _initrd(initrd)
    return BootRequest(
        path=_chosen(Path, path),
        loader=_chosen(Loader, loader),
        mode=_chosen(Mode, mode),
        load_address=load_address,
        initrd_size=size,
        empty_initrd=is_file and size == 0,
        cmdline=cmdline,
        kaslr=_chosen(Switch, kaslr) or Switch.AUTO,
        sme=_chosen(Switch, sme) or Switch.AUTO,
        paging=_chosen(Paging, paging) or Paging.AUTO,
    )


def _day(today: datetime.date | None) -> str:
    """Return the day that waivers are held against."""
    import datetime

    return (today or datetime.datetime.now(datetime.UTC).date()).isoformat()


def _public(cls: type[R], found: Any) -> R:
    """Return an answer with what it has for callers of the package."""
    return cls(*(getattr(found, name) for name in found.__match_args__))


def _options(status: ExitCode) -> RenderOptions:
    return RenderOptions(explain=False, color=False, width=80, unicode=True, exit_code=status)


def _document(text: str) -> Mapping[str, Any]:
    document: Mapping[str, Any] = json.loads(text)
    return document


def _initrd(initrd: int | str | os.PathLike[str] | None) -> tuple[int | None, bool]:
    if initrd is None or isinstance(initrd, int):
        return initrd, False
    try:
        return os.stat(initrd).st_size, True  # noqa: PTH116 - Path is how the kernel is booted here
    except OSError as error:
        raise UsageError(
            f"initrd {os.fspath(initrd)!r}: {(error.strerror or str(error)).lower()}",
            help_text="give its size in bytes, or the path of the file",
        ) from error
