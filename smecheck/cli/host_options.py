"""The options that describe the system that loads, for the prediction of a load."""

from __future__ import annotations

import click

from smecheck.cli.parameters import address

host_options = (
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
        "placement for kexec_file_load.",
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
"""Options of every command that predicts a load."""
