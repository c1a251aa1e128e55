"""The memory as a picture, for tickets, documents and browsers: SVG, and a page of HTML.

Nothing in them refers to anything outside, and no text of an input is ever markup or program: the
page allows the one style sheet and the one script that are in it, by their hashes.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Iterator
from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING

from smecheck.answer import Report
from smecheck.checks.finding import Finding, Severity
from smecheck.quantity import address_text, size_text
from smecheck.report.finding_words import place_of
from smecheck.report.memory_picture import INK_MEANINGS, Ink, Mark, MemoryPicture, memory_picture
from smecheck.report.safe_text import printable
from smecheck.report.verdict_words import VERDICT_WORDS, context_of, findings_count
from smecheck.span import Span

if TYPE_CHECKING:
    from smecheck.report.options import RenderOptions

_WIDTH, _LEFT, _RIGHT = 1000, 130, 985
_TOP, _ROW = 30, 26
"""In units of the drawing: of the page, and of a track and the first of them."""
_TICKS = 4
_LEGEND_LINE = 20
_LONGEST_INSIDE = 8
"""Units that a character takes inside a mark."""
_PATTERNS = (
    '<defs><pattern id="in-place" width="6" height="6" patternUnits="userSpaceOnUse">'
    '<path class="hatch" d="M0 3h6"/></pattern>'
    '<pattern id="worst" width="6" height="6" patternUnits="userSpaceOnUse" '
    'patternTransform="rotate(45)"><path class="hatch" d="M0 0v6M3 0v6"/></pattern>'
    '<pattern id="mapped" width="6" height="6" patternUnits="userSpaceOnUse">'
    '<circle class="dots" cx="3" cy="3" r="1.2"/></pattern>'
    '<pattern id="colliding" width="8" height="8" patternUnits="userSpaceOnUse">'
    '<path class="cross" d="M0 0l8 8M8 0l-8 8"/></pattern></defs>'
)
_NO_PICTURE = "Nothing tells where the workarea of this kernel lies, so there is nothing to draw."
_SEVERITY_MARKS = {Severity.ERROR: "✕", Severity.WARNING: "!", Severity.NOTE: "i"}
_TOLD_OF_RAM = 12
"""Rows of System RAM in the table of a page; a large machine has thousands."""


def svg_picture(report: Report) -> str:
    """Return the memory of the report as SVG that stands alone."""
    picture = memory_picture(report)
    style = _resource("picture.css")
    title = f"{VERDICT_WORDS[report.verdict]}: {_text(report.headline)}"
    head = _TOP + 20
    if picture is None:
        body, height = [f'<text class="label" x="8" y="{head}">{_NO_PICTURE}</text>'], head + 20
    else:
        over = head + 2 * _ROW + 20
        height = over + _TOP + len(picture.rows) * _ROW + 50 + _LEGEND_LINE
        body = [
            *_overview(picture, head, "window"),
            f'<g transform="translate(0 {over})">',
            *_lens(picture),
            "</g>",
            *_legend(picture, height - 30 - _LEGEND_LINE),
        ]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" '
            f'font-family="sans-serif" role="img" aria-label="{title}">',
            f"<style>{style}</style>",
            f'<rect width="{_WIDTH}" height="{height}" fill="var(--page)"/>',
            _PATTERNS,
            f'<text class="label" x="8" y="22" font-weight="bold">{title}</text>',
            *body,
            "</svg>\n",
        ]
    )


def html_page(report: Report, options: RenderOptions) -> str:
    """Return the report as a page made for looking: zoom, pan, what is where and whose it is."""
    picture = memory_picture(report)
    style, script = _resource("picture.css"), _resource("picture.js")
    policy = (
        f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    verdict = VERDICT_WORDS[report.verdict]
    parts = [
        "<!DOCTYPE html>",
        '<html lang="en">',
        "<head>",
        '<meta charset="UTF-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>smecheck: {verdict}</title>",
        f"<style>{style}</style>",
        "</head>",
        "<body>",
        "<header>",
        f'<h1><span class="verdict {report.verdict.value}">{verdict}</span> '
        f"{_text(report.headline)}</h1>",
        f'<p class="dim">{_text(context_of(report))}; exit {options.exit_code}</p>',
        f"<p><strong>Do now:</strong> {_text(report.next_step)}</p>",
        "</header>",
        "<main>",
        *(_figures(picture) if picture is not None else [f"<p>{_NO_PICTURE}</p>"]),
        *_findings_list(report.findings),
        *(_table(picture) if picture is not None else ()),
        *_texts("Premises", report.assumptions),
        *_texts("Not checked", report.not_checked),
        "</main>",
    ]
    if picture is not None:
        parts += [
            f'<script type="application/json" id="data">{_data(picture)}</script>',
            f"<script>{script}</script>",
        ]
    return "\n".join([*parts, "</body>", "</html>\n"])


def _figures(picture: MemoryPicture) -> Iterator[str]:
    unit = "physical memory" if picture.is_physical else "offsets from _text"
    height = _TOP + len(picture.rows) * _ROW + 8
    yield "<h2>Memory</h2>"
    yield "<figure>"
    yield f"<figcaption>All of it: {unit}, {_span(picture.whole)}</figcaption>"
    yield (
        f'<svg class="memory" viewBox="0 0 {_WIDTH} {2 * _ROW + 24}" role="img" '
        f'aria-label="all memory, and where the lens is">{_PATTERNS}'
    )
    yield from _overview(picture, 22, "lens-window")
    yield "</svg>"
    yield "<figcaption>Around the workarea</figcaption>"
    yield '<div class="controls" hidden>'
    for action, label in (
        ("in", "Zoom in"),
        ("out", "Zoom out"),
        ("left", "◂ Lower"),
        ("right", "Higher ▸"),
        ("reset", "Workarea"),
        ("whole", "All memory"),
    ):
        yield f'<button type="button" data-action="{action}">{label}</button>'
    yield '<span class="dim">drag, shift + wheel, or the keys + - ← → 0</span>'
    yield "</div>"
    yield (
        f'<svg class="memory" id="lens" viewBox="0 0 {_WIDTH} {height}" tabindex="0" role="group" '
        'aria-label="memory around the workarea; plus and minus zoom, arrow keys move">'
        '<g id="lens-rows">'
    )
    yield from _lens(picture)
    yield "</g></svg>"
    box = f"0 0 {_WIDTH} {34 + _LEGEND_LINE}"
    yield f'<svg class="memory" viewBox="{box}" role="img" aria-label="legend">'
    yield from _legend(picture, 10)
    yield "</svg>"
    yield '<div id="told" aria-live="polite"></div>'
    yield "</figure>"


def _overview(picture: MemoryPicture, top: int, window_id: str) -> Iterator[str]:
    """Draw all memory on one line; what is narrower than a pixel together with its neighbours."""
    whole = picture.whole
    yield from _axis(whole, top - 6)
    yield _rect("track", _LEFT, _RIGHT - _LEFT, top)
    for row in picture.rows:
        for ink, x, width in _columns(row.marks, whole):
            if ink not in (Ink.HYPOTHETICAL, Ink.NOTE, Ink.PLACES):
                yield _rect(ink.value, x, width, top)
    places = [mark for row in picture.rows for mark in row.marks if mark.ink is Ink.PLACES]
    for ink, x, width in _columns(places, whole):
        yield _rect(ink.value, x, width, top + _ROW, _ROW // 3)
    x, end = _across(picture.lens.start, whole), _across(picture.lens.end, whole)
    width = max(3, end - x)
    yield (
        f'<rect class="window" id="{window_id}" x="{_n(x)}" y="{top - 2}" width="{_n(width)}" '
        f'height="{_ROW + 12}"/>'
    )


def _columns(marks: Iterable[Mark], shown: Span) -> Iterator[tuple[Ink, float, float]]:
    """Yield what is drawn of marks: those that would fall on one another are drawn once."""
    reached: dict[Ink, float] = {}
    for mark in sorted(marks, key=lambda mark: mark.span.start):
        if not mark.span.overlaps(shown):
            continue
        x = max(float(_LEFT), _across(mark.span.start, shown))
        end = min(float(_RIGHT), max(x + 2, _across(mark.span.end, shown)))
        if end <= reached.get(mark.ink, 0) + 0.5:
            continue
        reached[mark.ink] = end
        yield mark.ink, x, end - x


def _lens(picture: MemoryPicture) -> Iterator[str]:
    shown = picture.lens
    yield from _axis(shown, _TOP - 8)
    for index, row in enumerate(picture.rows):
        y = _TOP + index * _ROW
        yield f'<text class="label" x="8" y="{y + 16}">{_text(row.label)}</text>'
        yield _rect("track", _LEFT, _RIGHT - _LEFT, y)
        for mark in row.marks:
            if not mark.span.overlaps(shown):
                continue
            x = max(float(_LEFT), _across(mark.span.start, shown))
            width = max(2, min(float(_RIGHT), _across(mark.span.end, shown)) - x)
            title = _text(f"{mark.name} {mark.span!r}")
            yield (
                f'<rect class="mark {mark.ink.value}" x="{_n(x)}" y="{y + 3}" '
                f'width="{_n(width)}" height="{_ROW - 8}"><title>{title}</title></rect>'
            )
            fits = width > _LONGEST_INSIDE * len(mark.name)
            if fits and mark.ink in (Ink.SEGMENT, Ink.KERNEL):
                yield f'<text class="inside" x="{_n(x + 4)}" y="{y + 16}">{_text(mark.name)}</text>'


def _axis(shown: Span, y: int) -> Iterator[str]:
    for number in range(_TICKS + 1):
        x = _LEFT + number / _TICKS * (_RIGHT - _LEFT)
        anchor = {0: "start", _TICKS: "end"}.get(number, "middle")
        address = address_text(shown.start + shown.size * number // _TICKS)
        yield (f'<text class="tick" x="{_n(x)}" y="{y}" text-anchor="{anchor}">{address}</text>')


def _legend(picture: MemoryPicture, y: int) -> Iterator[str]:
    drawn = {mark.ink for row in picture.rows for mark in row.marks}
    x = 8
    for ink, meaning in INK_MEANINGS.items():
        if ink in drawn:
            if x + 30 + 7 * len(meaning) > _WIDTH:
                x, y = 8, y + _LEGEND_LINE
            yield f'<rect class="{ink.value}" x="{x}" y="{y}" width="18" height="12"/>'
            yield f'<text class="label" x="{x + 23}" y="{y + 11}">{meaning}</text>'
            x += 40 + 7 * len(meaning)


def _findings_list(findings: tuple[Finding, ...]) -> Iterator[str]:
    if not findings:
        return
    yield f"<h2>Findings: {findings_count(findings)}</h2>"
    yield '<ol class="findings">'
    for finding in findings:
        severity = finding.severity
        yield "<li>"
        yield (
            f"<strong>{_SEVERITY_MARKS[severity]} {severity.value} {_text(finding.rule)}</strong> "
            f"{_text(finding.message)}"
        )
        if finding.span is not None:
            yield (
                f'<br><code>{_text(place_of(finding))}</code> <span class="controls" hidden>'
                f'<button type="button" data-from="{finding.span.start}" '
                f'data-to="{finding.span.end}">Show</button></span>'
            )
        if finding.condition is not None:
            yield f"<br><em>only if:</em> {_text(finding.condition)}"
        if finding.remedy:
            yield f"<br><em>next:</em> {_text(finding.remedy)}"
        yield "</li>"
    yield "</ol>"


def _table(picture: MemoryPicture) -> Iterator[str]:
    yield "<h2>Every place in the picture</h2>"
    yield "<details><summary>as a table</summary><table>"
    yield "<thead><tr><th>row</th><th>what</th><th>where</th><th>size</th><th></th></tr></thead>"
    yield "<tbody>"
    for row in picture.rows:
        ram = [mark for mark in row.marks if mark.ink is Ink.RAM]
        left_out = len(ram) - _TOLD_OF_RAM
        for mark in row.marks[:_TOLD_OF_RAM] if left_out > 0 else row.marks:
            yield (
                f"<tr><td>{_text(row.label)}</td><td>{_text(mark.name)}</td>"
                f'<td class="span">{_text(repr(mark.span))}</td>'
                f"<td>{size_text(mark.span.size)}</td><td>{_text(mark.detail)}</td></tr>"
            )
        if left_out > 0:
            yield f"<tr><td></td><td>and {left_out} more ranges of System RAM</td></tr>"
    yield "</tbody></table></details>"


def _texts(title: str, texts: tuple[str, ...]) -> Iterator[str]:
    if texts:
        yield f"<h2>{title}</h2>"
        yield f"<ul>{''.join(f'<li>{_text(text)}</li>' for text in texts)}</ul>"


def _data(picture: MemoryPicture) -> str:
    """Return the rows as JSON for the script; it cannot end the element that it stands in."""
    rows = [
        {
            "label": printable(row.label),
            "marks": [
                [
                    mark.span.start,
                    mark.span.end,
                    printable(mark.name),
                    mark.ink.value,
                    printable(mark.detail) if mark.ink is not Ink.RAM else "",
                ]
                for mark in row.marks
            ],
        }
        for row in picture.rows
    ]
    layout = {"width": _WIDTH, "left": _LEFT, "right": _RIGHT, "row": _ROW, "top": _TOP}
    document = {
        "layout": layout,
        "whole": [picture.whole.start, picture.whole.end],
        "lens": [picture.lens.start, picture.lens.end],
        "rows": rows,
    }
    text = json.dumps(document, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _across(address: int, shown: Span) -> float:
    return _LEFT + (address - shown.start) / max(1, shown.size) * (_RIGHT - _LEFT)


def _rect(ink: str, x: float, width: float, y: int, height: int = _ROW - 6) -> str:
    return f'<rect class="{ink}" x="{_n(x)}" y="{y + 2}" width="{_n(width)}" height="{height}"/>'


def _n(number: float) -> str:
    """Return a coordinate in as few digits as matter."""
    return f"{number:.2f}".rstrip("0").rstrip(".")


def _span(span: Span) -> str:
    return f"{_text(repr(span))}, {size_text(span.size)}"


def _text(text: str) -> str:
    return escape(printable(text), quote=True)


def _resource(name: str) -> str:
    return files("smecheck.report").joinpath(name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"
