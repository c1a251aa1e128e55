"""``smecheck analyze``: the main job."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Any

import click

from smecheck.cli.parameters import HELP_NAMES, enum_option, kcidb_build, report_targets
from smecheck.cli.question import FILE_OPTIONS, question_of, question_options
from smecheck.cli.terminal import default_format, speaks_unicode, wants_color, width
from smecheck.errors import InternalError, OutputError, SmecheckError, UsageError
from smecheck.model.finding import Severity
from smecheck.model.tolerance import Tolerance
from smecheck.record import replace
from smecheck.report.render import Format

if TYPE_CHECKING:
    from smecheck.model.report import Report

_EPILOG = """
\b
Examples:
  smecheck analyze vmlinux
  smecheck analyze vmlinux --iomem iomem.txt --segments kexec.log --kaslr off --explain
  ssh host sudo cat /proc/iomem | smecheck analyze vmlinux --iomem - --segments load.yaml
  smecheck analyze vmlinuz --report junit=smecheck.xml --report markdown=summary.md

\b
Exit codes, the same for every format:
  0  analyzed, nothing at or above --fail-on
  1  findings at or above --fail-on, and nothing else
  2  usage error
  3  an input could not be read or understood; nothing was analyzed
  4  undecided: a fact that the verdict needs is missing (--allow-undecided makes it 0)
 70  a bug of smecheck
"""


@click.command(epilog=_EPILOG, context_settings=HELP_NAMES)
@click.argument("kernel", metavar="KERNEL")
@question_options
@enum_option(
    "--format",
    "report_format",
    enum=Format,
    help="Default: text on a terminal, plain in a pipe.",
)
@click.option("--explain", is_flag=True, help="Show every derivation with formula and source.")
@click.option("-o", "--output", metavar="FILE", help="Write the report there.")
@click.option(
    "--report",
    "reports",
    metavar="FORMAT=FILE",
    callback=report_targets,
    multiple=True,
    help="Write one more report; may be repeated.",
)
@click.option(
    "--kcidb-build",
    metavar="ORIGIN:ID",
    callback=kcidb_build,
    help="The build that kcidb rows belong to, as its submitter named it.",
)
@enum_option(
    "--fail-on",
    enum=Severity,
    default="error",
    help="From which severity on findings make the exit status 1.",
)
@click.option("--allow-undecided", is_flag=True, help="An open question is no failure.")
@click.option("--exit-zero", is_flag=True, help="Findings and open questions are no failure.")
@click.option(
    "--ignore", metavar="RULE", multiple=True, help="Findings of RULE do not count; repeatable."
)
@click.option(
    "--color",
    type=click.Choice(["auto", "always", "never"]),
    default="auto",
    help="Of text output.",
)
@click.option("-q", "--quiet", is_flag=True, help="Print nothing; the exit status tells.")
@click.option("--debug", is_flag=True, help="A traceback in case of a bug of smecheck.")
def analyze(kernel: str, **options: Any) -> int:
    """Say where the SME workarea of KERNEL lies and what it collides with.

    KERNEL is a vmlinuz, a vmlinux (ELF, stripped or not), its symbols as a list (System.map,
    /proc/kallsyms) or a YAML description; - is standard input. What it lacks is taken from the
    files that --symbols, --bzimage and --config name, if they are of the same build.
    With nothing else, the answer is what holds on every machine. With the machine's memory map and
    the segments of a kexec load, it is the answer for that load.
    """
    if options["output"] == "-":
        options["output"] = None
    report_format: Format = options["report_format"] or default_format(options["output"])
    try:
        return _analyze(kernel, report_format, options)
    except (BrokenPipeError, KeyboardInterrupt):
        raise
    except Exception as error:
        if not (report_format.is_for_people or options["quiet"]):
            known = error if isinstance(error, SmecheckError) else InternalError.of(error)
            _print_error(known, report_format)
        raise


def _print_error(error: SmecheckError, report_format: Format) -> None:
    from smecheck.cli.output import write_stdout
    from smecheck.report.render import render_error

    with contextlib.suppress(OutputError):
        write_stdout(render_error(error, report_format), encoding="utf-8")


def _analyze(kernel: str, report_format: Format, options: dict[str, Any]) -> int:
    _refuse_overwriting(kernel, options)
    extra = [(_format_named(name), path) for name, path in options["reports"]]

    from smecheck.analysis import analyze as answer
    from smecheck.cli.outcome import exit_status
    from smecheck.cli.output import write_file, write_stdout
    from smecheck.report.render import RenderOptions, render

    ignored = _known_rules(options["ignore"])
    report = _with_policy(answer(question_of(kernel, options)), options)
    tolerance = Tolerance(
        options["fail_on"], options["allow_undecided"], options["exit_zero"], ignored
    )
    status = exit_status(report, tolerance)
    color = wants_color(options["color"], to_stdout=options["output"] is None)
    render_options = RenderOptions(
        explain=options["explain"],
        color=color,
        width=width(),
        unicode=speaks_unicode(to_stdout=options["output"] is None),
        exit_code=status,
        tolerance=tolerance,
        kcidb_build=options["kcidb_build"],
    )
    for_file = replace(render_options, color=False, unicode=True)
    written = render(report, report_format, render_options)
    for other_format, path in extra:
        write_file(path, render(report, other_format, for_file))
    if options["output"] is not None:
        write_file(options["output"], written)
    elif not options["quiet"]:
        write_stdout(written, encoding=None if report_format.is_for_people else "utf-8")
    return int(status)


def _refuse_overwriting(kernel: str, options: dict[str, Any]) -> None:
    outputs = [options["output"]] if options["output"] is not None else []
    outputs += [path for _, path in options["reports"]]
    inputs = {kernel, *(options[name] for name in FILE_OPTIONS)} - {None, "-"}
    for index, path in enumerate(outputs):
        if any(_is_same_file(path, other) for other in (*inputs, *outputs[:index])):
            raise UsageError(
                "would overwrite an input or another report", where=path, help_text="name another"
            )


def _is_same_file(path: str, other: str) -> bool:
    return os.path.realpath(path) == os.path.realpath(other)


def _with_policy(report: Report, options: dict[str, Any]) -> Report:
    """List what the exit status leaves out of account, so that no report hides it."""
    said = [f"findings of {rule} do not count for the exit status" for rule in options["ignore"]]
    if options["exit_zero"]:
        said.append("neither findings nor open questions count for the exit status (--exit-zero)")
    return replace(report, assumptions=(*report.assumptions, *said))


def _known_rules(names: tuple[str, ...]) -> frozenset[str]:
    from smecheck.checks.catalogue import RULES

    for name in names:
        if name not in RULES:
            raise UsageError(
                f"--ignore {name!r}: there is no such rule", help_text="smecheck rules lists them"
            )
    return frozenset(names)


def _format_named(name: str) -> Format:
    try:
        return Format(name)
    except ValueError:
        known = ", ".join(member.value for member in Format)
        raise UsageError(
            f"--report {name!r}: there is no such format", help_text=f"one of {known}"
        ) from None
