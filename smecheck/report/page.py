"""A page of HTML in one file: its frame, and the parts that pages have alike.

No text of an input is ever markup or program: the page allows the one style sheet and the one
script that are in it, by their hashes, and refers to nothing outside.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Iterator
from itertools import groupby
from posixpath import commonprefix

from smecheck.quantity import size_text
from smecheck.report.memory_picture import Ink, Mark, MemoryPicture
from smecheck.report.picture import (
    LEFT,
    MANY,
    PATTERNS,
    RIGHT,
    ROW,
    TOP,
    WIDTH,
    Drawing,
    is_in_lens,
    legend,
    lens,
    overview,
    places_caption,
    places_strip,
    resource,
    safe,
)
from smecheck.report.safe_text import printable

_IN_THE_TABLE = 12
"""Rows of one name in the table of a page; a large machine has thousands of ranges of memory."""
_BUTTONS = (
    ("in", "Zoom in"),
    ("out", "Zoom out"),
    ("left", "◂ Lower"),
    ("right", "Higher ▸"),
    ("reset", "Workarea"),
    ("whole", "All of it"),
)


def page(
    title: str, header: Iterable[str], main: Iterable[str], picture: MemoryPicture | None
) -> str:
    """Return a whole page.

    Args:
        title: of the page, as text.
        header: markup above the rest.
        main: the rest; :func:`figures` among it, if there is a picture.
        picture: what the script of the page shows; there is none without it.
    """
    style, script = resource("picture.css") + resource("page.css"), resource("picture.js")
    policy = (
        f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    scripts = []
    if picture is not None:
        scripts = [
            f'<script type="application/json" id="data">{_data(picture)}</script>',
            f"<script>{script}</script>",
        ]
    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en" class="smecheck">',
            "<head>",
            '<meta charset="UTF-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{safe(title)}</title>",
            f"<style>{style}</style>",
            "</head>",
            "<body>",
            "<header>",
            *header,
            "</header>",
            "<main>",
            *main,
            "</main>",
            *scripts,
            "</body>",
            "</html>\n",
        ]
    )


def figures(picture: MemoryPicture) -> Iterator[str]:
    """Yield the memory as drawings: all of it, KASLR's places, and around the workarea."""
    unit = "physical memory" if picture.is_physical else "offsets from _text"
    whole = safe(f"All of it: {unit}, {picture.whole!r}, {size_text(picture.whole.size)}")
    yield "<figure>"
    yield f"<figcaption>{whole}</figcaption>"
    label = "all memory, and where the lens is"
    yield from svg(overview(picture, "lens-window"), label, "overview", PATTERNS)
    if picture.places is not None:
        yield f"<figcaption>{safe(places_caption(picture.places))}</figcaption>"
        strip = places_strip(picture.places, picture)
        yield from svg(strip, "positions that KASLR may choose, and those that collide", "strip")
    yield "<figcaption>Around the workarea</figcaption>"
    yield '<div class="controls" hidden>'
    for action, text in _BUTTONS:
        yield f'<button type="button" data-action="{action}">{text}</button>'
    yield (
        '<span class="dim">drag, shift + wheel, or the keys + - ← → 0; ↓ ↑ go from mark to mark'
        "</span>"
    )
    yield "</div>"
    drawn = lens(picture)
    yield (
        f'<svg class="memory" id="lens" viewBox="0 0 {WIDTH} {drawn.height}" tabindex="0" '
        'role="group" aria-label="memory around the workarea; plus and minus zoom, left and right '
        'move, down and up go from mark to mark">'
    )
    yield from ('<g id="lens-rows">', *drawn.elements, "</g></svg>")
    yield from svg(legend(picture), "legend")
    yield '<div id="shown" aria-live="polite" hidden>Point at a mark to see what it is.</div>'
    yield "</figure>"


