"""``smecheck completion``: what a shell needs to complete command lines of smecheck."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from smecheck.cli import COMPLETE_VARIABLE
from smecheck.cli.file_command import metavar_words, names_a_file
from smecheck.cli.output import write_stdout
from smecheck.cli.parameters import HELP_NAMES

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

_SHELLS = ("bash", "zsh", "fish")

_CHANGES: dict[str, tuple[tuple[str, str], ...]] = {
    "bash": (
        (
            "COMPREPLY+=($value)",
            "COMPREPLY+=($value); [[ $value == *= ]] && compopt -o nospace",
        ),
    ),
    "zsh": (
        # Of --option=value only the value is completed, of FORMAT=FILE only the file.
        ("    for type key", "    [[ $PREFIX == --*=* ]] && compset -P 1 '*='\n    for type key"),
        (
            "            _path_files -f",
            "            [[ $words[CURRENT-1] == --report || $words[CURRENT] == --report=* ]] \\\n"
            "                && compset -P 1 '*='\n"
            "            _path_files -f",
        ),
        (
            'completions+=("$key")',
            'if [[ "$key" == *= ]]; then compadd -V unsorted -S "" -- "$key"; '
            'else completions+=("$key"); fi',
        ),
        # With -U, zsh forgets the part before the value.
        ("compadd -U -V unsorted -a completions", "compadd -V unsorted -a completions"),
    ),
    "fish": (),
}
"""Replacements in click's scripts: no space after ``junit=``, where the name of a file follows, and
in zsh the completion of that name."""

_EPILOG = """
\b
Examples:
  smecheck completion bash > ~/.local/share/bash-completion/completions/smecheck
  smecheck completion zsh > ~/.zfunc/_smecheck
  smecheck completion fish > ~/.config/fish/completions/smecheck.fish
"""


@click.command(
    epilog=_EPILOG,
    short_help="Print the completion script for a shell.",
    context_settings=HELP_NAMES,
)
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
    write_stdout(_changed(shell, script.strip("\n")) + "\n")


def _changed(shell: str, script: str) -> str:
    """Return a script of click's with what it lacks."""
    for before, after in _CHANGES[shell]:
        script = script.replace(before, after)
    return script


class _FormatAndFile(click.ParamType):  # type: ignore[type-arg] # not generic before click 8.5
    """``FORMAT=FILE``: offers the formats, and files once there is one."""

    name = "format and file"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Return what may stand there."""
        from click.shell_completion import CompletionItem

        from smecheck.report.options import Format

        form, separator, path = incomplete.partition("=")
        if separator:
            return [CompletionItem(path, type="file")]
        names = (f"{one.value}=" for one in Format if one.value.startswith(form))
        return [CompletionItem(name) for name in names]


def with_values(command: click.Command) -> click.Command:
    """Make a command offer, to a shell that completes, the values that its metavars name."""
    for parameter in command.params:
        words = metavar_words(parameter)
        if {"FORMAT", "FILE"} <= words:
            parameter.type = _FormatAndFile()
        elif names_a_file(parameter):
            parameter.type = click.Path()
        elif "RULE" in words:
            from smecheck.checks.catalogue import RULES
            from smecheck.report.terms import TERMS

            terms = [term.name for term in TERMS] if "TERM" in words else []
            parameter.type = click.Choice([*RULES, *terms])
    return command
