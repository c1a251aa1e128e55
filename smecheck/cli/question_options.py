"""What is asked: the options that name the inputs, the machine, the load and the boot."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from smecheck.asked import OPTIONS, BootRequest, Paging, Path, Switch, asked_by_options
from smecheck.cli.complements import COMPLEMENT_NAMES, complement_options
from smecheck.cli.parameters import address, enum_option, given_initrd, with_options
from smecheck.load.segments import Loader, Mode

if TYPE_CHECKING:
    from smecheck.case import Case
    from smecheck.kernel.image import KernelImage

_INPUT_OPTIONS = (
    *("iomem", "memmap", "dmesg", "segments", "host", "crash_cma", "boot_params", "srat", "boot"),
)

FILE_OPTIONS = (*COMPLEMENT_NAMES, *_INPUT_OPTIONS)
"""The options that name a file to read beside KERNEL."""

_READ = (
    click.option(
        "--iomem",
        metavar="FILE",
        help="/proc/iomem of the machine, read as root; - is standard input.",
    ),
    click.option(
        "--memmap",
        metavar="FILE",
        help="The firmware's memory map: output of grep . /sys/firmware/memmap/*/*, or a "
        "kernel log.",
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
        help="/sys/kernel/boot_params/data, raw or in base64; without a load, of the boot "
        "to check; with one, of the running kernel.",
    ),
    click.option(
        "--srat",
        metavar="FILE",
        help="/sys/firmware/acpi/tables/SRAT of the machine: limits where KASLR looks.",
    ),
    click.option(
        "--boot",
        metavar="FILE",
        help="What boot_params say and point to, in YAML (smecheck schema boot-v1).",
    ),
)
_HOST = (
    click.option(
        "--host",
        metavar="FILE",
        help="The system doing the loading, in YAML (smecheck schema host-v1): what a predicted "
        "load depends on.",
    ),
    click.option(
        "--kexec-tools",
        metavar="VERSION",
        help="kexec-tools version on the loading machine, e.g. 2.0.25; default: the newest known.",
    ),
    click.option(
        "--running-kernel",
        metavar="RELEASE",
        help="Release (uname -r) of the kernel doing the loading, e.g. 6.1.0-56-amd64; decides "
        "placement for kexec_file_load; default: from --dmesg, or assumed.",
    ),
    click.option(
        "--cpus",
        metavar="COUNT",
        callback=address,
        help="Number of possible CPUs of the machine; default: from --dmesg, or 64 is assumed.",
    ),
    click.option(
        "--crash-cma",
        metavar="FILE",
        help="/sys/kernel/kexec/crash_cma_ranges: memory reserved by crashkernel=…,cma (also read "
        "from --dmesg).",
    ),
    click.option(
        "--mem-min",
        metavar="ADDR",
        callback=address,
        help="Lowest address for segments, as given to kexec, e.g. 0x1000000; default: 0.",
    ),
    click.option(
        "--mem-max",
        metavar="ADDR",
        callback=address,
        help="Last address for segments (inclusive), as given to kexec; default: no limit.",
    ),
)
"""They describe the system that loads."""

_BOOT = (
    click.option(
        "--load-address",
        metavar="ADDR",
        callback=address,
        help="Physical address of _text where the kernel runs, e.g. 0x10000000; default: from the "
        "load.",
    ),
    click.option(
        "--initrd",
        metavar="FILE|SIZE",
        callback=given_initrd,
        help="The initrd or its size, e.g. 48M, if the segments do not show it; default: 0, none.",
    ),
    click.option(
        "--cmdline",
        metavar="TEXT",
        help="Command line of the kernel being booted; default: from the load.",
    ),
    enum_option(
        "--path",
        enum=Path,
        help="Which boot to check; default: that of the load; without one, kdump where memory is "
        "reserved for it.",
    ),
    enum_option(
        "--loader",
        enum=Loader,
        help="System call that loads the kernel: kexec -c or kexec -s; default: as "
        "recorded, or what this kexec-tools does.",
    ),
    enum_option(
        "--mode",
        enum=Mode,
        help="kexec -l (load) or kexec -p (crash); default: as recorded, or as --path says.",
    ),
    *_HOST,
    enum_option(
        "--kaslr",
        enum=Switch,
        default="auto",
        help="KASLR in the kernel being booted; default: auto, from its configuration and command "
        "line.",
    ),
    enum_option(
        "--sme",
        enum=Switch,
        default="auto",
        help="SME in the kernel being booted; default: auto, from its configuration and command "
        "line.",
    ),
    enum_option(
        "--paging",
        enum=Paging,
        default="auto",
        help="Page-table levels at entry to the kernel being booted; default: auto, "
        "both where it is not known.",
    ),
)

_OPTIONS = (
    *_READ,
    *_BOOT,
    click.option(
        "--cross-check",
        is_flag=True,
        help="Also predict the load that --segments describes, and show the differences.",
    ),
)


def boot_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that say what is loaded and booted, and by what."""
    return with_options(command, _BOOT)


def question_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command all options that say what is asked."""
    return complement_options(with_options(command, _OPTIONS))


def case_of(kernel: str | KernelImage, options: dict[str, Any]) -> Case:
    """Read the inputs that the options name, for a kernel that is named or was read already.

    Raises:
        UsageError: the options cannot be meant.
        InputError: an input cannot be read or understood.
    """
    from smecheck.read.case import FILES, SHORT_CUTS, Inputs, LoadingSystem, case

    asked = boot_of(options)
    inputs = Inputs(**{name: options[name] for name in FILES})
    loading = LoadingSystem(**{name: options[name] for name in SHORT_CUTS})
    return case(kernel, inputs, asked, loading, cross_check=options["cross_check"])


def boot_of(options: dict[str, Any]) -> BootRequest:
    """Return what the options say of the boot."""
    return asked_by_options(**{name: options[name] for name in OPTIONS})
