"""The program: its commands, and what each way of ending means for the exit status."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from typing import NoReturn

import click

from smecheck.cli import COMPLETE_VARIABLE
from smecheck.errors import ExitCode, InternalError, SmecheckError, UsageError

_COMMANDS = {
    "analyze": "smecheck.cli.analyze:analyze",
    "completion": "smecheck.cli.completion:completion",
    "compare": "smecheck.cli.compare:compare",
    "describe": "smecheck.cli.describe:describe",
    "explain": "smecheck.cli.rules:explain",
    "fleet": "smecheck.cli.fleet:fleet",
    "gate": "smecheck.cli.gate:gate",
    "policy": "smecheck.cli.policy:policy",
    "rules": "smecheck.cli.rules:rules",
    "schema": "smecheck.cli.schema:schema",
    "triage": "smecheck.cli.triage:triage",
    "verify": "smecheck.cli.verify:verify",
}
"""The commands, imported only when they run or when the help lists them."""

_CANNOT_TELL = 125
_NO_ANSWER = 128

_FAILED_WRITES = (errno.ENOSPC, errno.EDQUOT, errno.EIO)
"""What a write to standard output fails with that only its flush shows."""

_EPILOG = """
\b
Examples:
  smecheck analyze vmlinux
  smecheck analyze vmlinux --iomem iomem.txt --segments kexec.log --kaslr off
  smecheck explain SME001

\b
Exit codes:
  0  nothing found           1  findings             2  usage error
  3  an input is unreadable  4  undecided           70  a bug in smecheck
"""


class LazyGroup(click.Group):
    """A group whose commands are imported on demand."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Show the help where nothing is given; that is a usage error, whatever click's version."""
        if not args and not ctx.resilient_parsing:
            with contextlib.suppress(OSError):
                click.echo(ctx.get_help(), err=True)
            ctx.exit(ExitCode.USAGE)
        return super().parse_args(ctx, args)

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
        if COMPLETE_VARIABLE in os.environ:
            from smecheck.cli.completion import with_values

            return with_values(command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that the first word names.

        Raises:
            UsageError: there is none; the message names what may be meant.
        """
        if args[0].startswith("-") or args[0] in _COMMANDS or ctx.resilient_parsing:
            return super().resolve_command(ctx, args)
        from difflib import get_close_matches

        near = get_close_matches(args[0], _COMMANDS, n=1)
        said = f"there is no command {args[0]!r}" + (f"; did you mean {near[0]}?" if near else "")
        if not near and os.path.exists(args[0]):  # noqa: PTH110 - a str is what users give
            raise UsageError(said, help_text=f"smecheck analyze {args[0]}")
        raise UsageError(
            said, help_text=f"smecheck {near[0]} --help" if near else "smecheck --help"
        )


def _show_version(ctx: click.Context, _param: click.Parameter, asked: bool) -> None:
    if asked and not ctx.resilient_parsing:
        from smecheck.cli.version import version_text

        click.echo(version_text())
        ctx.exit()


@click.group(
    cls=LazyGroup,
    no_args_is_help=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=_EPILOG,
)
@click.option(
    "-V",
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_version,
    help="Show the versions of smecheck and of what it is built on.",
)
def cli() -> None:
    """Find out what the SME workarea of a Linux kernel collides with, before kexec or kdump fails.

    On AMD machines Linux can encrypt itself in place, very early in boot (SME), and needs a scratch
    workarea for that. Until v5.2 it lay in memory that nobody reserved. smecheck shows where it is,
    whether it is reserved for the kernel, and what it collides with.
    """


def main() -> NoReturn:
    """Run the program and exit; 1 can only mean findings."""
    try:
        status = _run()
    except KeyboardInterrupt:
        status = ExitCode.INTERRUPTED
    except BrokenPipeError:
        status = ExitCode.READER_GONE
    status = _flushed(status)
    sys.exit(_for_bisect(status) if "--bisect" in sys.argv else status)


def _for_bisect(status: int) -> int:
    """Return what git bisect run understands: what does not answer about a build must not blame it.

    git-bisect(1): 125 skips a commit, other statuses below 128 call it bad, the rest stop.
    """
    if status in (ExitCode.OK, ExitCode.FINDINGS):
        return status
    if status in (ExitCode.INPUT, ExitCode.UNDECIDED):
        return _CANNOT_TELL
    return status if status >= _NO_ANSWER else _NO_ANSWER + status


def _run() -> int:
    try:
        result = cli.main(standalone_mode=False)
    except click.exceptions.Exit as error:
        return error.exit_code
    except SystemExit as error:
        # Outside standalone mode click exits in two cases only: after completions, with 0, and
        # with 1 when the reader went away.
        return ExitCode.READER_GONE if error.code else ExitCode.OK
    except click.exceptions.Abort:
        return ExitCode.INTERRUPTED
    except click.ClickException as error:
        message = " ".join(error.format_message().split())
        return _complain(UsageError(message, help_text=_help_of(error)))
    except SmecheckError as error:
        return _complain(error)
    except (BrokenPipeError, KeyboardInterrupt):
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno in _FAILED_WRITES:
            from smecheck.cli.output import cannot_be_written

            return _complain(cannot_be_written(error, "standard output"))
        if "--debug" in sys.argv:
            import traceback

            traceback.print_exception(error)
        return _complain(InternalError.of(error))
    return result if isinstance(result, int) else ExitCode.OK


def _help_of(error: click.ClickException) -> str:
    context = getattr(error, "ctx", None)
    return f"{context.command_path} --help" if context else "smecheck --help"


def _complain(error: SmecheckError) -> int:
    """Print an error; that nobody can read it does not change what it means."""
    from smecheck.report.error_report import error_text

    if sys.stderr is not None:  # it may be closed, which click knows of since 8.1.4
        with contextlib.suppress(OSError):
            click.echo(error_text(error), err=True, nl=False)
    return error.exit_code


def _flushed(status: int) -> int:
    """Flush, so that the interpreter has nothing to complain about when it exits."""
    for stream in (sys.stdout, sys.stderr):
        if stream is None:
            continue
        try:
            stream.flush()
        except OSError as error:
            if stream is sys.stdout:
                gone = isinstance(error, BrokenPipeError)
                status = ExitCode.READER_GONE if gone else ExitCode.USAGE
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    return status
