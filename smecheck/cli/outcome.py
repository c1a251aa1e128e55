"""The options that say what counts as failure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from smecheck.checks.finding import Severity
from smecheck.checks.tolerance import Tolerance
from smecheck.cli.parameters import enum_option, size, with_options
from smecheck.errors import UsageError

ignore_option = click.option(
    "--ignore",
    metavar="RULE",
    multiple=True,
    help="Do not count findings of RULE, e.g. SME013, towards the exit status; repeatable.",
)
min_slack_option = click.option(
    "--min-slack",
    metavar="SIZE",
    callback=size,
    help="How far init_size must reach past the mapped end of the workarea, at least, e.g. 1M; "
    "default: no limit.",
)

_OPTIONS = (
    enum_option(
        "--fail-on",
        enum=Severity,
        default="error",
        help="Lowest severity of a finding that makes the exit status 1; default: error.",
    ),
    click.option(
        "--allow-undecided", is_flag=True, help="Exit 0, not 4, when the verdict is undecided."
    ),
    click.option(
        "--exit-zero",
        is_flag=True,
        help="Exit 0 instead of 1 or 4; usage and input errors still fail.",
    ),
    ignore_option,
)


def failure_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that say what counts as failure."""
    return with_options(command, _OPTIONS)


def tolerance_of(options: dict[str, Any]) -> Tolerance:
    """Return what the options let pass.

    Raises:
        UsageError: ``--ignore`` names no rule.
    """
    return Tolerance(
        fail_on=options["fail_on"],
        allow_undecided=options["allow_undecided"],
        exit_zero=options["exit_zero"],
        ignored=known_rules_only(options["ignore"]),
    )


def known_rules_only(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the values of ``--ignore``.

    Raises:
        UsageError: one names no rule.
    """
    if names:
        from smecheck.checks.catalogue import RULES

        for name in names:
            if name not in RULES:
                raise UsageError(
                    f"--ignore {name!r}: there is no such rule",
                    help_text="smecheck rules lists them",
                )
    return names
