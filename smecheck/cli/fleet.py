"""``smecheck fleet``: every machine against every kernel, before the rollout."""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from smecheck.cli.file_command import FileCommand
from smecheck.cli.outcome import failure_options, tolerance_of
from smecheck.cli.output import STDOUT
from smecheck.cli.parameters import HELP_NAMES
from smecheck.cli.question_options import boot_of, boot_options
from smecheck.cli.reporting import terminal_options
from smecheck.errors import EngineError, ExitCode, UsageError

if TYPE_CHECKING:
    from smecheck.answer import Report
    from smecheck.checks.tolerance import Tolerance
    from smecheck.cli.row_file import RowSink
    from smecheck.engine.run import Engine
    from smecheck.engine.task import Asked
    from smecheck.fleets.row import Row
    from smecheck.read.fleet.earlier_rows import Written
    from smecheck.read.fleet.machine import Machine

_EPILOG = """
\b
Examples:
  smecheck fleet --kernel vmlinuz-6.1 inventory.jsonl -o rows.jsonl
  smecheck fleet --kernel old/vmlinuz --kernel new/vmlinuz archives/ --save-html fleet.html
  smecheck fleet --kernel vmlinuz --mode crash --initrd 64M 'machines/*/iomem'
  zcat inventory.jsonl.gz | smecheck fleet --kernel vmlinuz - > rows.jsonl
  smecheck fleet --kernel vmlinuz inventory.jsonl --resume rows.jsonl
  smecheck fleet --kernel vmlinuz inventory.jsonl --shard 3/16 -o rows-3.jsonl

\b
Exit codes:
  0  nothing found on any machine
  1  findings at or above --fail-on on a machine
  2  usage error; the rows cannot be written, or the workers are gone
  3  an input could not be read; if it was a machine's, all others were checked
  4  undecided on a machine: a fact is missing (--allow-undecided makes it 0)
 70  a bug in smecheck
"""

_SERIAL_MACHINES = 24
"""Described machines that are answered before other processes have started."""
_SERIAL_COLLECTED = 2


@click.command(
    cls=FileCommand,
    epilog=_EPILOG,
    short_help="Check many machines against kernels: a row for each pair.",
    context_settings=HELP_NAMES,
)
@click.argument("machines", metavar="MACHINE...", nargs=-1, required=True)
@click.option(
    "--kernel",
    "kernels",
    metavar="KERNEL",
    multiple=True,
    required=True,
    help="Kernel to check, in any form that analyze takes; repeatable.",
)
@boot_options
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    help="Write the rows to FILE: Parquet if it ends in .parquet, else JSON Lines; - is standard "
    "output. Default: standard output in a pipe, nowhere on a terminal.",
)
@click.option(
    "--resume",
    metavar="FILE",
    help="Continue the run that wrote the rows in FILE, and append to it; start FILE if there is "
    "none.",
)
@click.option(
    "--unordered", is_flag=True, help="Write rows as they are ready, not in the order of the input."
)
@click.option(
    "--jobs",
    type=click.IntRange(1),
    metavar="COUNT",
    help="Number of worker processes; default: one for each usable core.",
)
@click.option(
    "--dask",
    metavar="ADDRESS",
    help="Use the Dask cluster of this scheduler, e.g. tcp://scheduler:8786, instead of local "
    "processes.",
)
@click.option(
    "--shard",
    metavar="I/N",
    help="Check only every Nth machine, from the Ith on, e.g. 3/16: for N runs in parallel.",
)
@click.option(
    "--save-html",
    metavar="FILE",
    help="Save the summary, with pictures of the memory, as one HTML page.",
)
@failure_options
@terminal_options
@click.option(
    "-q", "--quiet", is_flag=True, help="Print no summary and no progress; rows are still written."
)
@click.option("--debug", is_flag=True, help="Show a traceback if smecheck itself fails.")
def fleet(machines: tuple[str, ...], **options: Any) -> int:
    """Check every MACHINE against every KERNEL: a row for each pair, and a summary.

    MACHINE is an inventory (JSON Lines, or Parquet), whatever triage takes (an archive, its folder,
    a log, an iomem), a folder of these, or a pattern; - is an inventory on standard input. Options
    of load and boot apply to every machine and override what is known of it. Machines that are
    alike are analyzed once. A machine that cannot be read gets a row with the error.
    """
    import gc

    gc.enable()  # this run may be long
    _refuse_overwriting(machines, options)
    options["output"] = _without_detour(options["output"])
    shard = _shard(options["shard"])
    tolerance = tolerance_of(options)
    asked = _asked(options, tolerance)
    run = _Run(machines, options, asked, shard)
    return int(run.go())


