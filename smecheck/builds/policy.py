"""The policy of a gate: what a build is held against, and what is let pass for a while."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smecheck.asked import BootRequest
from smecheck.checks.finding import Severity
from smecheck.record import record
from smecheck.span import Span

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping


@record
class KnownRules:
    """The rules that a policy can speak of."""

    ids: Collection[str]
    deciding: Collection[str]
    """Those that make a verdict, so that they cannot be switched off."""


@record
class NamedFile:
    """A file that a policy names."""

    path: str
    """Ready to be opened: relative names are taken from the policy's own folder."""
    where: str
    """The place in the policy: ``policy.yaml:7:12``."""


@record
class PolicyMachine:
    """A machine, and a load or a boot on it, that a kernel has to be clear on."""

    name: str
    where: str
    request: BootRequest
    files: Mapping[str, NamedFile]
    """By what they hold: ``iomem``, ``memmap``, ``dmesg``, ``host``, ``segments``."""
    crash_region: Span | None
    """The crash reservation, where it is not that of the memory map."""
    window: Span
    """What ``mem_min`` and ``mem_max`` leave to kexec."""


@record
class Thresholds:
    """Limits for the builds of one flavour."""

    flavour: str
    """A pattern of releases, as of a shell: ``*-cloud-amd64``."""
    where: str
    min_slack: int | None
    """Bytes that init_size must reach past the mapped end of the workarea."""
    max_growth: int | None
    """Bytes by which ``_end - _text`` may exceed that of the baseline."""
    baseline: NamedFile | None
    """A report that was kept, or any form of a kernel."""


@record
class Waiver:
    """Something that is known to fail and let pass until a day."""

    check: str
    """The id of a rule, or the name of another check: ``proof``, ``verdict``, ``slack``, …"""
    target: str | None
    """The machine, or ``kernel``; ``None`` for all."""
    reason: str
    owner: str
    expires: str
    """The last day that it holds, as ``2026-12-31``."""
    where: str


@record
class RuleSetting:
    """What a policy makes of a rule."""

    severity: Severity | None
    """``None``: the rule is off."""
    where: str


@record
class Policy:
    """A whole policy."""

    source: str
    fail_on: Severity | None
    """``None`` where it does not say."""
    allow_undecided: bool | None
    rules: Mapping[str, RuleSetting]
    thresholds: tuple[Thresholds, ...]
    machines: tuple[PolicyMachine, ...]
    waivers: tuple[Waiver, ...]
