"""The summary of a fleet as a page of HTML, with the memory of a machine of each class."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from smecheck.fleets.summary import VERDICTS
from smecheck.record import replace
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
from smecheck.report.memory_picture import memory_picture
from smecheck.report.page import page, svg
from smecheck.report.picture import NO_PICTURE, PATTERNS, legend, lens, overview, safe

if TYPE_CHECKING:
    from smecheck.answer import Report
    from smecheck.fleets.summary import Comparison, FleetClass, Summary
    from smecheck.report.memory_picture import MemoryPicture

_KINDS = {"collision": "is-bad", "clear": "is-good", "undecided": "is-open", "error": "is-bad"}
_NOT_DRAWN = "The machines of this class came through a pipe, in an earlier run: none is drawn."


def fleet_page(
    summary: Summary,
    work: str | None,
    examples: Mapping[tuple[str, str], tuple[str, Report]],
    status: int,
) -> str:
    """Return the page.

    Args:
        summary: of all rows.
        work: what was done once for several, in words; ``None`` where that is not known.
        examples: for a kernel and a class, a machine of that class and the report on it.
        status: what the program will exit with.
    """
    about = f"exit {status}" if work is None else f"{work}; exit {status}"
    header = (
        f"<h1>{safe(headline_of(summary))}</h1>",
        f'<p class="dim">{safe(about)}</p>',
    )
    main = (
        *_verdicts(summary),
        *(line for one in summary.comparisons for line in _changes(one)),
        *(
            line
            for kernel in kernels_worst_first(summary)
            for line in _classes(summary, kernel, examples)
        ),
        *_errors(summary),
    )
    defined = f'<svg width="0" height="0" aria-hidden="true">{PATTERNS}</svg>'
    return page("smecheck: fleet", header, (defined, *main), None)


def _verdicts(summary: Summary) -> Iterator[str]:
    shown = [v for v in VERDICTS if any(counts[v] for counts in summary.verdicts.values())]
    yield "<h2>Machines by kernel</h2>"
    yield '<div class="wide">'
    rows = [
        [safe(kernel), *(number(counts[one]) for one in shown)]
        for kernel, counts in summary.verdicts.items()
    ]
    titles = [
        "",
        *(f'<span class="{_KINDS.get(one, "dim")}">{verdict_name(one)}</span>' for one in shown),
    ]
    yield from _table(titles, rows)
    yield "</div>"


def _changes(comparison: Comparison) -> Iterator[str]:
    if not comparison.changes:
        return
    yield f"<h2>What changes {safe(comparison_title(comparison))}</h2>"
    rows = [
        [
            _unbroken(change_label(one).lower()),
            _unbroken(number(one.machines.count)),
            safe(change_text(one)),
            safe(shared_text(one.machines)),
            safe(example_text(one.machines)),
        ]
        for one in comparison.ordered
    ]
    titles = ["", _unbroken("machines"), "verdict", "what they have in common", "which"]
    yield from ('<div class="wide">', *_table(titles, rows), "</div>")


def _classes(
    summary: Summary, kernel: str, examples: Mapping[tuple[str, str], tuple[str, Report]]
) -> Iterator[str]:
    classes = summary.classes(kernel)
    if not classes:
        return
    yield f"<h2>Classes of {safe(kernel)}: by verdict and reason</h2>"
    for one in classes[:CLASSES_SHOWN]:
        yield from _class(one, examples.get((kernel, one.id)), summary.kernels.index(kernel))
    left = classes[CLASSES_SHOWN:]
    if left:
        count = number(sum(one.machines.count for one in left))
        yield f"<p>{count} in {len(left)} more classes: see the rows.</p>"


def _class(
    one: FleetClass, example: tuple[str, Report] | None, kernel_number: int
) -> Iterator[str]:
    count = one.machines.count
    machines = f"{number(count)} {'machine' if count == 1 else 'machines'}"
    kind = f"verdict {_KINDS.get(one.verdict, '')}".strip()
    yield f'<h3><span class="{kind}">{safe(class_title(one))}</span> {machines}</h3>'
    yield f"<p>{safe(one.reason)}</p>"
    about = [shared_text(one.machines), ", ".join(one.rules), example_text(one.machines)]
    yield f'<p class="dim">{safe("; ".join(text for text in about if text))}</p>'
    if example is None:
        yield f'<p class="dim">{_NOT_DRAWN}</p>'
        return
    name, report = example
    picture = memory_picture(report)
    if picture is None:
        yield f"<p>{NO_PICTURE}</p>"
        return
    window = f"window-{kernel_number}-{one.id}"
    yield from _figure(_without_anchors(picture), f"{name}: {report.headline}", window)


def _figure(picture: MemoryPicture, caption: str, window: str) -> Iterator[str]:
    yield f"<figure><figcaption>{safe(caption)}</figcaption>"
    yield from svg(overview(picture, window), "all memory, and where the lens is")
    yield from svg(lens(picture), "memory around the workarea")
    yield from svg(legend(picture), "legend")
    yield "</figure>"


def _without_anchors(picture: MemoryPicture) -> MemoryPicture:
    """Return a picture whose marks have no names: in a page with several they would not be one."""
    rows = tuple(
        replace(row, marks=tuple(replace(mark, anchor="") for mark in row.marks))
        for row in picture.rows
    )
    return replace(picture, rows=rows)


def _errors(summary: Summary) -> Iterator[str]:
    if not summary.errors:
        return
    count = sum(summary.errors.values())
    machines = "machine was" if count == 1 else "machines were"
    yield f"<h2>Errors: {number(count)} {machines} not analyzed</h2>"
    rows = []
    for message, times in summary.errors.most_common():
        example = summary.examples.get(message)
        if example is not None:
            machine, error = example
            rows.append([_unbroken(number(times)), safe(message), safe(machine), safe(error.help)])
    yield from _table(["", "why", "for example", "what to do"], rows)


def _unbroken(text: str) -> str:
    return f'<span class="nowrap">{text}</span>'


def _table(titles: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    """Yield a table of cells that are markup."""
    yield f"<table><thead><tr>{''.join(f'<th>{one}</th>' for one in titles)}</tr></thead><tbody>"
    for row in rows:
        yield f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>"
    yield "</tbody></table>"
