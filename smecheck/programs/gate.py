"""A gate over files: the kernel, its policy and baseline, and the files of every machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smecheck.builds.gate import GateOptions, GateQuestion
from smecheck.builds.gate import gate as answer
from smecheck.builds.gate_report import GateReport, Unreadable
from smecheck.builds.policy import KnownRules, Policy, PolicyMachine
from smecheck.errors import InputError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from smecheck.builds.build_facts import BuildFacts
    from smecheck.case import Case
    from smecheck.kernel.image import KernelImage
    from smecheck.kernel.verification import Verification


def read_policy(path: str) -> Policy:
    """Read a policy; raises as :func:`smecheck.read.build.policy.read_policy` does."""
    from smecheck.read.build.policy import read_policy as read

    return read(path, known_rules())


def known_rules() -> KnownRules:
    """Return the rules that a policy can speak of."""
    from smecheck.checks.catalogue import RULES
    from smecheck.checks.finding import Effect

    deciding = tuple(
        rule.id
        for rule in RULES.values()
        if rule.effect is not Effect.NONE or rule.bearing.answers_for_the_proof
    )
    return KnownRules(tuple(RULES), deciding)


def gate(
    image: KernelImage,
    policy: Policy | None,
    options: GateOptions,
    verification: Verification | None = None,
) -> GateReport:
    """Hold a kernel against a policy, whose files are read when their turn comes.

    Args:
        image: the kernel, as :func:`smecheck.read.kernel.complements.read_with_misfits` reads it.
        policy: machines, thresholds, waivers; ``None`` for the kernel alone.
        options: what else is said.
        verification: what running the kernel's own code came to.

    Raises:
        UsageError: what is to be ignored is not a rule.
    """
    _refuse_unknown(options.ignored)
    return answer(
        GateQuestion(
            image=image,
            options=options,
            policy=policy,
            ask_about=_asker(image, policy) if policy else None,
            baseline=_baseline(image, policy) if policy else None,
            verification=verification,
        )
    )


def _refuse_unknown(ignored: tuple[str, ...]) -> None:
    if not ignored:
        return
    from smecheck.checks.catalogue import RULES

    for rule in ignored:
        if rule not in RULES:
            raise UsageError(f"there is no rule {rule!r}", help_text="smecheck rules lists them")


def _asker(image: KernelImage, policy: Policy) -> Callable[[PolicyMachine], Case | Unreadable]:
    """Return what reads the files of a machine when it is asked about."""
    from smecheck.read.build.machine_files import MachineFiles

    files = MachineFiles(policy.machines)
    return lambda machine: files.case(image, machine)


def _baseline(image: KernelImage, policy: Policy) -> BuildFacts | Unreadable | None:
    """Read the baseline of the thresholds for this flavour."""
    from smecheck.builds.thresholds import thresholds_for

    limits = thresholds_for(policy, image.release)
    if limits is None or limits.baseline is None:
        return None
    from smecheck.programs.compare import build_of
    from smecheck.read.build.machine_files import unreadable

    try:
        return build_of(limits.baseline.path)
    except InputError as error:
        return unreadable(limits.baseline, error)
