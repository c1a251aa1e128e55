"""The memory as a picture: SVG that stands alone, and the drawings that a page is made of.

Nothing in them refers to anything outside, and no text of an input is ever markup.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator
from html import escape
from importlib.resources import files

from smecheck.answer import Report
from smecheck.quantity import address_text, count_text, size_text
from smecheck.record import record, replace
from smecheck.report.memory_picture import (
    INK_MEANINGS,
    Ink,
    Mark,
    MemoryPicture,
    PlacesStrip,
    memory_picture,
)
from smecheck.report.safe_text import printable
from smecheck.report.verdict_words import VERDICT_WORDS, context_of
from smecheck.span import Span

WIDTH, LEFT, RIGHT = 1000, 130, 985
TOP, ROW = 30, 26
"""In units of the drawing: of the picture, and of a track and the first of them."""
_TICKS = 4
_LEGEND_LINE = 20
_INSIDE = 8
"""Units that a character takes inside a mark."""
_TITLE_CHARACTERS = 118
"""That a line of the title holds."""
_TITLE_LINES = 4
_NAMED_POSITIONS = 5
"""Colliding positions that are named beside the strip; there may be thousands."""
PATTERNS = (
    '<defs><pattern id="in-place" width="6" height="6" patternUnits="userSpaceOnUse">'
    '<path class="hatch" d="M0 3h6"/></pattern>'
    '<pattern id="reserved" width="5" height="5" patternUnits="userSpaceOnUse">'
    '<path class="bars" d="M2 0v5"/></pattern>'
    '<pattern id="worst" width="6" height="6" patternUnits="userSpaceOnUse" '
    'patternTransform="rotate(45)"><path class="hatch" d="M0 0v6M3 0v6"/></pattern>'
    '<pattern id="unpack-copy" width="8" height="8" patternUnits="userSpaceOnUse" '
    'patternTransform="rotate(-45)"><path class="copied" d="M0 0v8M4 0v8"/></pattern>'
    '<pattern id="mapped" width="6" height="6" patternUnits="userSpaceOnUse">'
    '<circle class="dots" cx="3" cy="3" r="1.2"/></pattern>'
    '<pattern id="colliding" width="8" height="8" patternUnits="userSpaceOnUse">'
    '<path class="cross" d="M0 0l8 8M8 0l-8 8"/></pattern></defs>'
)
"""What marks are filled with. A page needs them once."""
NO_PICTURE = "It is not known where the workarea of this kernel lies, so there is nothing to draw."
_NOT_IN_THE_OVERVIEW = (
    *(Ink.HYPOTHETICAL, Ink.NOTE, Ink.PLACES, Ink.COLLIDING, Ink.UNPACK, Ink.RESERVED_FOR_KERNEL),
)


@record
class Drawing:
    """A part of a picture: elements of SVG, and how high they are."""

    elements: tuple[str, ...]
    height: int


def svg_picture(report: Report) -> str:
    """Return the memory of the report as SVG that stands alone."""
    picture = memory_picture(report)
    headline = f"{VERDICT_WORDS[report.verdict]}: {printable(report.headline)}"
    parts = [_title(headline, context_of(report))]
    if picture is None:
        parts.append(Drawing((_label(8, 14, NO_PICTURE),), 24))
    else:
        strip = picture.places
        unit = "physical memory" if picture.is_physical else "offsets from _text"
        parts += [
            _caption(f"All of it: {unit}, {picture.whole!r}, {size_text(picture.whole.size)}"),
            overview(picture),
            *(
                (_caption(places_caption(strip)), places_strip(strip, picture))
                if strip is not None
                else ()
            ),
            _caption("Around the workarea"),
            lens(picture),
            legend(picture),
        ]
    body, height = [], 0
    for part in parts:
        body += [f'<g transform="translate(0 {height})">', *part.elements, "</g>"]
        height += part.height
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" class="smecheck" '
            f'viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" role="img" '
            f'aria-label="{safe(headline)}">',
            f"<style>{resource('picture.css')}</style>",
            f'<rect class="ground" width="{WIDTH}" height="{height}"/>',
            PATTERNS,
            *body,
            "</svg>\n",
        ]
    )


MANY = (Ink.RAM, Ink.RESERVATION, Ink.PLACES, Ink.COLLIDING)
"""Inks of which a large machine may have thousands of marks."""
_MOST_STEMS = 40
"""Colliding positions that are pointed at; with more the strip is full anyway."""


def overview(picture: MemoryPicture, window_id: str = "window") -> Drawing:
    """Draw all memory on one line; what is narrower than a pixel together with its neighbours."""
    whole, top = picture.whole, 22
    elements = [*_axis(whole, top - 6), _rect("track", LEFT, RIGHT - LEFT, top)]
    for index, row in enumerate(picture.rows):
        marks = _joined(row.marks, whole)
        for number, mark, boxes in _columns(marks, whole):
            if mark.ink not in _NOT_IN_THE_OVERVIEW:
                elements.append(_mark(mark, f"{index}:{number}", boxes, top))
    x, end = across(picture.lens.start, whole), across(picture.lens.end, whole)
    window = (
        f'<rect class="window" id="{window_id}" x="{_n(x)}" y="{top - 2}" '
        f'width="{_n(max(3, end - x))}" height="{ROW + 2}"/>'
    )
    return Drawing((*elements, window), top + ROW + 10)


def places_caption(strip: PlacesStrip) -> str:
    """Say what the strip of KASLR's places shows, and which positions collide."""
    marks = strip.row.marks
    colliding = [span for mark in marks if mark.ink is Ink.COLLIDING for span in _first(mark)]
    what = f"Where KASLR may put _text: {count_text(strip.count, 'position')}"
    if strip.colliding is None:
        return f"{what}; which collide is not known"
    if not colliding:
        return f"{what}, none collides"
    named = ", ".join(_positions(span, strip) for span in colliding[:_NAMED_POSITIONS])
    more = ", …" if len(colliding) > _NAMED_POSITIONS else ""
    return f"{what}, {strip.colliding} of them colliding: {named}{more}"