class _Run:
    """One run of the command."""

    def __init__(
        self,
        paths: tuple[str, ...],
        options: dict[str, Any],
        asked: Asked,
        shard: tuple[int, int] | None,
    ) -> None:
        from smecheck.cli.fleet_progress import FleetProgress
        from smecheck.engine.run import Tally
        from smecheck.fleets.summary import Summary

        self._paths, self._options, self._asked, self._shard = paths, options, asked, shard
        self._names: tuple[str, ...] = options["kernels"]
        self._summary = Summary(self._names)
        self._tally = Tally()
        self._examples: dict[tuple[int, str], Machine] = {}
        self._written = self._read_written()
        self._progress = FleetProgress(
            paths,
            self._tally,
            len(self._written.machines) if self._written else 0,
            quiet=options["quiet"],
        )

    def go(self) -> ExitCode:
        """Ask, write the rows, show the summary."""
        sink = self._sink()
        try:
            with self._engine() as engine:
                self._ask(engine, sink)
        except (KeyboardInterrupt, EngineError) as error:
            self._progress.clear()
            if sink is not None:
                sink.close()
            if isinstance(error, KeyboardInterrupt):
                self._say_what_is_kept()
            raise
        finally:
            self._progress.clear()
        if sink is not None:
            sink.close()
        status = self._summary.status
        self._show(status)
        return status

    # Rows -----------------------------------------------------------------------------------------

    def _read_written(self) -> Written | None:
        """Read what an earlier run wrote; ``None`` where there is nothing to go on from."""
        path = self._options["resume"]
        if path is None or not os.path.exists(path):  # noqa: PTH110 - a str is what users give
            return None
        from smecheck.read.fleet.earlier_rows import read_rows

        return read_rows(path, self._names, self._summary.add)

    def _sink(self) -> RowSink | None:
        """Return where the rows go; ``None`` where nobody wants them."""
        from smecheck.cli.row_file import RowFile

        resume, output = self._options["resume"], self._options["output"]
        if resume is not None:
            return RowFile(resume, from_byte=self._written.end if self._written else None)
        if output is None:
            return None if sys.stdout is not None and sys.stdout.isatty() else RowFile(STDOUT)
        if output.endswith(".parquet"):
            from smecheck.cli.parquet_file import ParquetFile

            return ParquetFile(output)
        return RowFile(output)

    def _ask(self, engine: Engine, sink: RowSink | None) -> None:
        from smecheck.engine.run import FleetRun
        from smecheck.fleets.row import Row

        in_order = not self._options["unordered"]
        run = FleetRun(self._asked, engine, self._tally, in_order=in_order)
        self._examples = run.examples
        again = deque(self._written.last if self._written and in_order else ())
        """The last machines of an earlier run are asked again, to see that this is the same."""
        for name, answers in run.answers(self._left()):
            rows = tuple(
                Row(name, kernel, one) for kernel, one in zip(self._names, answers, strict=True)
            )
            if again:
                self._expect_same(again.popleft(), rows)
                self._tally.machines -= 1
                continue
            self._summary.add(rows)
            if sink is not None:
                sink.write(rows)
            self._progress.update()

    def _left(self) -> Iterator[Machine]:
        """Yield the machines of this shard that no earlier run has done."""
        done = self._written.machines if self._written else ()
        in_order, left = not self._options["unordered"], set(done)
        again = len(self._written.last) if self._written else 0
        for number, machine in enumerate(self._of_shard()):
            if in_order and number < len(done):
                if machine.name != done[number]:
                    raise self._another_run(f"has {done[number]} where this run has {machine.name}")
                if number >= len(done) - again:
                    yield machine
            elif machine.name not in left:
                yield machine

    def _of_shard(self) -> Iterator[Machine]:
        from smecheck.read.fleet.machine_paths import machines_of

        for number, machine in enumerate(machines_of(self._paths, self._watch)):
            if self._shard is None or number % self._shard[1] == self._shard[0] - 1:
                yield machine

    def _watch(self, count: int) -> None:
        self._progress.bytes_read += count
        self._progress.update()

    def _expect_same(self, before: tuple[Row, ...], now: tuple[Row, ...]) -> None:
        if before != now:
            raise self._another_run(
                f"has another answer for {now[0].machine} than this run, which asks otherwise"
            )

    def _another_run(self, why: str) -> UsageError:
        return UsageError(
            f"{why}: it is of another run",
            where=self._options["resume"],
            help_text="give the same machines, kernels and options as that run, or begin anew "
            "with -o FILE",
        )

    # Work -----------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _engine(self) -> Iterator[Engine]:
        from smecheck.engine.workers import InThisProcess, Processes, usable_cores

        if self._options["dask"] is not None:
            from smecheck.engine.dask_cluster import dask_cluster

            with dask_cluster(self._options["dask"]) as engine:
                yield engine
            return
        count = self._options["jobs"] or usable_cores()
        if count == 1 or (self._options["jobs"] is None and self._is_small()):
            yield InThisProcess()
            return
        processes = Processes(count)
        try:
            yield processes
        finally:
            processes.stop()

    def _is_small(self) -> bool:
        """Return whether it would take longer to start processes than to do without."""
        from smecheck.read.fleet.machine import Collected
        from smecheck.read.fleet.machine_paths import can_be_read_again, machines_of

        if not can_be_read_again(self._paths):
            return False
        weight, most = 0, _SERIAL_MACHINES
        for machine in machines_of(self._paths):
            is_long = isinstance(machine, Collected)
            weight += most // _SERIAL_COLLECTED if is_long else 1
            if weight > most:
                return False
        return True

    # What is shown --------------------------------------------------------------------------------

    def _show(self, status: ExitCode) -> None:
        options = self._options
        if options["quiet"] and options["save_html"] is None:
            return
        from smecheck.cli.output import write_stdout
        from smecheck.cli.pager import write_or_show
        from smecheck.cli.terminal import is_terminal, rows, speaks_unicode, wants_color, width
        from smecheck.report.fleet_text import render_fleet_text
        from smecheck.report.fleet_words import work_text
        from smecheck.report.options import RenderOptions

        rows_are_printed = self._rows_are_printed()
        shown = RenderOptions(
            explain=False,
            color=wants_color(options["color"], to_stdout=not rows_are_printed),
            width=width(),
            unicode=speaks_unicode(),
            exit_code=status,
            rows=rows() if is_terminal() else None,
        )
        tally, work = self._tally, None
        if not self._written:
            work = work_text(self._summary.machines, tally.questions, tally.shared)
        if not options["quiet"]:
            text = render_fleet_text(self._summary, work, shown)
            if rows_are_printed:
                click.echo(text, err=True, nl=False)
            else:
                write_or_show(text, paged=not options["no_pager"])
        if options["save_html"] is not None:
            from smecheck.cli.output_file import write_file
            from smecheck.report.fleet_page import fleet_page

            page = fleet_page(self._summary, work, self._drawn(), status)
            if options["save_html"] == STDOUT:
                write_stdout(page, encoding="utf-8")
            else:
                write_file(options["save_html"], page)

    def _drawn(self) -> dict[tuple[str, str], tuple[str, Report]]:
        """Return, for the classes that are shown, a machine of each and the report on it."""
        from smecheck.engine.task import report_on
        from smecheck.report.fleet_words import CLASSES_SHOWN

        shown = [
            (number, one)
            for number, name in enumerate(self._names)
            for one in self._summary.classes(name)[:CLASSES_SHOWN]
        ]
        machines = self._examples
        lacking = {
            one.machines.example for number, one in shown if (number, one.id) not in machines
        }
        named = self._named(lacking)
        found = {}
        for number, one in shown:
            machine = machines.get((number, one.id)) or named.get(one.machines.example)
            report = None
            if machine is not None:
                report = report_on(self._asked, machine, self._asked.kernels[number])
            if machine is not None and report is not None:
                found[one.kernel, one.id] = machine.name, report
        return found

    def _named(self, names: set[str]) -> dict[str, Machine]:
        """Read the machines of these names again: an earlier run had them."""
        from smecheck.read.fleet.machine_paths import can_be_read_again, machines_of

        if not names or not can_be_read_again(self._paths):
            return {}
        return {one.name: one for one in machines_of(self._paths) if one.name in names}

    def _rows_are_printed(self) -> bool:
        if self._options["resume"] is not None or self._options["output"] not in (None, STDOUT):
            return False
        return self._options["output"] == STDOUT or not sys.stdout.isatty()

    def _say_what_is_kept(self) -> None:
        path = self._options["resume"] or self._options["output"]
        if path in (None, STDOUT) or self._options["quiet"]:
            return
        with contextlib.suppress(OSError):
            click.echo(
                f"smecheck: interrupted; the rows of {self._summary.machines:,} machines are in "
                f"{path}: continue with --resume {path}",
                err=True,
            )


