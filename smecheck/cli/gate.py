"""``smecheck gate``: static rules, the proof and the machines of a policy in one run."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import click

from smecheck.checks.finding import Severity
from smecheck.checks.tolerance import Tolerance
from smecheck.cli.complements import COMPLEMENT_NAMES, complement_options, complements_of
from smecheck.cli.file_command import FileCommand
from smecheck.cli.outcome import ignore_option, known_rules_only, min_slack_option
from smecheck.cli.parameters import HELP_NAMES, day, enum_option, verify_option
from smecheck.cli.reporting import page_option, reporting_of, reporting_options
from smecheck.errors import UsageError

if TYPE_CHECKING:
    from smecheck.builds.policy import Policy

_EPILOG = """
\b
Examples:
  smecheck gate arch/x86/boot/bzImage
  smecheck gate vmlinux --bzimage bzImage --config .config
  smecheck gate vmlinuz --policy smecheck.yaml --report json=smecheck.json
  smecheck gate vmlinuz --policy smecheck.yaml --today 2026-12-31
  smecheck gate vmlinuz-* --policy smecheck.yaml --report markdown=summary.md
  smecheck gate vmlinux --verify
  git bisect run smecheck gate -q --bisect vmlinux

\b
Exit codes, the same for every format:
  0  nothing failed at or above --fail-on
  1  a check failed: a rule, a threshold, a machine, or an expired waiver
  2  usage error
  3  an input could not be read; if it was a machine's file, the rest was still checked
  4  undecided: a fact is missing (--allow-undecided makes it 0)
 70  a bug in smecheck
"""


@click.command(
    cls=FileCommand,
    epilog=_EPILOG,
    short_help="Check a build: static rules, the proof, a policy's machines.",
    context_settings=HELP_NAMES,
)
@click.argument("kernels", metavar="KERNEL...", nargs=-1, required=True)
@complement_options
@click.option(
    "--policy",
    metavar="FILE",
    help="Machines, severities, thresholds and waivers, in YAML; smecheck policy init "
    "writes a first one. Default: no machine.",
)
@click.option(
    "--today",
    metavar="DATE",
    callback=day,
    help="Day on which waivers must not have expired, e.g. 2026-12-31; default: today (UTC).",
)
@reporting_options()
@page_option
@enum_option(
    "--fail-on",
    enum=Severity,
    help="Lowest severity that fails the gate; default: the policy's, or error.",
)
@click.option(
    "--allow-undecided", is_flag=True, help="Exit 0, not 4, when the verdict is undecided."
)
@click.option(
    "--exit-zero", is_flag=True, help="Exit 0 instead of 1 or 4; usage and input errors still fail."
)
@ignore_option
@min_slack_option
@verify_option
@click.option(
    "--bisect",
    is_flag=True,
    help="Exit as git bisect run expects: 0 good, 1 bad, 125 if KERNEL cannot be read or decided, "
    "128 or above to stop the bisection.",
)
def gate(kernels: tuple[str, ...], **options: Any) -> int:
    """Check a build of KERNEL: static rules, the proof, and every machine of a policy.

    KERNEL is whatever analyze takes. Without a policy, the gate checks the rules that need no
    machine, and whether every loader is proven to reserve the workarea for the kernel, on every
    machine. Each check has its own outcome; one that could not be made says why. A --bzimage,
    --symbols or --config of another build fails the gate (SME026), where analyze refuses it.
    Several kernels are checked against the same policy, and the worst outcome decides.
    """
    reporting = reporting_of(options)
    with reporting.failures():
        from smecheck.builds.gate import GateOptions
        from smecheck.builds.gate_report import GatesReport
        from smecheck.programs.gate import gate as answer
        from smecheck.programs.gate import read_policy
        from smecheck.read.kernel.complements import read_with_misfits
        from smecheck.report.render import draw_gates, render_gates

        _refuse_of_several(kernels, options)
        complements = complements_of(kernels[0], options, options["policy"], *kernels[1:])
        policy = read_policy(options["policy"]) if options["policy"] is not None else None
        reporting.refuse_overwriting(_inputs(kernels, options, policy))
        said = GateOptions(
            options["today"],
            options["fail_on"],
            options["allow_undecided"] or None,
            known_rules_only(options["ignore"]),
            options["min_slack"],
        )
        gates = []
        for kernel in kernels:
            image = read_with_misfits(kernel, complements)
            verification = None
            if options["verify"]:
                from smecheck.programs.verify import verification_of

                verification = verification_of((kernel, options["bzimage"]), image, quick=True)
            gates.append(answer(image, policy, said, verification))
        report = GatesReport(tuple(gates))
        status = report.verdict.exit_code(exit_zero=options["exit_zero"])
        first = report.gates[0]
        tolerance = Tolerance(first.fail_on, first.allow_undecided, options["exit_zero"])
        reporting.deliver(
            partial(render_gates, report), status, tolerance, draw=partial(draw_gates, report)
        )
        return int(status)


def _refuse_of_several(kernels: tuple[str, ...], options: dict[str, Any]) -> None:
    """Refuse what can be meant of one kernel only.

    Raises:
        UsageError: it was given with several.
    """
    of_one = (*COMPLEMENT_NAMES, "bisect", "kcidb_build")
    given = [name for name in of_one if options[name]]
    if len(kernels) > 1 and given:
        option = f"--{given[0].replace('_', '-')}"
        raise UsageError(
            f"{option} is of one kernel, and {len(kernels)} are given",
            help_text="run the gate for that kernel by itself",
        )


def _inputs(
    kernels: tuple[str, ...], options: dict[str, Any], policy: Policy | None
) -> list[str | None]:
    """Return every file that is read, so that none is written to."""
    machines = policy.machines if policy else ()
    named = [file.path for machine in machines for file in machine.files.values()]
    baselines = [t.baseline.path for t in (policy.thresholds if policy else ()) if t.baseline]
    given = [options[name] for name in (*COMPLEMENT_NAMES, "policy")]
    return [*kernels, *given, *named, *baselines]
