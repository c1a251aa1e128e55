"""The options for files that complement KERNEL, the same for every command that reads one."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from smecheck.cli.parameters import with_options
from smecheck.errors import UsageError

if TYPE_CHECKING:
    from smecheck.read.kernel.complements import Complements

COMPLEMENT_NAMES = ("symbols", "bzimage", "config")

_OPTIONS = (
    click.option(
        "--symbols",
        metavar="FILE",
        help="System.map or /proc/kallsyms of the same build, for symbols that KERNEL lacks.",
    ),
    click.option(
        "--bzimage",
        metavar="FILE",
        help="vmlinuz of the same build, for init_size and whatever else KERNEL lacks.",
    ),
    click.option(
        "--config",
        metavar="FILE",
        help="Configuration of the same build (.config), for options that KERNEL does not show.",
    ),
)


def complement_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options ``--symbols``, ``--bzimage`` and ``--config``."""
    return with_options(command, _OPTIONS)


def complements_of(kernel: str, options: dict[str, Any], *others: str | None) -> Complements:
    """Return the files that the options name.

    Args:
        kernel: KERNEL.
        options: all of the command's.
        others: what else the command reads.

    Raises:
        UsageError: two of all the inputs are standard input.
    """
    from smecheck.read.kernel.complements import Complements

    complements = Complements(
        bzimage=options["bzimage"], symbols=options["symbols"], config=options["config"]
    )
    if (kernel, *complements.paths, *others).count("-") > 1:
        raise UsageError(
            "standard input can be only one of the inputs",
            help_text="put the others into files",
        )
    return complements
