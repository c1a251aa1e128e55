"""``smecheck gate``: static rules, the proof and the machines of a policy in one run."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from smecheck.checks.finding import Severity
from smecheck.checks.tolerance import Tolerance
from smecheck.cli.complements import COMPLEMENT_NAMES, complement_options, complements_of
from smecheck.cli.file_command import FileCommand
from smecheck.cli.machine_code import verification_of, verify_option
from smecheck.cli.parameters import HELP_NAMES, day, enum_option
from smecheck.cli.reporting import reporting_of, reporting_options
from smecheck.errors import ExitCode

if TYPE_CHECKING:
    from smecheck.builds.build_facts import BuildFacts
    from smecheck.builds.gate_report import GateReport, Unreadable
    from smecheck.builds.policy import Policy, PolicyMachine
    from smecheck.case import Case
    from smecheck.kernel.image import KernelImage
    from smecheck.read.build.machine_files import MachineFacts
    from smecheck.read.build.policy import KnownRules

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
        from smecheck.builds.gate import GateQuestion
        from smecheck.builds.gate import gate as answer
        from smecheck.read.kernel.complements import read_with_misfits
        from smecheck.report.row_render import render_gate

        complements = complements_of(kernel, options, options["policy"])
        policy = _policy(options["policy"])
        reporting.refuse_overwriting(_inputs(kernel, options, policy))
        image = read_with_misfits(kernel, complements)
        verification = None
        if options["verify"]:
            verification = verification_of((kernel, options["bzimage"]), image, quick=True)
        report = answer(
            GateQuestion(
                image=image,
                today=options["today"],
                policy=policy,
                ask_about=_asker(image, policy) if policy else None,
                baseline=_baseline(image, policy) if policy else None,
                fail_on=options["fail_on"],
                allow_undecided=options["allow_undecided"] or None,
                verification=verification,
            )
        )
        status = gate_status(report, exit_zero=options["exit_zero"])
        tolerance = Tolerance(report.fail_on, report.allow_undecided, options["exit_zero"])
        reporting.deliver(partial(render_gate, report), status, tolerance)
        return int(status)


def gate_status(report: GateReport, *, exit_zero: bool) -> ExitCode:
    """Return the exit status of a gate's answer."""
    from smecheck.builds.gate_report import GateVerdict

    status = {
        GateVerdict.PASS: ExitCode.OK,
        GateVerdict.FAIL: ExitCode.FINDINGS,
        GateVerdict.UNDECIDED: ExitCode.UNDECIDED,
        GateVerdict.ERROR: ExitCode.INPUT,
    }[report.verdict]
    return ExitCode.OK if exit_zero and status is not ExitCode.INPUT else status


def _policy(path: str | None) -> Policy | None:
    if path is None:
        return None
    from smecheck.read.build.policy import read_policy

    return read_policy(path, known_rules())


def known_rules() -> KnownRules:
    """Return the rules that a policy can speak of."""
    from smecheck.builds.rows import DECIDING
    from smecheck.checks.catalogue import RULES
    from smecheck.checks.finding import Effect
    from smecheck.read.build.policy import KnownRules

    deciding = [rule.id for rule in RULES.values() if rule.effect is not Effect.NONE]
    return KnownRules(tuple(RULES), (*deciding, *DECIDING))


def _inputs(kernel: str, options: dict[str, Any], policy: Policy | None) -> list[str | None]:
    """Return every file that is read, so that none is written to."""
    machines = policy.machines if policy else ()
    named = [file.path for machine in machines for file in machine.files.values()]
    baselines = [t.baseline.path for t in (policy.thresholds if policy else ()) if t.baseline]
    given = [options[name] for name in (*COMPLEMENT_NAMES, "policy")]
    return [kernel, *given, *named, *baselines]


def _asker(image: KernelImage, policy: Policy) -> Callable[[PolicyMachine], Case | Unreadable]:
    """Return what reads the files of a machine when it is asked about."""
    from smecheck.read.build.machine_files import MachineFiles

    files = MachineFiles(policy.machines)
    return lambda machine: _question(image, machine, files.of(machine))


def _question(
    image: KernelImage, machine: PolicyMachine, facts: MachineFacts | Unreadable
) -> Case | Unreadable:
    from smecheck.builds.gate_report import Unreadable
    from smecheck.case import Case
    from smecheck.load.contradiction import contradiction
    from smecheck.load.request import Machine
    from smecheck.machine.host import Host

    if isinstance(facts, Unreadable):
        return facts
    loading = Machine(host=facts.host or Host(), window=machine.window)
    found = contradiction(machine.request, loading, facts.segments)
    if found is not None:
        return Unreadable(found.message, machine.where, found.help_text)
    return Case(
        image,
        machine.request,
        facts.segments,
        facts.memory,
        facts.firmware,
        facts.log,
        loading,
    )


def _baseline(image: KernelImage, policy: Policy) -> BuildFacts | Unreadable | None:
    """Read the baseline of the thresholds for this flavour."""
    from smecheck.builds.thresholds import thresholds_for
    from smecheck.cli.build import build_of
    from smecheck.errors import InputError
    from smecheck.read.build.machine_files import unreadable

    limits = thresholds_for(policy, image.release)
    if limits is None or limits.baseline is None:
        return None
    try:
        return build_of(limits.baseline.path)
    except InputError as error:
        return unreadable(limits.baseline, error)