def _asked(options: dict[str, Any], tolerance: Tolerance) -> Asked:
    """Read the kernels, each once, and what the options say of every machine."""
    from smecheck.engine.task import Asked
    from smecheck.read.case import SHORT_CUTS, LoadingSystem
    from smecheck.read.fleet.described import Said
    from smecheck.read.kernel.kernel import read_kernel

    names = options["kernels"]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"--kernel {name} is given twice", help_text="leave one of them out")
    host = None
    if options["host"] is not None:
        from smecheck.read.machine.host_description import read_host

        host = read_host(options["host"])
    said = Said(
        boot_of(options),
        LoadingSystem(**{name: options[name] for name in SHORT_CUTS}),
        host,
        options["crash_cma"],
    )
    return Asked(tuple(map(read_kernel, names)), said, tolerance)


def _without_detour(path: str | None) -> str | None:
    """Return ``-`` for a file that is standard output: rows and table must not share it."""
    if path is None or path == STDOUT:
        return path
    from smecheck.cli.output_file import own_descriptor

    return STDOUT if own_descriptor(path) == 1 else path


def _shard(text: str | None) -> tuple[int, int] | None:
    """Read ``3/16``: the third of sixteen."""
    if text is None:
        return None
    found = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", text)
    if found is None or not 1 <= int(found[1]) <= int(found[2]):
        raise UsageError(
            f"--shard {text!r} is not I/N with I from 1 to N", help_text="write it like 3/16"
        )
    return int(found[1]), int(found[2])


def _refuse_overwriting(machines: tuple[str, ...], options: dict[str, Any]) -> None:
    if options["output"] is not None and options["resume"] is not None:
        raise UsageError(
            "--resume FILE goes on writing to FILE: -o cannot be another", help_text="leave out -o"
        )
    if (options["resume"] or "").endswith(".parquet"):
        raise UsageError(
            "--resume goes on with JSON Lines, not with Parquet",
            help_text="write JSON Lines, which can be converted afterwards",
        )
    inputs = [*machines, *options["kernels"], options["host"], options["crash_cma"]]
    if inputs.count(STDOUT) > 1:
        raise UsageError(
            "standard input can be only one of the inputs", help_text="put the others into files"
        )
    outputs = [options["output"], options["resume"], options["save_html"]]
    known = [os.path.realpath(path) for path in inputs if path not in (None, STDOUT)]
    for path in outputs:
        if path in (None, STDOUT):
            continue
        if os.path.realpath(path) in known:
            raise UsageError(
                "would overwrite an input or another output",
                where=path,
                help_text="name another file",
            )
        known.append(os.path.realpath(path))
