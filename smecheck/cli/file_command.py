"""A command that reads and writes files."""

from __future__ import annotations

from typing import Any

import click

from smecheck.errors import UsageError

_FILES = ("FILE", "KERNEL")
"""What the value of an option is called that names a file."""


class FileCommand(click.Command):
    """A command that refuses the empty name of a file: a script's variable that was not set."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command, if all files have a name.

        Raises:
            UsageError: one has none.
        """
        for param in self.get_params(ctx):
            metavar = param.metavar if isinstance(param, click.Option) else None
            names_a_file = isinstance(param, click.Argument) or any(
                word in (metavar or "") for word in _FILES
            )
            value = ctx.params.get(param.name or "")
            if names_a_file and "" in (value if isinstance(value, tuple) else (value,)):
                name = param.opts[-1] if isinstance(param, click.Option) else param.metavar
                raise UsageError(
                    f"{name} is empty", help_text="name a file; or is a variable of a script empty?"
                )
        return super().invoke(ctx)
