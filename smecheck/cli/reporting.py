"""How a command reports: the options for it, where the reports go, failures among them.

Everything is rendered before anything is written, and files come before standard output: whoever
reads there that a report was written finds it.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import click

from smecheck.cli.output import STDOUT, write_stdout
from smecheck.cli.parameters import (
    Decorator,
    enum_option,
    kcidb_build,
    report_targets,
    with_options,
)
from smecheck.cli.terminal import (
    default_format,
    follows_links,
    is_terminal,
    rows,
    speaks_unicode,
    wants_color,
    width,
)
from smecheck.errors import InternalError, OutputError, SmecheckError, UsageError
from smecheck.record import record, replace
from smecheck.report.options import Format, Picture, RenderOptions

if TYPE_CHECKING:
    from smecheck.checks.tolerance import Tolerance

_TERMINAL_OPTIONS = (
    click.option(
        "--color",
        type=click.Choice(["auto", "always", "never"]),
        default="auto",
        help="When to colour text output (auto: on a terminal); default: auto.",
    ),
    click.option(
        "--no-pager",
        is_flag=True,
        help="Do not use a pager ($PAGER, or less) for output that is longer than the terminal.",
    ),
)
"""How text for people is shown."""

_KCIDB_BUILD = click.option(
    "--kcidb-build",
    metavar="ORIGIN:ID",
    callback=kcidb_build,
    help="Build that the rows of --format kcidb belong to, as its submitter named it, e.g. "
    "redhat:1234; default: named after the kernel.",
)

_OPTIONS = (
    click.option(
        "--details",
        is_flag=True,
        help="Show everything that the answer is based on, not the first screen alone.",
    ),
    click.option(
        "--explain",
        is_flag=True,
        help="Show how each number follows: formula and source; and everything that --details "
        "shows.",
    ),
    click.option(
        "-o",
        "--output",
        metavar="FILE",
        help="Write the report to FILE; - is standard output, the default.",
    ),
    click.option(
        "--report",
        "reports",
        metavar="FORMAT=FILE",
        callback=report_targets,
        multiple=True,
        help="Write a further report to FILE, e.g. json=smecheck.json (- for standard output); "
        "repeatable.",
    ),
    _KCIDB_BUILD,
    *_TERMINAL_OPTIONS,
    click.option(
        "-q",
        "--quiet",
        is_flag=True,
        help="Print nothing on standard output; only set the exit status.",
    ),
    click.option("--debug", is_flag=True, help="Show a traceback if smecheck itself fails."),
)

_PICTURES = (
    click.option("--save-svg", metavar="FILE", help="Save the memory picture as SVG."),
    click.option(
        "--save-html",
        metavar="FILE",
        help="Save the report with its memory picture as one HTML page.",
    ),
)


def reporting_options(*formats: Format) -> Decorator:
    """Give a command the options that say how it reports, in these formats or in any."""
    form = enum_option(
        "--format",
        "report_format",
        enum=Format,
        among=formats,
        help="Format of the report; default: text on a terminal, plain in a pipe or a file.",
    )
    options: list[Decorator] = [form]
    options += (one for one in _OPTIONS if not (formats and one is _KCIDB_BUILD))
    return lambda command: with_options(command, options)


def terminal_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options for showing text on a terminal."""
    return with_options(command, _TERMINAL_OPTIONS)


def page_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command whose answer is not one memory the option for a page of it."""
    return _PICTURES[-1](command)


def picture_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options for pictures of its report."""
    return with_options(command, _PICTURES)


