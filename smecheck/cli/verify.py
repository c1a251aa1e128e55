"""``smecheck verify``: the kernel's own machine code beside what smecheck predicts of it."""

from __future__ import annotations

from functools import partial
from typing import Any

import click

from smecheck.checks.tolerance import Tolerance
from smecheck.cli.complements import COMPLEMENT_NAMES, complement_options, complements_of
from smecheck.cli.file_command import FileCommand
from smecheck.cli.parameters import HELP_NAMES
from smecheck.cli.reporting import reporting_of, reporting_options

_EPILOG = """
\b
Examples:
  smecheck verify vmlinux
  smecheck verify arch/x86/boot/bzImage --format json
  smecheck verify vmlinux --symbols System.map --explain

\b
Exit codes, the same for every format:
  0  agrees: the code does in every run what is predicted
  1  it differs, or faults: the kernel dies with SME on
  2  usage error
  3  an input could not be read or understood; nothing was run
  4  not recognized: the code could not be run, or not to the end
 70  a bug of smecheck
"""


@click.command(
    cls=FileCommand,
    epilog=_EPILOG,
    short_help="Compare the prediction with the machine code of KERNEL.",
    context_settings=HELP_NAMES,
)
@click.argument("kernel", metavar="KERNEL")
@complement_options
@reporting_options
def verify(kernel: str, **options: Any) -> int:
    """Run the SME code of KERNEL in an emulator, and compare with what smecheck predicts.

    KERNEL is a vmlinux or a vmlinuz. Its own machine code is entered where boot loaders enter it
    and runs up to the end of the encryption, which is seen but not done: at places, with initrds,
    levels of paging and page tables that would expose any other arithmetic. What it maps, writes
    and encrypts is held against the prediction for that very start. Needs the extra "verify": pip
    install 'smecheck[verify]'.
    """
    reporting = reporting_of(options)
    with reporting.failures():
        from smecheck.programs.verify import exit_status
        from smecheck.programs.verify import verify as answer
        from smecheck.report.options import VERIFY_FORMATS
        from smecheck.report.render import render_verify

        reporting.refuse_other_formats("verify", VERIFY_FORMATS)
        complements = complements_of(kernel, options)
        reporting.refuse_overwriting([kernel, *(options[name] for name in COMPLEMENT_NAMES)])
        report = answer(kernel, complements)
        status = exit_status(report)
        reporting.deliver(partial(render_verify, report), status, Tolerance())
        return int(status)
