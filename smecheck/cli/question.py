"""What is asked: the options that name the inputs, the machine, the load and the boot."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from smecheck.asked import BootRequest, Paging, Path, Switch
from smecheck.cli.boot_options import BOOT_OPTIONS, early_of
from smecheck.cli.complements import COMPLEMENT_NAMES, complement_options, complements_of
from smecheck.cli.host import host_options, machine_of
from smecheck.cli.parameters import address, enum_option, given_initrd
from smecheck.errors import UsageError
from smecheck.kernel.constants import MAX_PHYSICAL_ADDRESS, PMD_SIZE
from smecheck.load.segments import Loader, Mode

if TYPE_CHECKING:
    from smecheck.case import Case
    from smecheck.kernel.image import KernelImage
    from smecheck.load.request import Machine
    from smecheck.load.segments import SegmentList

_INPUT_OPTIONS = ("iomem", "memmap", "dmesg", "segments", "host", *BOOT_OPTIONS)

FILE_OPTIONS = (*COMPLEMENT_NAMES, *_INPUT_OPTIONS)
"""The options that name a file to read beside KERNEL."""

_OPTIONS = (
    click.option("--iomem", metavar="FILE", help="/proc/iomem of the machine, read as root."),
    click.option(
        "--memmap",
        metavar="FILE",
        help="The firmware's memory map: grep . /sys/firmware/memmap/*/*, or a kernel log.",
    ),
    click.option(
        "--dmesg",
        metavar="FILE",
        help="Kernel log of the machine: memory map, crashkernel reservation, kexec_file's "
        "segments. Stands in for --iomem and --segments.",
    ),
    click.option(
        "--segments",
        metavar="FILE",
        help="The segments of the load: output of kexec -d, a kernel log, or YAML.",
    ),
    click.option(
        "--boot-params",
        metavar="FILE",
        help="/sys/kernel/boot_params/data, raw or in base64: of the boot that is asked about, or, "
        "with a load, of the running kernel.",
    ),
    click.option(
        "--srat",
        metavar="FILE",
        help="/sys/firmware/acpi/tables/SRAT of the machine, which bounds where KASLR looks.",
    ),
    click.option(
        "--boot",
        metavar="FILE",
        help="What boot_params point to, as YAML (smecheck schema boot-v1).",
    ),
    click.option(
        "--load-address",
        metavar="ADDR",
        callback=address,
        help="Where the kernel runs (physical _text).",
    ),
    click.option(
        "--initrd",
        metavar="FILE|SIZE",
        callback=given_initrd,
        help="The initrd, if the segments do not tell; 0 for none.",
    ),
    click.option("--cmdline", metavar="TEXT", help="Command line of the kernel that is booted."),
    enum_option("--path", enum=Path, help="Which boot is asked about."),
    enum_option(
        "--loader",
        enum=Loader,
        help="The system call that loads; without --segments, its placement is predicted.",
    ),
    enum_option("--mode", enum=Mode, help="kexec -l (load) or kexec -p (crash)."),
    *host_options,
    click.option(
        "--cross-check",
        is_flag=True,
        help="Predict the load that --segments tells as well, and show what differs.",
    ),
    enum_option(
        "--kaslr",
        enum=Switch,
        default="auto",
        help="Of the kernel that is booted; auto = its command line.",
    ),
    enum_option("--sme", enum=Switch, default="auto", help="Of the kernel that is booted."),
    enum_option("--paging", enum=Paging, default="auto", help="Levels of page tables at entry."),
)


def question_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command all options that say what is asked."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return complement_options(command)


def question_of(kernel: str, options: dict[str, Any]) -> Case:
    """Read the inputs that the options name.

    Raises:
        UsageError: the options cannot be meant.
        InputError: an input cannot be read or understood.
    """
    request = _request(options)
    others = [options[name] for name in _INPUT_OPTIONS]
    complements = complements_of(kernel, options, *others)

    from smecheck.read.kernel.complements import read_complemented

    machine = machine_of(options)
    _refuse_contradiction(request, machine, None)
    return _question(read_complemented(kernel, complements), options, request, machine)


def question_about(image: KernelImage, options: dict[str, Any]) -> Case:
    """Read the inputs that the options name, for a kernel that was read already.

    Raises:
        UsageError: the options cannot be meant.
        InputError: an input cannot be read or understood.
    """
    request, machine = _request(options), machine_of(options)
    _refuse_contradiction(request, machine, None)
    return _question(image, options, request, machine)


def _question(
    image: KernelImage, options: dict[str, Any], request: BootRequest, machine: Machine | None
) -> Case:
    from smecheck.case import Case
    from smecheck.load.contradiction import loader_asked, mode_asked

    mode = mode_asked(request, machine)
    _refuse_other_paging(request.paging, image)
    segments = memory = firmware = log = None
    if options["segments"] is not None:
        from smecheck.read.load.segments import read_segments

        segments = read_segments(options["segments"], mode=mode)
    if options["iomem"] is not None:
        from smecheck.read.machine.iomem import read_iomem

        memory = read_iomem(options["iomem"])
    if options["memmap"] is not None:
        from smecheck.read.machine.memmap import read_memmap

        firmware = read_memmap(options["memmap"])
    if options["dmesg"] is not None:
        from smecheck.read.log.dmesg import read_dmesg

        log = read_dmesg(options["dmesg"])
        if segments is None:
            from smecheck.read.load.log_segments import segments_in_log

            loader = loader_asked(request, machine)
            log, segments = segments_in_log(options["dmesg"], log, loader, mode)
    _refuse_contradiction(request, machine, segments)
    if options["cross_check"] and segments is None:
        raise UsageError(
            "--cross-check holds a recorded load against the prediction, and no load is given",
            help_text="give one with --segments, or with a kernel log (--dmesg) that holds it",
        )
    return Case(
        image,
        request,
        segments,
        memory,
        firmware,
        log,
        machine,
        cross_check=options["cross_check"],
        early=early_of(options),
    )


def _request(options: dict[str, Any]) -> BootRequest:
    _refuse_impossible_address(options["load_address"])
    initrd = options["initrd"]
    return BootRequest(
        path=options["path"],
        loader=options["loader"],
        mode=options["mode"],
        load_address=options["load_address"],
        initrd_size=None if initrd is None else initrd.size,
        empty_initrd=initrd is not None and initrd.is_file and not initrd.size,
        cmdline=options["cmdline"],
        kaslr=options["kaslr"],
        sme=options["sme"],
        paging=options["paging"],
    )


def _refuse_contradiction(
    request: BootRequest, machine: Machine | None, load: SegmentList | None
) -> None:
    """Refuse what cannot all be true of one load.

    Raises:
        UsageError: two statements contradict each other.
    """
    from smecheck.load.contradiction import contradiction

    found = contradiction(request, machine, load)
    if found is not None:
        raise UsageError(found.message, help_text=found.help_text)


def _refuse_other_paging(paging: Paging, image: KernelImage) -> None:
    """Refuse levels of page tables that the kernel itself rules out."""
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
        problem = "is no multiple of 2 MiB: a kernel hangs there"
    elif not 0 < load_address < MAX_PHYSICAL_ADDRESS:
        problem = "is no physical address of a kernel"
    if problem:
        raise UsageError(
            f"--load-address {load_address:#x} {problem}",
            help_text="give the physical address of _text, the start of Kernel code in /proc/iomem",
        )