def places_table(picture: MemoryPicture) -> Iterator[str]:
    """Yield every mark as a row of a table; of many with one name the first."""
    yield "<h2>Every place in the picture</h2>"
    yield '<details><summary>as a table</summary><div class="wide"><table>'
    titles = "".join(f"<th>{title}</th>" for title in ("row", "what", "where", "size", "more"))
    yield f"<thead><tr>{titles}</tr></thead>"
    yield "<tbody>"
    for row in picture.rows:
        by_name: dict[str, list[Mark]] = {}
        for mark in row.marks:
            by_name.setdefault(mark.name, []).append(mark)
        for name, marks in by_name.items():
            yield from (_table_row(row.label, mark, picture) for mark in marks[:_IN_THE_TABLE])
            left_out = len(marks) - _IN_THE_TABLE
            if left_out > 0:
                yield f'<tr><td></td><td colspan="4">and {left_out} more: {safe(name)}</td></tr>'
    yield "</tbody></table></div></details>"


def texts(title: str, lines: Iterable[str]) -> Iterator[str]:
    """Yield a list with its title, if there is anything to list."""
    items = "".join(f"<li>{safe(line)}</li>" for line in lines)
    if items:
        yield f"<h2>{title}</h2>"
        yield f"<ul>{items}</ul>"


def heading(verdict: str, kind: str, headline: str) -> str:
    """Return the first line of a page.

    Args:
        verdict: in words.
        kind: ``is-good``, ``is-bad`` or ``is-open``; empty for none of them.
        headline: the answer in a sentence.
    """
    return f'<h1><span class="{f"verdict {kind}".strip()}">{verdict}</span> {safe(headline)}</h1>'


def svg(drawing: Drawing, label: str, identity: str = "", before: str = "") -> Iterator[str]:
    """Yield a drawing as an element of a page.

    Args:
        drawing: what is drawn.
        label: what it shows, for who cannot see it.
        identity: of the element; empty where there may be several.
        before: what marks are filled with, in the first drawing of a page.
    """
    named = f' id="{identity}"' if identity else ""
    yield (
        f'<svg class="memory"{named} viewBox="0 0 {WIDTH} {drawing.height}" role="img" '
        f'aria-label="{label}">{before}'
    )
    yield from drawing.elements
    yield "</svg>"


def _table_row(label: str, mark: Mark, picture: MemoryPicture) -> str:
    anchor = f' id="{mark.anchor}"' if mark.anchor and not is_in_lens(mark, picture) else ""
    return (
        f"<tr{anchor}><td>{safe(label)}</td><td>{safe(mark.name)}</td>"
        f'<td class="span">{safe(repr(mark.span))}</td>'
        f'<td class="nowrap">{size_text(mark.span.size)}</td><td>{safe(mark.facts)}</td></tr>'
    )


def _data(picture: MemoryPicture) -> str:
    """Return the rows as JSON for the script; it cannot end the element that it stands in.

    Marks that follow each other under one name are one group: its name, its ink, how its facts
    begin, and a list of what is left: for each the distance from the end of the one before, its
    size, how its facts go on, how far apart it is repeated and how long it is then (0: it is not).
    """
    rows = [
        {
            "label": printable(row.label),
            "groups": [_group(list(marks)) for _, marks in groupby(row.marks, key=_same)],
            "anchors": {
                mark.anchor: number for number, mark in enumerate(row.marks) if mark.anchor
            },
        }
        for row in picture.rows
    ]
    document = {
        "layout": {"width": WIDTH, "left": LEFT, "right": RIGHT, "row": ROW, "top": TOP},
        "whole": [picture.whole.start, picture.whole.end],
        "lens": [picture.lens.start, picture.lens.end],
        "many": [ink.value for ink in MANY],
        "rows": rows,
    }
    return _harmless(json.dumps(document, separators=(",", ":")))


def _same(mark: Mark) -> tuple[str, Ink, bool]:
    return mark.name, mark.ink, bool(mark.every)


def _group(marks: list[Mark]) -> list[object]:
    facts = [printable(mark.facts) for mark in marks]
    common = commonprefix(facts)
    numbers: list[int | str] = []
    before = 0
    for mark, fact in zip(marks, facts, strict=True):
        numbers += [mark.span.start - before, mark.span.size, fact.removeprefix(common)]
        numbers += [mark.every, mark.length] if mark.every else []
        before = mark.span.end
    first = marks[0]
    return [printable(first.name), first.ink.value, common, bool(first.every), numbers]


def _harmless(text: str) -> str:
    """Return JSON without the characters that mean anything to a reader of HTML."""
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"
