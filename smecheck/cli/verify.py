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
from smecheck.report.options import VERIFY_FORMATS

_EPILOG = """
\b
Examples:
  smecheck verify vmlinux
  smecheck verify arch/x86/boot/bzImage --format json
  smecheck verify vmlinux --symbols System.map --explain

\b
Exit codes, the same for every format:
  0  agrees: the code does in every run what was predicted
  1  it differs, or faults: the kernel dies with SME on
  2  usage error
  3  an input could not be read or understood; nothing was run
  4  not recognized: the code was not found, or could not be run to the end
 70  a bug in smecheck
"""


@click.command(
    cls=FileCommand,
    epilog=_EPILOG,
    short_help="Compare the prediction with the machine code of KERNEL.",
    context_settings=HELP_NAMES,
)
@click.argument("kernel", metavar="KERNEL")
@complement_options
@reporting_options(*VERIFY_FORMATS)
def verify(kernel: str, **options: Any) -> int:
    """Run the SME code of KERNEL in an emulator and compare it with smecheck's prediction.

    KERNEL is a vmlinux or a vmlinuz. Its machine code starts where boot loaders enter it and runs
    to the end of the encryption, which is recorded but not carried out. About 200 runs differ in
    load address, initrd, page-table levels and page tables at entry, so that wrong arithmetic
    would show. What a run maps, writes and encrypts is compared with the prediction for it. Needs
    an emulator: pip install 'smecheck[verify]'.
    """
    reporting = reporting_of(options)
    with reporting.failures():
        from smecheck.programs.verify import exit_status
        from smecheck.programs.verify import verify as answer
        from smecheck.report.render import render_verify

        reporting.refuse_other_formats("verify", VERIFY_FORMATS)
        complements = complements_of(kernel, options)
        reporting.refuse_overwriting([kernel, *(options[name] for name in COMPLEMENT_NAMES)])
        report = answer(kernel, complements)
        status = exit_status(report)
        reporting.deliver(partial(render_verify, report), status, Tolerance())
        return int(status)
