"""Reading the policy of a gate, ``smecheck/policy-v1``.

The files that it names are not opened here: a policy is right or wrong by itself. Their names are
taken from the policy's own folder, so that it can lie in a kernel tree beside them.
"""

from __future__ import annotations

import datetime
import os
from collections.abc import Callable, Collection
from functools import partial

from smecheck.builds.gate_report import KERNEL_TARGET
from smecheck.builds.policy import (
    KnownRules,
    NamedFile,
    Policy,
    PolicyMachine,
    RuleSetting,
    Thresholds,
    Waiver,
)
from smecheck.checks.finding import Severity
from smecheck.errors import UnreadableInput
from smecheck.read.build.policy_machine import read_machines
from smecheck.read.source import TEXT_LIMIT, decode_text, display_name, read_bounded
from smecheck.read.yaml.fields import Fields, open_description
from smecheck.read.yaml.nodes import (
    BadNodeError,
    Node,
    boolean,
    integer,
    member,
    nearest,
    nonempty_line,
    quoted,
)

SCHEMA = "smecheck/policy-v1"

OTHER_CHECKS = ("proof", "verdict", "slack", "growth")
"""Checks that are not rules, and can be waived all the same."""

_KEYS = ("fail_on", "allow_undecided", "rules", "thresholds", "machines", "waivers")
_THRESHOLD_KEYS = ("flavour", "min_slack", "max_growth", "baseline")
_WAIVER_KEYS = ("check", "target", "reason", "owner", "expires")
_OFF = "off"


def read_policy(path: str, rules: KnownRules) -> Policy:
    """Read a policy; ``-`` is standard input, and names are taken from the working directory then.

    Raises:
        UnreadableInput: it cannot be read.
        MalformedInput: it is not YAML, or no such policy; the message shows all that is wrong.
    """
    name = display_name(path)
    data = read_bounded(path, TEXT_LIMIT)
    if not data.strip():
        raise UnreadableInput("is empty", where=name, help_text="see docs/gate.md for an example")
    return parse_policy(decode_text(data, name), name, rules, folder=os.path.dirname(path))  # noqa: PTH120 - a str is what users give


def parse_policy(text: str, name: str, rules: KnownRules, *, folder: str = "") -> Policy:
    """Read the policy ``text``, the contents of the file ``name``.

    Raises:
        MalformedInput: it is not YAML, or no such policy.
    """
    fields = open_description(text, name, SCHEMA, _KEYS)
    file_in = partial(_file, folder)
    machines = read_machines(fields, file_in)
    policy = Policy(
        source=name,
        fail_on=fields.get("fail_on", member(Severity)),
        allow_undecided=fields.get("allow_undecided", boolean),
        rules=_rules(fields, rules),
        thresholds=_thresholds(fields, file_in),
        machines=machines,
        waivers=_waivers(fields, rules, machines),
    )
    fields.finish()
    return policy


def _file(folder: str, fields: Fields, key: str) -> NamedFile | None:
    """Return the file that ``key`` names."""
    name = fields.get(key, nonempty_line)
    if name == "-":
        fields.problem(key, "standard input is not a file; name one")
    if name is None:
        return None
    return NamedFile(os.path.join(folder, name), fields.place(key))  # noqa: PTH118 - strings


def _rules(fields: Fields, rules: KnownRules) -> dict[str, RuleSetting]:
    settings = fields.nested("rules", rules.ids)
    if settings is None:
        return {}
    read: dict[str, RuleSetting] = {}
    for rule in rules.ids:
        if rule not in settings:
            continue
        severity = settings.get(rule, _severity_or_off)
        if severity == _OFF and rule in rules.deciding:
            settings.problem(
                rule, f"{rule} decides verdicts and cannot be switched off; waive it instead"
            )
        kept = severity if isinstance(severity, Severity) else None
        read[rule] = RuleSetting(kept, settings.place(rule))
    return read


def _severity_or_off(node: Node) -> Severity | str:
    if nonempty_line(node) == _OFF:
        return _OFF
    try:
        return member(Severity)(node)
    except BadNodeError as error:
        known = (*(severity.value for severity in Severity), _OFF)
        raise BadNodeError(
            node,
            f"unknown value {quoted(nonempty_line(node))}{nearest(nonempty_line(node), known)}",
        ) from error


def _thresholds(
    fields: Fields, file_in: Callable[[Fields, str], NamedFile | None]
) -> tuple[Thresholds, ...]:
    read = []
    for item in fields.each("thresholds", _THRESHOLD_KEYS):
        limits = Thresholds(
            flavour=item.get("flavour", nonempty_line) or "*",
            where=item.where,
            min_slack=item.get("min_slack", integer),
            max_growth=item.get("max_growth", integer),
            baseline=file_in(item, "baseline"),
        )
        if "max_growth" in item and "baseline" not in item:
            item.problem("max_growth", "max_growth needs a 'baseline' to compare the kernel with")
        if "min_slack" not in item and "max_growth" not in item:
            item.problem("flavour", "neither min_slack nor max_growth is given")
        read.append(limits)
    return tuple(read)


def _waivers(
    fields: Fields, rules: KnownRules, machines: tuple[PolicyMachine, ...]
) -> tuple[Waiver, ...]:
    checks = (*rules.ids, *OTHER_CHECKS)
    targets = (KERNEL_TARGET, *(machine.name for machine in machines))
    read = []
    check_of, target_of = _one_of(checks, "check"), _one_of(targets, "target")
    for item in fields.each("waivers", _WAIVER_KEYS):
        check = item.need("check", check_of)
        target = item.get("target", target_of)
        reason, owner = item.need("reason", nonempty_line), item.need("owner", nonempty_line)
        expires = item.need("expires", _day)
        if check is not None and reason is not None and owner is not None and expires is not None:
            read.append(Waiver(check, target, reason, owner, expires, item.where))
    return tuple(read)


def _one_of(known: Collection[str], what: str) -> Callable[[Node], str]:
    names = frozenset(known)

    def read(node: Node) -> str:
        written = nonempty_line(node)
        if written not in names:
            raise BadNodeError(node, f"unknown {what} {quoted(written)}{nearest(written, known)}")
        return written

    return read


def _day(node: Node) -> str:
    """Read a day; ``datetime`` also knows other forms, which sort otherwise."""
    written = nonempty_line(node)
    try:
        if datetime.date.fromisoformat(written).isoformat() == written:
            return written
    except ValueError:
        pass
    raise BadNodeError(node, f"{quoted(written)} is not a date; write it as 2026-12-31")
