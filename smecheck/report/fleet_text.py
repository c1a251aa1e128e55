"""The summary of a fleet as a page of text: verdicts, classes, what changes, what went wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from smecheck.fleets.summary import VERDICTS
from smecheck.report.fleet_words import (
    CLASSES_SHOWN,
    change_label,
    change_text,
    class_title,
    comparison_title,
    example_text,
    headline_of,
    kernels_worst_first,
    number,
    shared_text,
    verdict_name,
)
from smecheck.report.text_page import page, section, titled
from smecheck.report.text_tables import Words, grid

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import OverflowMethod, RenderableType

    from smecheck.fleets.summary import Comparison, FleetClass, Summary
    from smecheck.report.options import RenderOptions

_STYLES = {
    "collision": "bold red",
    "undecided": "bold yellow",
    "clear": "bold green",
    "error": "bold red",
    "WORSE": "bold red",
    "BETTER": "bold green",
}


def render_fleet_text(summary: Summary, work: str | None, options: RenderOptions) -> str:
    """Return the summary as text of ``options.width`` columns.

    Args:
        summary: of all rows.
        work: how many machines are like another, in words; ``None`` where that is not known.
        options: how to show it.
    """
    return page(lambda words, _width: _parts(summary, work, options, words), options)


def _parts(
    summary: Summary, work: str | None, options: RenderOptions, words: Words
) -> Iterator[RenderableType]:
    head = titled(Text("FLEET", "bold"), Text(headline_of(summary), "bold"))
    about = f"exit {options.exit_code}"
    if work is not None:
        about = f"{work}; {about}"
    head.add_row("", Text(about, "dim"))
    yield head
    yield from section(
        "VERDICTS", "machines with each verdict, by kernel", _verdicts(summary, words)
    )
    for kernel in kernels_worst_first(summary):
        yield from _classes(summary, kernel, words)
    for comparison in summary.comparisons:
        if comparison.changes:
            title = words(comparison_title(comparison))
            yield from section("CHANGES", title, _changes(comparison, words))
    if summary.errors:
        count = sum(summary.errors.values())
        title = f"{number(count)} {'machine was' if count == 1 else 'machines were'} not analyzed"
        yield from section("ERRORS", title, _errors(summary, words))
    rule = next((one.rules[0] for one in _by_kernel(summary) if one.rules), None)
    if rule is not None:
        yield Text(f"what to do: smecheck explain {rule}", "dim")
    if options.rows is not None:
        overflow: OverflowMethod = "ellipsis" if words("…") == "…" else "crop"
        yield Text(headline_of(summary), "bold", no_wrap=True, overflow=overflow)


def _by_kernel(summary: Summary) -> Iterator[FleetClass]:
    for kernel in kernels_worst_first(summary):
        yield from summary.classes(kernel)


def _verdicts(summary: Summary, words: Words) -> Table:
    shown = [v for v in VERDICTS if any(counts[v] for counts in summary.verdicts.values())]
    table = Table.grid(padding=(0, 2, 0, 0))
    for _ in shown:
        table.add_column(justify="right", no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row(*(Text(verdict_name(one), _STYLES.get(one, "")) for one in shown), "kernel")
    for kernel, counts in summary.verdicts.items():
        table.add_row(*(number(counts[one]) for one in shown), Text(words(kernel)))
    return table


def _classes(summary: Summary, kernel: str, words: Words) -> Iterator[RenderableType]:
    classes = summary.classes(kernel)
    if not classes:
        return
    table = grid(2, gap=2)
    for one in classes[:CLASSES_SHOWN]:
        lines = [
            Text.assemble(
                (class_title(one), _STYLES.get(one.verdict, "")), f": {words(one.reason)}"
            ),
            Text(words(shared_text(one.machines)), "dim"),
        ]
        about = [example_text(one.machines)]
        if one.rules:
            about.insert(0, ", ".join(one.rules))
        lines.append(Text(words("; ".join(about)), "dim"))
        table.add_row(Text(number(one.machines.count), "bold"), Text("\n").join(lines))
    left = classes[CLASSES_SHOWN:]
    if left:
        count = sum(one.machines.count for one in left)
        table.add_row(number(count), f"in {len(left)} more classes: see the rows")
    title = f"of {words(kernel)}: by verdict and reason"
    yield from section("CLASSES", title, table)


def _changes(comparison: Comparison, words: Words) -> Table:
    table = grid(3, gap=2)
    for change in comparison.ordered:
        label = change_label(change)
        text = f"{change_text(change)}; {example_text(change.machines)}"
        lines = [Text(words(text)), Text(words(shared_text(change.machines)), "dim")]
        table.add_row(
            Text(label, _STYLES.get(label, "")),
            Text(number(change.machines.count), "bold"),
            Text("\n").join(line for line in lines if line.plain),
        )
    return table


def _errors(summary: Summary, words: Words) -> Table:
    table = grid(2, gap=2)
    for message, count in summary.errors.most_common():
        example = summary.examples.get(message)
        if example is None:
            continue
        machine, error = example
        where = f" ({error.where})" if error.where and error.where != machine else ""
        text = f"{message}; e.g. {machine}{where}" if count > 1 else f"{machine}{where}: {message}"
        lines = [Text(words(text)), Text(words(error.help), "dim")]
        table.add_row(Text(number(count), "bold"), Text("\n").join(lines))
    named = sum(summary.errors[message] for message in summary.examples)
    left = sum(summary.errors.values()) - named
    if left:
        table.add_row(number(left), "for other reasons: see the rows")
    return table