@record
class Reporting:
    """What the options ask for."""

    format: Format
    output: str | None
    """A file; ``None`` for standard output."""
    files: tuple[tuple[Format, str], ...]
    """Further reports."""
    explain: bool
    details: bool
    color: str
    quiet: bool
    paged: bool
    """Whether what is longer than the terminal goes through a pager."""
    kcidb_build: str | None
    pictures: tuple[tuple[Picture, str], ...]
    """Pictures of the report, each with its file."""

    def deliver(
        self,
        write: Callable[[Format, RenderOptions], str],
        status: int,
        tolerance: Tolerance,
        *,
        draw: Callable[[Picture, RenderOptions], str] | None = None,
    ) -> None:
        """Write all reports.

        Args:
            write: renders the report in a format.
            status: what the program will exit with.
            tolerance: what of the report counts as failure.
            draw: renders the report as a picture, for commands with :func:`picture_options`.

        Raises:
            OutputError: one of them cannot be written.
        """
        printed = RenderOptions(
            explain=self.explain,
            details=self.details,
            color=wants_color(self.color, to_stdout=True),
            width=width(),
            rows=rows() if is_terminal() else None,
            unicode=speaks_unicode(),
            exit_code=status,
            tolerance=tolerance,
            kcidb_build=self.kcidb_build,
        )
        filed = replace(
            printed, rows=None, color=wants_color(self.color, to_stdout=False), unicode=True
        )
        plain = replace(filed, color=False)
        files = [(path, write(chosen, plain)) for chosen, path in self.files if path != STDOUT]
        out = [(chosen, write(chosen, printed)) for chosen in self.printed]
        drawn = [] if draw is None else [(p, draw(kind, plain)) for kind, p in self.pictures]
        files += [(path, text) for path, text in drawn if path != STDOUT]
        if self.output is not None:
            files.append((self.output, write(self.format, filed)))
        if files:
            from smecheck.cli.output_file import write_file

            for path, text in files:
                write_file(path, text)
        for chosen, text in out:
            if not chosen.is_for_people:
                write_stdout(text, encoding="utf-8")
                continue
            if chosen is Format.TEXT and follows_links():
                from smecheck.report.hyperlinks import with_links

                text = with_links(text)  # noqa: PLW2901 - the same text, with links
            if not (self.paged and is_terminal()):
                write_stdout(text)
                continue
            from smecheck.cli.pager import show

            show(text)
        for path, text in drawn:
            if path == STDOUT:
                write_stdout(text, encoding="utf-8")

    @property
    def printed(self) -> tuple[Format, ...]:
        """The formats that go to standard output, each once, in order."""
        own = () if self.output is not None or self.quiet else (self.format,)
        others = [chosen for chosen, path in self.files if path == STDOUT]
        return tuple(dict.fromkeys((*own, *others)))

    @contextlib.contextmanager
    def failures(self) -> Iterator[None]:
        """Print a failure in the format that was chosen, on its way to standard error."""
        try:
            yield
        except (BrokenPipeError, KeyboardInterrupt):
            raise
        except Exception as error:
            known = error if isinstance(error, SmecheckError) else InternalError.of(error)
            self._print(known)
            raise

    def _print(self, error: SmecheckError) -> None:
        """Print an error in the formats for machines that go to standard output."""
        own = () if self.quiet else (self.format,)
        formats = [one for one in dict.fromkeys((*own, *self.printed)) if not one.is_for_people]
        if not formats:
            return
        from smecheck.report.render import render_error

        with contextlib.suppress(OutputError):
            for chosen in formats:
                write_stdout(render_error(error, chosen), encoding="utf-8")

    def refuse_other_formats(self, command: str, formats: Iterable[Format]) -> None:
        """Refuse formats that a command does not write.

        Raises:
            UsageError: one of them was chosen.
        """
        written = tuple(formats)
        for chosen in (self.format, *(chosen for chosen, _ in self.files)):
            if chosen not in written:
                known = ", ".join(one.value for one in written)
                raise UsageError(
                    f"{command} has no format {chosen.value}",
                    help_text=f"choose one of {known}",
                )

    def refuse_overwriting(self, inputs: Iterable[str | None]) -> None:
        """Refuse outputs that are inputs, or the same file twice.

        Raises:
            UsageError: one of them is.
        """
        outputs = [self.output] if self.output is not None else []
        outputs += [path for _, path in (*self.files, *self.pictures) if path != STDOUT]
        if not outputs:
            return
        from smecheck.cli.output_file import takes_several

        others = [path for path in inputs if path not in (None, "-")]
        for index, path in enumerate(outputs):
            clashes = [*others, *(() if takes_several(path) else outputs[:index])]
            if any(_is_same_file(path, other) for other in clashes):
                raise UsageError(
                    "would overwrite an input or another report",
                    where=path,
                    help_text="name another file",
                )


def reporting_of(options: dict[str, Any]) -> Reporting:
    """Return what the options ask for."""
    output = None if options["output"] == STDOUT else options["output"]
    pictures = ((picture, options.get(f"save_{picture.value}")) for picture in Picture)
    printed = [chosen for chosen, path in options["reports"] if path == STDOUT]
    default = printed[0] if printed and output is None else default_format(output)
    return Reporting(
        format=options["report_format"] or default,
        output=output,
        files=tuple(options["reports"]),
        explain=options["explain"],
        details=options["details"],
        color=options["color"],
        quiet=options["quiet"],
        paged=not options["no_pager"],
        kcidb_build=options.get("kcidb_build"),
        pictures=tuple((picture, path) for picture, path in pictures if path is not None),
    )


def _is_same_file(path: str, other: str) -> bool:
    return os.path.realpath(path) == os.path.realpath(other)
