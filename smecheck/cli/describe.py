"""``smecheck describe``: the facts of a kernel, to be kept, sent, or edited."""

from __future__ import annotations

from typing import Any

import click

from smecheck.cli.complements import complement_options, complements_of
from smecheck.cli.file_command import FileCommand

_EPILOG = """
\b
Examples:
  smecheck describe vmlinux -o kernel.yaml
  smecheck describe vmlinuz --symbols System.map --config config-6.1.0 > kernel.yaml
"""


@click.command(
    cls=FileCommand,
    epilog=_EPILOG,
    short_help="Write the facts of KERNEL as a YAML description.",
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.argument("kernel", metavar="KERNEL")
@complement_options
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    help="Write the description to FILE; - is standard output, the default.",
)
@click.option("--debug", is_flag=True, help="Show a traceback if smecheck itself fails.")
def describe(kernel: str, **options: Any) -> int:
    """Write the facts of KERNEL as a YAML description; analyze gives the same answer for it.

    KERNEL is whatever analyze takes; - is standard input. A comment beside each fact says where it
    is from; unknown facts are left out.
    """
    from smecheck.cli.output import STDOUT, write_stdout
    from smecheck.read.kernel.complements import read_complemented
    from smecheck.report.description import kernel_description

    image = read_complemented(kernel, complements_of(kernel, options))
    text = kernel_description(image)
    _refuse_unreadable(text, image.source)
    if options["output"] in (None, STDOUT):
        write_stdout(text)
    else:
        from smecheck.cli.output_file import write_file

        write_file(options["output"], text)
    return 0


def _refuse_unreadable(text: str, source: str) -> None:
    """Refuse to write what could not be read back: a file may state more than a description can."""
    from smecheck.errors import MalformedInput
    from smecheck.read.kernel.kernel_description import read_kernel_description

    try:
        read_kernel_description(text, "the description")
    except MalformedInput as error:
        raise MalformedInput(
            f"cannot be described: {error.where}: {error.message.splitlines()[0]}",
            where=source,
            help_text="no kernel looks like that; is the file damaged?",
        ) from error
