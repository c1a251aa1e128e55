"""A command that reads and writes files."""

from __future__ import annotations

import re
from typing import Any

import click

from smecheck.errors import UsageError

_FILES = frozenset({"FILE", "KERNEL", "PATH", "OLD", "NEW", "MACHINE"})
"""Words of a metavar that say that a file is to be named."""

_MANY = 10
"""Options from which on the help of a command shows the common ones only."""


def names_a_file(parameter: click.Parameter) -> bool:
    """Return whether a parameter takes the name of a file, by its metavar."""
    return not _FILES.isdisjoint(metavar_words(parameter))


def metavar_words(parameter: click.Parameter) -> set[str]:
    """Return the words of a parameter's metavar: of ``FORMAT=FILE`` both."""
    return set(re.split(r"\W", parameter.metavar or ""))


class FileCommand(click.Command):
    """A command on files: it refuses an empty name, and groups its options in its help."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        """Add ``--help-all`` where there are many options."""
        super().__init__(*arguments, **settings)
        if len(self.params) >= _MANY:
            every = click.Option(
                ["--help-all"],
                is_flag=True,
                is_eager=True,
                expose_value=False,
                callback=_help_all,
                help="Show this message with all options and exit.",
            )
            self.params.append(every)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options in groups."""
        from smecheck.cli.help_groups import write_options

        write_options(self, ctx, formatter)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command, if all files have a name: a script's variable may not be set.

        Raises:
            UsageError: one has none.
        """
        for param in self.get_params(ctx):
            value = ctx.params.get(param.name or "")
            if names_a_file(param) and "" in (value if isinstance(value, tuple) else (value,)):
                name = param.opts[-1] if isinstance(param, click.Option) else param.metavar
                raise UsageError(
                    f"{name} is empty", help_text="name a file; or is a variable of a script empty?"
                )
        return super().invoke(ctx)


def _help_all(ctx: click.Context, _param: click.Parameter, asked: bool) -> None:
    if asked and not ctx.resilient_parsing:
        from smecheck.cli.help_groups import EVERY_OPTION
        from smecheck.cli.pager import write_or_show

        ctx.meta[EVERY_OPTION] = True
        write_or_show(f"{ctx.get_help()}\n")
        ctx.exit()
