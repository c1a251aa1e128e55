"""The options that describe the system that loads, for the prediction of a load."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from smecheck.cli.parameters import address
from smecheck.errors import UsageError
from smecheck.record import replace

if TYPE_CHECKING:
    from smecheck.load.request import Machine
    from smecheck.machine.host import Host

host_options = (
    click.option(
        "--host",
        metavar="FILE",
        help="The system that loads, in YAML: what the prediction of a load depends on.",
    ),
    click.option("--kexec-tools", metavar="VERSION", help="Version of kexec-tools: 2.0.25."),
    click.option(
        "--running-kernel",
        metavar="RELEASE",
        help="Release of the kernel that loads (uname -r): it places for kexec_file_load.",
    ),
    click.option("--cpus", metavar="COUNT", callback=address, help="Possible CPUs of the machine."),
    click.option(
        "--crash-cma",
        metavar="FILE",
        help="/sys/kernel/kexec/crash_cma_ranges: what crashkernel=…,cma keeps (also in --dmesg).",
    ),
    click.option(
        "--mem-min", metavar="ADDR", callback=address, help="As given to kexec: the lowest address."
    ),
    click.option(
        "--mem-max", metavar="ADDR", callback=address, help="As given to kexec: the last address."
    ),
)
"""Options of every command that predicts a load."""

_SHORT_CUTS = ("kexec_tools", "running_kernel", "cpus", "crash_cma", "mem_min", "mem_max")


def machine_of(options: dict[str, Any]) -> Machine | None:
    """Return what the options say of the machine that loads; ``None`` where they say nothing.

    Raises:
        UsageError: a version or the window is none.
        InputError: the description cannot be read or understood.
    """
    if options["host"] is None and all(options[name] is None for name in _SHORT_CUTS):
        return None
    from smecheck.load.request import ADDRESSES, Machine
    from smecheck.machine.host import Host
    from smecheck.span import Span

    host = Host()
    if options["host"] is not None:
        from smecheck.read.machine.host_description import read_host

        host = read_host(options["host"])
    low, last = options["mem_min"] or 0, options["mem_max"]
    end = ADDRESSES.end if last is None else last + 1
    if low >= end:
        raise UsageError(
            f"--mem-min {low:#x} is not below --mem-max {last:#x}",
            help_text="give the window as it is given to kexec",
        )
    return Machine(host=_with_short_cuts(host, options), window=Span(low, end))


def _with_short_cuts(host: Host, options: dict[str, Any]) -> Host:
    """Put what single options say over what the description says."""
    from smecheck.evidence import Known
    from smecheck.load.versions import parse_version
    from smecheck.machine.host import MOST_CPUS

    for option, field in (("kexec_tools", "kexec_tools"), ("running_kernel", "kernel_release")):
        text = options[option]
        if text is None:
            continue
        name = f"--{option.replace('_', '-')}"
        if parse_version(text) is None:
            raise UsageError(
                f"{name} {text!r} is no version", help_text="write it like 2.0.25, or 6.1.0-56"
            )
        host = replace(host, **{field: Known(text, name)})
    if options["cpus"] is not None:
        if options["cpus"] == 0:
            raise UsageError("--cpus 0: a machine has at least one", help_text="give their number")
        if options["cpus"] > MOST_CPUS:
            raise UsageError(
                f"--cpus {options['cpus']}: no kernel knows more than {MOST_CPUS}",
                help_text="give their number: /sys/devices/system/cpu/possible",
            )
        host = replace(host, cpus=Known(options["cpus"], "--cpus"))
    if options["crash_cma"] is not None:
        from smecheck.read.machine.crash_cma_ranges import read_crash_cma_ranges

        host = replace(host, crash_cma_ranges=read_crash_cma_ranges(options["crash_cma"]))
    return host
