"""The options that describe the system that loads, for the prediction of a load."""

from __future__ import annotations

import click

from smecheck.cli.parameters import address

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