def places_strip(strip: PlacesStrip, picture: MemoryPicture) -> Drawing:
    """Draw the positions that KASLR may choose, and exactly those that collide."""
    top = 34
    index = picture.rows.index(strip.row)
    elements = [*_axis(strip.span, 14), _rect("track", LEFT, RIGHT - LEFT, top)]
    elements.append(_label(8, top + 16, strip.row.label))
    drawn = list(_columns(enumerate(strip.row.marks), strip.span))
    colliding = [box for _, mark, boxes in drawn if mark.ink is Ink.COLLIDING for box in boxes]
    are_many = len(colliding) > _MOST_STEMS
    for number, mark, boxes in drawn:
        # Of very many, each is wider than it is: what is possible is to stay visible over them.
        is_low = are_many and mark.ink is Ink.COLLIDING
        y, height = (top + 12, 8) if is_low else (top, ROW - 8)
        elements.append(_mark(mark, f"{index}:{number}", boxes, y, height=height, brief=is_low))
    if not are_many:
        middles = (x + width / 2 for x, width in colliding)
        elements += (f'<path class="stem" d="M{_n(x)} {top}v-8m-4 0h8l-4 7z"/>' for x in middles)
    return Drawing(tuple(elements), top + ROW + 4)


def lens(picture: MemoryPicture) -> Drawing:
    """Draw every row around the workarea; a finding's mark is what its link leads to."""
    shown = picture.lens
    elements = [*_axis(shown, TOP - 8)]
    for index, row in enumerate(picture.rows):
        y = TOP + index * ROW
        elements.append(_label(8, y + 16, row.label))
        elements.append(_rect("track", LEFT, RIGHT - LEFT, y))
        for number, mark, boxes in _columns(enumerate(row.marks), shown):
            elements.append(_mark(mark, f"{index}:{number}", boxes, y, mark.anchor))
            x, width = boxes[0]
            fits = width > _INSIDE * len(mark.name)
            if fits and mark.ink in (Ink.SEGMENT, Ink.KERNEL):
                inside = (
                    f'<text class="inside" x="{_n(x + 4)}" y="{y + 16}">{safe(mark.name)}</text>'
                )
                elements.append(inside)
    return Drawing(tuple(elements), TOP + len(picture.rows) * ROW + 8)


def is_in_lens(mark: Mark, picture: MemoryPicture) -> bool:
    """Return whether the lens shows a mark as long as nobody moves it."""
    return mark.span.overlaps(picture.lens)


def legend(picture: MemoryPicture) -> Drawing:
    """Say what each kind of mark means that is drawn."""
    drawn = {mark.ink for row in picture.rows for mark in row.marks}
    elements = []
    x, y = 8, 10
    for ink, meaning in INK_MEANINGS.items():
        if ink in drawn:
            if x + 30 + 7 * len(meaning) > WIDTH:
                x, y = 8, y + _LEGEND_LINE
            elements.append(f'<rect class="{ink.value}" x="{x}" y="{y}" width="18" height="12"/>')
            elements.append(_label(x + 23, y + 11, meaning))
            x += 40 + 7 * len(meaning)
    return Drawing(tuple(elements), y + 24)


def across(address: int, shown: Span) -> float:
    """Return how far to the right an address is drawn."""
    return LEFT + (address - shown.start) / max(1, shown.size) * (RIGHT - LEFT)


def safe(text: str) -> str:
    """Return a text as markup that shows it."""
    return escape(printable(text), quote=True)


def resource(name: str) -> str:
    """Return a file that ships beside this one."""
    return files("smecheck.report").joinpath(name).read_text(encoding="utf-8")


