"""``smecheck compare``: two builds, or a build and a report of an earlier one."""

from __future__ import annotations

from functools import partial
from typing import Any

import click

from smecheck.checks.tolerance import Tolerance
from smecheck.cli.complements import COMPLEMENT_NAMES, complement_options, complements_of
from smecheck.cli.file_command import FileCommand
from smecheck.cli.outcome import min_slack_option
from smecheck.cli.parameters import HELP_NAMES, size
from smecheck.cli.reporting import page_option, reporting_of, reporting_options

_EPILOG = """
\b
Examples:
  smecheck compare /boot/vmlinuz-6.1.0-55-amd64 /boot/vmlinuz-6.1.0-56-amd64
  smecheck compare kept.json arch/x86/boot/bzImage --min-slack 1M --max-growth 512K
  smecheck compare old.yaml vmlinux --bzimage bzImage --format markdown

\b
Exit codes, the same for every format:
  0  nothing got worse
  1  a rule fails that did not, the verdict is worse, or a threshold is exceeded
  2  usage error
  3  an input could not be read or understood
  4  undecided: a threshold or the verdict lacks a fact (--allow-undecided makes it 0)
 70  a bug in smecheck
"""


@click.command(cls=FileCommand, epilog=_EPILOG, context_settings=HELP_NAMES)
@click.argument("old", metavar="OLD")
@click.argument("new", metavar="NEW")
@complement_options
@min_slack_option
@click.option(
    "--max-growth",
    metavar="SIZE",
    callback=size,
    help="How much larger _end - _text may be than in OLD, e.g. 512K; default: no limit.",
)
@reporting_options()
@page_option
@click.option(
    "--allow-undecided", is_flag=True, help="Exit 0, not 4, when the verdict is undecided."
)
@click.option(
    "--exit-zero", is_flag=True, help="Exit 0 instead of 1 or 4; usage and input errors still fail."
)
def compare(old: str, new: str, **options: Any) -> int:
    """Show what moved between two builds, and what got worse.

    OLD and NEW are kernels in any form that analyze takes, or JSON reports that analyze, gate or
    compare wrote. --bzimage, --symbols and --config complement NEW.
    """
    reporting = reporting_of(options)
    with reporting.failures():
        from smecheck.builds.comparison import Limits
        from smecheck.programs.compare import compare as answer
        from smecheck.programs.compare import exit_status
        from smecheck.report.render import draw_comparison, render_comparison

        given = [options[name] for name in COMPLEMENT_NAMES]
        reporting.refuse_overwriting([old, new, *given])
        complements = complements_of(new, options, old)
        limits = Limits(options["min_slack"], options["max_growth"])
        comparison = answer(old, new, complements, limits)
        tolerance = Tolerance(
            allow_undecided=options["allow_undecided"], exit_zero=options["exit_zero"]
        )
        status = exit_status(comparison, tolerance)
        reporting.deliver(
            partial(render_comparison, comparison),
            status,
            tolerance,
            draw=partial(draw_comparison, comparison),
        )
        return int(status)
