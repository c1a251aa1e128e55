"""What several commands' options share: what their texts mean, and options that are the same."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import Enum
from typing import Any, TypeVar

import click

from smecheck.asked import GivenInitrd
from smecheck.errors import system_reason
from smecheck.quantity import parse_integer
from smecheck.report.options import Format

HELP_NAMES = {"help_option_names": ["-h", "--help"]}
"""Settings of every command."""

E = TypeVar("E", bound=Enum)
Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def with_options(command: Callable[..., Any], options: Iterable[Decorator]) -> Callable[..., Any]:
    """Give a command options, which its help lists in that order."""
    for option in reversed(tuple(options)):
        command = option(command)
    return command


def address(ctx: click.Context, param: click.Parameter, value: str | None) -> int | None:
    """Read a physical address, ``0x…`` or decimal."""
    if value is None:
        return None
    try:
        return parse_integer(value)
    except ValueError as error:
        raise click.BadParameter(f"{value!r}: {error}", ctx, param) from None


def size(ctx: click.Context, param: click.Parameter, value: str | None) -> int | None:
    """Read a size in bytes, with or without a unit."""
    return address(ctx, param, value)


def day(ctx: click.Context, param: click.Parameter, value: str | None) -> str:
    """Read a day, ``2026-12-31``; today's where none is given: the only look at the clock."""
    import datetime

    if value is None:
        return datetime.datetime.now(datetime.UTC).date().isoformat()
    try:
        if datetime.date.fromisoformat(value).isoformat() == value:
            return value
    except ValueError:
        pass
    raise click.BadParameter(f"{value!r} is not a date; write it as 2026-12-31", ctx, param)


def given_initrd(
    ctx: click.Context, param: click.Parameter, value: str | None
) -> GivenInitrd | None:
    """Read the size of an initrd, or take it from a file."""
    if value is None:
        return None
    try:
        return GivenInitrd(parse_integer(value))
    except ValueError as error:
        not_a_size = error
    from smecheck.read.load.initrd_file import initrd_in

    try:
        return initrd_in(value)
    except (OSError, ValueError) as error:
        message = f"{value!r} is neither a size ({not_a_size}) nor a file ({system_reason(error)})"
        raise click.BadParameter(message, ctx, param) from None


def report_targets(
    ctx: click.Context, param: click.Parameter, values: tuple[str, ...]
) -> list[tuple[Format, str]]:
    """Split each ``FORMAT=FILE``."""
    targets = []
    for value in values:
        name, separator, path = value.partition("=")
        if not separator or not path:
            raise click.BadParameter(f"{value!r} is not of the form FORMAT=FILE", ctx, param)
        try:
            targets.append((Format(name), path))
        except ValueError:
            known = ", ".join(member.value for member in Format)
            message = f"there is no format {name!r}, only {known}"
            raise click.BadParameter(message, ctx, param) from None
    return targets


def kcidb_build(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    """Refuse what KCIDB would: the origin is lower case, and a colon ends it."""
    import re

    if value is not None and not re.fullmatch(r"[a-z0-9_]+:.+", value):
        message = f"{value!r} is not of the form ORIGIN:ID, the origin of a-z, 0-9 and _"
        raise click.BadParameter(message, ctx, param)
    return value


def enum_option(
    name: str, *names: str, enum: type[E], among: Iterable[E] = (), **settings: Any
) -> Decorator:
    """Return an option whose value is a member of ``enum``, or of ``among``, named by its value."""

    def member(_ctx: click.Context, _param: click.Parameter, value: str | None) -> E | None:
        return None if value is None else enum(value)

    choices = click.Choice([str(choice.value) for choice in among or enum])
    return click.option(name, *names, type=choices, callback=member, **settings)


verify_option = click.option(
    "--verify",
    is_flag=True,
    help="Also run the kernel's own machine code and compare it with the prediction (needs: pip "
    "install 'smecheck[verify]').",
)
