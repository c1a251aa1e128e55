"""``smecheck analyze``: the main job."""

from __future__ import annotations

from functools import partial
from typing import Any

import click

from smecheck.cli.file_command import FileCommand
from smecheck.cli.outcome import failure_options, tolerance_of
from smecheck.cli.parameters import HELP_NAMES, verify_option
from smecheck.cli.question_options import FILE_OPTIONS, case_of, question_options
from smecheck.cli.reporting import picture_options, reporting_of, reporting_options

_EPILOG = """
\b
Examples:
  smecheck analyze vmlinux
  smecheck analyze vmlinux --iomem iomem.txt --segments kexec.log --kaslr off --explain
  smecheck analyze vmlinuz --iomem iomem.txt --mode crash --kexec-tools 2.0.25 --initrd initrd.img
  ssh host sudo cat /proc/iomem | smecheck analyze vmlinux --iomem - --segments load.yaml
  smecheck analyze vmlinux --iomem iomem.txt --segments kexec.log --advise
  smecheck analyze vmlinuz --report junit=smecheck.xml --report markdown=summary.md

\b
Exit codes, the same for every format:
  0  analyzed, nothing at or above --fail-on
  1  findings at or above --fail-on, and nothing else
  2  usage error
  3  an input could not be read or understood; nothing was analyzed
  4  undecided: a fact that the verdict needs is missing (--allow-undecided makes it 0)
 70  a bug in smecheck
"""


@click.command(
    cls=FileCommand,
    epilog=_EPILOG,
    short_help="Show where the workarea is and what it collides with.",
    context_settings=HELP_NAMES,
)
@click.argument("kernel", metavar="KERNEL")
@question_options
@reporting_options()
@picture_options
@failure_options
@click.option("--advise", is_flag=True, help="Try possible fixes and report the verdict of each.")
@verify_option
def analyze(kernel: str, **options: Any) -> int:
    """Show where the SME workarea of KERNEL is and what it collides with.

    KERNEL is a vmlinuz, a vmlinux (ELF, stripped or not), its symbols as a list (System.map,
    /proc/kallsyms) or a YAML description; - is standard input. What it lacks is taken from the
    files that --symbols, --bzimage and --config name, if they are of the same build.
    With nothing else, the answer is what holds on every machine. With the machine's memory map and
    the segments of a kexec load, it is the answer for that load. Segments that were not recorded
    are predicted if --loader, --mode or --host describe a load.
    """
    reporting = reporting_of(options)
    with reporting.failures():
        reporting.refuse_overwriting((kernel, *(options[name] for name in FILE_OPTIONS)))
        tolerance = tolerance_of(options)

        from smecheck.analysis import analyze as answer
        from smecheck.checks.tolerance import exit_status
        from smecheck.record import replace
        from smecheck.report.render import draw, render

        question = case_of(kernel, options)
        if options["verify"]:
            from smecheck.programs.verify import verification_of

            code = verification_of((kernel, options["bzimage"]), question.image, quick=True)
            question = replace(question, verification=code)
        report = answer(question)
        if options["advise"]:
            from smecheck.advice.advise import advise

            report = replace(report, advice=advise(question, report))
        premises = (*report.assumptions, *tolerance.statements)
        report = replace(report, assumptions=premises)
        status = exit_status(report, tolerance)
        reporting.deliver(partial(render, report), status, tolerance, draw=partial(draw, report))
        return int(status)
