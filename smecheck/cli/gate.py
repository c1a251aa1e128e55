"""``smecheck gate``: static rules, the proof and the machines of a policy in one run."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import click

from smecheck.checks.finding import Severity
from smecheck.checks.tolerance import Tolerance
from smecheck.cli.complements import COMPLEMENT_NAMES, complement_options, complements_of
from smecheck.cli.file_command import FileCommand
from smecheck.cli.machine_code import verify_option
from smecheck.cli.parameters import HELP_NAMES, day, enum_option
from smecheck.cli.reporting import reporting_of, reporting_options

if TYPE_CHECKING:
    from smecheck.builds.policy import Policy

_EPILOG = """
\b
Examples:
  smecheck gate arch/x86/boot/bzImage
  smecheck gate vmlinux --bzimage bzImage --config .config
  smecheck gate vmlinuz --policy smecheck.yaml --report json=smecheck.json
  smecheck gate vmlinuz --policy smecheck.yaml --today 2026-12-31
  smecheck gate vmlinux --verify
  git bisect run smecheck gate -q --bisect vmlinux

\b
Exit codes, the same for every format:
  0  nothing failed at or above --fail-on
  1  something did: a rule, a threshold, a machine, an expired waiver
  2  usage error
  3  an input could not be read; of a machine's files, the rest was checked all the same
  4  undecided: a fact is missing (--allow-undecided makes it 0)
 70  a bug of smecheck
"""


@click.command(cls=FileCommand, epilog=_EPILOG, context_settings=HELP_NAMES)
@click.argument("kernel", metavar="KERNEL")
@complement_options
@click.option(
    "--policy",
    metavar="FILE",
    help="Machines, severities, thresholds and waivers, in YAML (docs/gate.md).",
)
@click.option(
    "--today",
    metavar="DATE",
    callback=day,
    help="The day that waivers are held against, as 2026-12-31; default: today.",
)
@reporting_options
@enum_option(
    "--fail-on",
    enum=Severity,
    help="From which severity on the gate fails; default: the policy's, or error.",
)
@click.option("--allow-undecided", is_flag=True, help="An open question is no failure.")
@click.option("--exit-zero", is_flag=True, help="Neither failures nor open questions count.")
@verify_option
@click.option(
    "--bisect",
    is_flag=True,
    help="Exit as git bisect run wants it: 0 good, 1 bad, 125 for what cannot be read or decided, "
    "128 and above for what must stop it.",
)
def gate(kernel: str, **options: Any) -> int:
    """Check a build of KERNEL: static rules, the proof, and every machine of a policy.

    KERNEL is whatever analyze takes. Without a policy, the rules that need no machine are asked,
    and whether the workarea is proven to be the kernel's own on every machine. Each check has an
    outcome of its own; what could not be asked says why. A --bzimage, --symbols or --config of
    another build is a failure here (SME026), where analyze refuses it.
    """
    reporting = reporting_of(options)
    with reporting.failures():
        from smecheck.programs.gate import GateOptions, exit_status, read_policy
        from smecheck.programs.gate import gate as answer
        from smecheck.read.kernel.complements import read_with_misfits
        from smecheck.report.row_render import render_gate

        complements = complements_of(kernel, options, options["policy"])
        policy = read_policy(options["policy"]) if options["policy"] is not None else None
        reporting.refuse_overwriting(_inputs(kernel, options, policy))
        image = read_with_misfits(kernel, complements)
        verification = None
        if options["verify"]:
            from smecheck.programs.verify import verification_of

            verification = verification_of((kernel, options["bzimage"]), image, quick=True)
        said = GateOptions(options["today"], options["fail_on"], options["allow_undecided"] or None)
        report = answer(image, policy, said, verification)
        status = exit_status(report, exit_zero=options["exit_zero"])
        tolerance = Tolerance(report.fail_on, report.allow_undecided, options["exit_zero"])
        reporting.deliver(partial(render_gate, report), status, tolerance)
        return int(status)


def _inputs(kernel: str, options: dict[str, Any], policy: Policy | None) -> list[str | None]:
    """Return every file that is read, so that none is written to."""
    machines = policy.machines if policy else ()
    named = [file.path for machine in machines for file in machine.files.values()]
    baselines = [t.baseline.path for t in (policy.thresholds if policy else ()) if t.baseline]
    given = [options[name] for name in (*COMPLEMENT_NAMES, "policy")]
    return [kernel, *given, *named, *baselines]
