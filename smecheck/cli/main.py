"""The program: its commands, and what each way of ending means for the exit status."""

from __future__ import annotations

import gc
import os
import sys
from typing import NoReturn

import click

from smecheck import __version__
from smecheck.errors import ExitCode, SmecheckError

_COMMANDS = {
    "analyze": "smecheck.cli.analyze:analyze",
    "describe": "smecheck.cli.describe:describe",
    "explain": "smecheck.cli.rules:explain",
    "rules": "smecheck.cli.rules:rules",
    "schema": "smecheck.cli.schema:schema",
}
"""The commands, imported only when they run or when the help lists them."""

_EPILOG = """
\b
Examples:
  smecheck analyze vmlinux
  smecheck analyze vmlinux --iomem iomem.txt --segments kexec.log --kaslr off
  smecheck explain SME001

\b
Exit codes:
  0  nothing found           1  findings             2  usage error
  3  an input is unreadable  4  undecided           70  a bug of smecheck
"""


class LazyGroup(click.Group):
    """A group whose commands are imported on demand."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands."""
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command of that name."""
        target = _COMMANDS.get(cmd_name)
        if target is None:
            return None
        from importlib import import_module

        module, attribute = target.split(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=_EPILOG,
)
@click.version_option(__version__, "-V", "--version", prog_name="smecheck")
def cli() -> None:
    """Find what the SME workarea of a Linux kernel collides with, before kexec or kdump does.

    On AMD machines Linux can encrypt itself in place, very early in boot. The workarea it needs
    for that lay in nobody's memory until v5.2; smecheck says where it is, who owns it, and what is
    in it.
    """


def main() -> NoReturn:
    """Run the program and exit; 1 can only mean findings."""
    # A short run that makes no reference cycles worth collecting: the collector only costs time.
    gc.disable()
    try:
        status = _run()
    except KeyboardInterrupt:
        status = ExitCode.INTERRUPTED
    except BrokenPipeError:
        status = _reader_gone()
    sys.exit(status)


def _run() -> int:
    try:
        result = cli.main(standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.Exit as error:
        return error.exit_code
    except SystemExit:
        # Outside standalone mode click exits, with 1, in one case only: the reader went away.
        return _reader_gone()
    except click.exceptions.Abort:
        return ExitCode.INTERRUPTED
    except click.ClickException as error:
        error.show()
        return ExitCode.USAGE
    except SmecheckError as error:
        from smecheck.report.error_report import error_text

        click.echo(error_text(error), err=True)
        return error.exit_code
    except (BrokenPipeError, KeyboardInterrupt):
        raise
    except Exception as error:
        return _bug(error)
    return result if isinstance(result, int) else ExitCode.OK


def _bug(error: Exception) -> ExitCode:
    if "--debug" in sys.argv:
        import traceback

        traceback.print_exception(error)
    click.echo(
        f"smecheck: bug: {type(error).__name__}: {str(error)!r} (nothing was analyzed)\n"
        "help: please report it, with the output of the same command and --debug",
        err=True,
    )
    return ExitCode.BUG


def _reader_gone() -> ExitCode:
    """Keep the interpreter from complaining about the closed pipe when it exits."""
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, sys.stdout.fileno())
    return ExitCode.READER_GONE