def _title(headline: str, context: str) -> Drawing:
    lines = textwrap.wrap(
        headline, _TITLE_CHARACTERS, max_lines=_TITLE_LINES, placeholder=" …", break_long_words=True
    )
    texts = [_label(8, 22 + 18 * number, line, "title") for number, line in enumerate(lines)]
    y = 22 + 18 * len(lines)
    short = textwrap.shorten(printable(context), 140, placeholder=" …")
    return Drawing((*texts, _label(8, y, short)), y + 8)


def _caption(text: str) -> Drawing:
    return Drawing((_label(8, 20, text),), 26)


def _joined(marks: Iterable[Mark], shown: Span) -> Iterator[tuple[int | None, Mark]]:
    """Yield marks with their numbers; ranges that look like one as one, which has no number.

    What firmware reserves is not drawn where it is too narrow to be seen: two pages would look as
    large as a gibibyte.
    """
    pixel = shown.size / (RIGHT - LEFT)
    ram: list[tuple[int | None, Mark]] = []
    for number, mark in enumerate(marks):
        if mark.ink is Ink.RAM:
            before = ram[-1][1] if ram else None
            if before is not None and mark.span.start - before.span.end < pixel / 2:
                both = Span(before.span.start, max(before.span.end, mark.span.end))
                ram[-1] = None, replace(before, span=both)
            else:
                ram.append((number, mark))
        elif mark.ink is not Ink.RESERVATION or mark.is_crash or mark.span.size > pixel / 2:
            yield number, mark
    yield from ram


def _columns(
    marks: Iterable[tuple[int | None, Mark]], shown: Span
) -> Iterator[tuple[int | None, Mark, list[tuple[float, float]]]]:
    """Yield the marks that are drawn, each with where and how wide.

    Of many that may be there, ranges of memory and repeated marks, those that would fall on one
    another are drawn once.
    """
    reached: dict[Ink, tuple[float, float]] = {}
    for number, mark in marks:
        boxes = []
        for span in mark.places if mark.span.overlaps(shown) else ():
            if not span.overlaps(shown):
                continue
            x = max(float(LEFT), across(span.start, shown))
            end = min(float(RIGHT), max(x + 2, across(span.end, shown)))
            last_x, last_end = reached.get(mark.ink, (0.0, 0.0))
            if mark.ink in MANY and x < last_x + 1 and end <= last_end + 1:
                continue
            reached[mark.ink] = x, max(end, last_end)
            boxes.append((x, end - x))
        if boxes:
            yield number, mark, boxes


def _mark(
    mark: Mark,
    place: str,
    boxes: list[tuple[float, float]],
    y: int,
    anchor: str = "",
    *,
    height: int = ROW - 8,
    brief: bool = False,
) -> str:
    title = f"{mark.name} {mark.span!r}, {size_text(mark.span.size)}"
    if mark.facts and mark.ink is not Ink.RAM and not brief:
        title = f"{title}; {mark.facts}"
    identity = f' id="{anchor}"' if anchor else ""
    known = "" if "None" in place else f' data-mark="{place}"'
    opening, closing = (
        f'class="mark {mark.ink.value}"{identity}{known}',
        f"<title>{safe(title)}</title>",
    )
    if len(boxes) == 1:
        x, width = boxes[0]
        box = f'x="{_n(x)}" y="{y + 3}" width="{_n(width)}" height="{height}"'
        return f"<rect {opening} {box}>{closing}</rect>"
    path = "".join(f"M{_n(x)} {y + 3}h{_n(width)}v{height}h-{_n(width)}z" for x, width in boxes)
    return f'<path {opening} d="{path}">{closing}</path>'


def _first(mark: Mark) -> Iterator[Span]:
    """Yield the places of a mark, no more than are named."""
    for number, span in enumerate(mark.places):
        if number > _NAMED_POSITIONS:
            return
        yield span


def _positions(span: Span, strip: PlacesStrip) -> str:
    """Return positions of ``_text`` in words: one, or from the first to the last."""
    last = span.end - strip.alignment
    first = address_text(span.start)
    return first if last <= span.start else f"{first} to {address_text(last)}"


def _axis(shown: Span, y: int) -> Iterator[str]:
    for number in range(_TICKS + 1):
        x = LEFT + number / _TICKS * (RIGHT - LEFT)
        anchor = {0: "start", _TICKS: "end"}.get(number, "middle")
        address = address_text(shown.start + shown.size * number // _TICKS)
        yield (f'<text class="tick" x="{_n(x)}" y="{y}" text-anchor="{anchor}">{address}</text>')


def _label(x: int, y: int, text: str, kind: str = "") -> str:
    names = f"label {kind}".strip()
    return f'<text class="{names}" x="{x}" y="{y}">{safe(text)}</text>'


def _rect(ink: str, x: float, width: float, y: int) -> str:
    return f'<rect class="{ink}" x="{_n(x)}" y="{y + 2}" width="{_n(width)}" height="{ROW - 6}"/>'


def _n(number: float) -> str:
    """Return a coordinate in as few digits as matter."""
    return f"{number:.2f}".rstrip("0").rstrip(".")
