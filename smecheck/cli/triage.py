"""``smecheck triage``: from what a support engineer holds to a verdict and a ticket."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import click

from smecheck.cli.file_command import FileCommand
from smecheck.cli.outcome import failure_options, tolerance_of
from smecheck.cli.parameters import HELP_NAMES
from smecheck.cli.question_options import FILE_OPTIONS, case_of, question_options
from smecheck.cli.reporting import reporting_of, reporting_options
from smecheck.errors import UsageError
from smecheck.report.options import TRIAGE_FORMATS

if TYPE_CHECKING:
    from smecheck.support_case.triage_report import TriageReport

_EPILOG = """
\b
Examples:
  smecheck triage sosreport-epyc17-2026-11-28.tar.xz
  smecheck triage sosreport-epyc17.tar.xz --kernel vmlinuz-6.1.0 --format markdown -o ticket.md
  smecheck triage scc_sles15_261128_1203.txz
  smecheck triage iomem.txt dmesg.txt kallsyms.txt
  sudo smecheck triage /
  ssh host sudo cat /var/tmp/sosreport.tar.xz | smecheck triage -

\b
Classes: R reservation, L load, J before the jump, P placement, D decompression and early code,
M memory, I initramfs and dump target, C corrupt dump (docs/triage.md).

\b
Exit codes, the same for every format:
  0  the placement is clear, or the kernel does not use SME
  1  findings at or above --fail-on
  2  usage error
  3  a source could not be read, or holds nothing that smecheck knows
  4  undecided: a fact that the verdict needs is missing (--allow-undecided makes it 0)
 70  a bug in smecheck
"""


@click.command(
    cls=FileCommand,
    epilog=_EPILOG,
    short_help="Find out why a crash kernel failed, from a sosreport or logs.",
    context_settings=HELP_NAMES,
)
@click.argument("paths", metavar="PATH...", nargs=-1, required=True)
@click.option(
    "--kernel",
    metavar="FILE",
    help="The kernel to check, in any form that analyze takes; default: the running kernel, as the "
    "sources show it.",
)
@question_options
@reporting_options(*TRIAGE_FORMATS)
@failure_options
@click.option(
    "--redact",
    is_flag=True,
    help="Remove host names, user names, IP and MAC addresses and serial numbers from the report.",
)
def triage(paths: tuple[str, ...], **options: Any) -> int:
    """Find out why a crash kernel failed, from what was collected on its machine.

    PATH is a sosreport or a supportconfig (an archive or its folder), a crash folder, any kernel
    log, iomem, kallsyms or configuration, or / for the running system; - is standard input. They
    are recognized by their content and read once; nothing is unpacked to disk. Options override
    what is found.
    """
    reporting = reporting_of(options)
    with reporting.failures():
        from smecheck.programs.triage import exit_status
        from smecheck.report.render import render_triage

        reporting.refuse_other_formats("triage", TRIAGE_FORMATS)
        named = [options["kernel"], *(options[name] for name in FILE_OPTIONS)]
        _refuse_two_pipes([*paths, *named])
        reporting.refuse_overwriting((*paths, *named))
        tolerance = tolerance_of(options)

        report = _answer(paths, options)
        if options["redact"]:
            from smecheck.report.redaction import redacted

            report = redacted(report)
        status = exit_status(report, tolerance)
        reporting.deliver(partial(render_triage, report), status, tolerance)
        return int(status)


def _answer(paths: tuple[str, ...], options: dict[str, Any]) -> TriageReport:
    from smecheck.cli.progress import Progress
    from smecheck.programs.triage import triage as answer
    from smecheck.read.kernel.complements import Complements

    complements = Complements(options["bzimage"], options["symbols"], options["config"])
    progress = Progress(paths)
    try:
        return answer(
            paths,
            options["kernel"],
            complements,
            lambda image: case_of(image, options),
            progress.update,
        )
    finally:
        progress.clear()


def _refuse_two_pipes(paths: list[str | None]) -> None:
    if paths.count("-") > 1:
        raise UsageError(
            "standard input can be only one of the inputs",
            help_text="put the others into files",
        )
