"""The pages of text that is printed on a terminal: a console, titled sections, lists."""

from __future__ import annotations

from functools import partial
from io import StringIO
from typing import TYPE_CHECKING, TypeAlias

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from smecheck.report.safe_text import printable
from smecheck.report.text_tables import Words, grid

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from rich.console import RenderableType
    from rich.table import Table

    from smecheck.report.options import RenderOptions

LEAST_WIDTH = 40
"""Below this many columns the longest span would be broken; lines are left to the terminal then."""

INDENT = 2


Parts: TypeAlias = "Callable[[Words, int], Iterable[RenderableType]]"
"""The parts of a page, made by how text is shown and how many columns there are."""


def page(parts: Parts, options: RenderOptions) -> str:
    """Return the text of a page of ``options.width`` columns."""
    stream = StringIO()
    console = Console(
        file=stream,
        width=max(LEAST_WIDTH, options.width),
        height=100,  # without it rich takes both from the terminal
        color_system="standard" if options.color else None,
        force_terminal=options.color,
        no_color=not options.color,
        force_jupyter=False,
        force_interactive=False,
        legacy_windows=False,
        markup=False,
        highlight=False,
        emoji=False,
    )
    words = partial(printable, ascii_only=not options.unicode)
    for part in parts(words, console.width):
        console.print(part)
    lines = stream.getvalue().splitlines()
    return "\n".join(line.rstrip() for line in lines) + "\n"


def section(name: str, title: str, *parts: RenderableType) -> Iterator[RenderableType]:
    """Yield a section: an empty line, a title, and its parts indented."""
    yield Text()
    yield titled(Text(name, "bold"), Text(title))
    for part in parts:
        yield Padding(part, (0, 0, 0, INDENT))


def titled(name: Text, text: Text) -> Table:
    """Return a name and, beside it, a text that wraps by itself."""
    table = grid(2, gap=2)
    table.add_row(name, text)
    return table


def listed(name: str, texts: Iterable[str], words: Words) -> Iterator[RenderableType]:
    """Yield a titled list; nothing if it is empty."""
    rows = grid(2, gap=1)
    for text in texts:
        rows.add_row("-", Text(words(text)))
    if rows.row_count:
        yield Text()
        yield Text(name, "bold")
        yield Padding(rows, (0, 0, 0, INDENT))
