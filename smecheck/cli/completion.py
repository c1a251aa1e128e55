"""``smecheck completion``: what a shell needs to complete command lines of smecheck."""

from __future__ import annotations

import re

import click

from smecheck.cli import COMPLETE_VARIABLE
from smecheck.cli.output import write_stdout
from smecheck.cli.parameters import HELP_NAMES

_SHELLS = ("bash", "zsh", "fish")
_FILES = {"FILE", "KERNEL", "PATH", "OLD", "NEW", "MACHINE"}
"""Words of a parameter's metavar that say that it takes the name of a file."""

_EPILOG = """
\b
Examples:
  smecheck completion bash > ~/.local/share/bash-completion/completions/smecheck
  smecheck completion zsh > ~/.zfunc/_smecheck
  smecheck completion fish > ~/.config/fish/completions/smecheck.fish
"""


@click.command(epilog=_EPILOG, context_settings=HELP_NAMES)
@click.argument("shell", type=click.Choice(_SHELLS))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the script that makes SHELL complete commands, options, rules and files."""
    from click.shell_completion import ShellComplete, get_completion_class

    kind = get_completion_class(shell)
    if kind is None:
        raise RuntimeError(f"click knows no {shell}")
    # Not kind.source(), which runs the shell of this machine to see its version.
    script = ShellComplete.source(
        kind(context.find_root().command, {}, "smecheck", COMPLETE_VARIABLE)
    )
    write_stdout(script.strip("\n") + "\n")


def with_values(command: click.Command) -> click.Command:
    """Make a command offer, to a shell that completes, the values that its metavars name."""
    for parameter in command.params:
        words = set(re.split(r"\W", parameter.metavar or ""))
        if words & _FILES:
            parameter.type = click.Path()
        elif "RULE" in words:
            from smecheck.checks.catalogue import RULES

            parameter.type = click.Choice(list(RULES))
    return command
