"""The programs, for Python: the functions that ask."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from smecheck.api.answers import (
    Comparison,
    GateReport,
    Report,
    TriageReport,
    VerifyReport,
    public,
)
from smecheck.api.readers import File, chosen, given, read_host, read_kernel
from smecheck.asked import BootRequest, GivenInitrd, Paging, Path, Switch, asked_by_options
from smecheck.checks.finding import Severity
from smecheck.checks.tolerance import Tolerance
from smecheck.errors import UsageError, system_reason
from smecheck.load.segments import Loader, Mode
from smecheck.read.case import Inputs, LoadingSystem, case

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
        iomem=given(iomem, "iomem"),
        memmap=given(memmap, "memmap"),
        dmesg=given(dmesg, "dmesg"),
        segments=given(segments, "segments"),
        host=given(host, "host"),
        crash_cma=given(crash_cma, "crash_cma"),
        boot_params=given(boot_params, "boot_params"),
        srat=given(srat, "srat"),
        boot=given(boot, "boot"),
    )
    loading = LoadingSystem(kexec_tools, running_kernel, cpus, mem_min, mem_max)
    asking = case(given(kernel, "kernel"), inputs, asked, loading, cross_check=cross_check)
    found = answer(asking)
    if advise:
        from smecheck.advice.advise import advise as advice_on
        from smecheck.record import replace

        found = replace(found, advice=advice_on(asking, found))
    return public(Report, found)


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
    severity = chosen(Severity, fail_on)
    said = GateOptions(_day(today), severity, allow_undecided, tuple(ignore), min_slack)
    return public(GateReport, answer(image, held_against, said, code))


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
    return public(Comparison, answer(os.fspath(old), os.fspath(new), complements, limits))


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
    return public(TriageReport, found)


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

    return public(VerifyReport, answer(os.fspath(kernel), Complements(bzimage, symbols, config)))


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

    for name, paths in (("machines", machines), ("kernels", kernels)):
        if isinstance(paths, str | os.PathLike):
            raise UsageError(f"{name} is one path, not a list", help_text=f"give [{paths!r}]")
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
    severity = chosen(Severity, fail_on) or Severity.ERROR
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
    return asked_by_options(
        path=chosen(Path, path),
        loader=chosen(Loader, loader),
        mode=chosen(Mode, mode),
        load_address=load_address,
        initrd=_initrd(initrd),
        cmdline=cmdline,
        kaslr=chosen(Switch, kaslr) or Switch.AUTO,
        sme=chosen(Switch, sme) or Switch.AUTO,
        paging=chosen(Paging, paging) or Paging.AUTO,
    )


def _day(today: datetime.date | None) -> str:
    """Return the day that waivers are held against."""
    import datetime

    return (today or datetime.datetime.now(datetime.UTC).date()).isoformat()


def _initrd(initrd: int | str | os.PathLike[str] | None) -> GivenInitrd | None:
    if initrd is None or isinstance(initrd, int):
        return None if initrd is None else GivenInitrd(initrd)
    from smecheck.read.load.initrd_file import initrd_in

    try:
        return initrd_in(initrd)
    except (OSError, ValueError) as error:
        raise UsageError(
            f"initrd {os.fspath(initrd)!r}: {system_reason(error)}",
            help_text="give its size in bytes, or the path of the file",
        ) from error
