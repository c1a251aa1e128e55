"""``smecheck policy init``: a first policy for the gate, to be edited."""

from __future__ import annotations

import os
from typing import Any

import click

from smecheck.cli.file_command import FileCommand
from smecheck.cli.output import STDOUT, write_stdout
from smecheck.cli.parameters import HELP_NAMES
from smecheck.errors import InputError, UsageError

_EPILOG = """
\b
Examples:
  smecheck policy init iomem.txt
  smecheck policy init machines/epyc/iomem.txt --name epyc -o smecheck.yaml
"""


@click.command(cls=FileCommand, epilog=_EPILOG, context_settings=HELP_NAMES)
@click.argument("action", metavar="init", type=click.Choice(["init"]))
@click.argument("iomem", metavar="FILE")
@click.option(
    "--name",
    metavar="NAME",
    default="machine",
    help="Name of the machine in reports; default: machine.",
)
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    help="Write the policy to FILE, which must not exist; - is standard output, the default.",
)
@click.option("--debug", is_flag=True, help="Show a traceback if smecheck itself fails.")
def policy(iomem: str, name: str, output: str | None, **_others: Any) -> int:
    """Write a first policy for smecheck gate, with comments.

    FILE is /proc/iomem of a machine, read as root. The policy checks kexec there, and kdump if
    memory is reserved for it, by both system calls. Its comments say what else a policy may hold.
    """
    from smecheck.read.machine.iomem import read_iomem
    from smecheck.report.policy_draft import policy_draft

    if iomem == "-":
        raise UsageError(
            "a policy names the iomem file of its machine, and standard input has no name",
            help_text="save it to a file, and name that",
        )
    to_file = output not in (None, STDOUT)
    if to_file and os.path.lexists(str(output)):
        raise UsageError(
            "exists already, and an edited policy must not be lost",
            where=output,
            help_text="name another file, or remove this one",
        )
    memory = read_iomem(iomem)
    folder = os.path.dirname(str(output)) if to_file else ""  # noqa: PTH120 - strings
    named = os.path.relpath(iomem, folder or ".") if not os.path.isabs(iomem) else iomem  # noqa: PTH117
    text = policy_draft(memory, named, name)
    _refuse_unreadable(text, folder, named)
    if to_file:
        from smecheck.cli.output_file import write_file

        write_file(str(output), text)
    else:
        write_stdout(text)
    return 0


def _refuse_unreadable(text: str, folder: str, iomem: str) -> None:
    """Refuse to write what the gate would not take, or would take for another file.

    Raises:
        UsageError: a name holds what YAML cannot.
    """
    from smecheck.programs.gate import known_rules
    from smecheck.read.build.policy import parse_policy

    try:
        written = parse_policy(text, "the policy", known_rules(), folder=folder)
        if written.machines[0].files["iomem"].path == os.path.join(folder, iomem):  # noqa: PTH118
            return
        problem = "the name holds characters that are no text"
    except InputError as error:
        problem = error.message.splitlines()[0]
    raise UsageError(
        f"cannot be named in a policy: {problem}",
        where=iomem,
        help_text="give the file, or the machine (--name), a simpler name",
    )
