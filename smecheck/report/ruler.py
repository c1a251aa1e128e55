"""The memory ruler: the workarea and its neighbours on one axis, drawn to scale.

One line per party over a common linear axis; everything is at least one column wide, so nothing
that is there disappears by being small. The axis reaches from a little below the lowest to a little
above the highest border that lies near the workarea; what lies outside is listed under it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from smecheck.kernel.constants import PAGE_SIZE
from smecheck.quantity import address_text, size_text
from smecheck.record import record
from smecheck.report.lanes import Ink, Lane, Scene, near
from smecheck.span import Span, align_down, align_up, ceil_div

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_EDGE = 2
"""Columns that are kept free at either end of the axis."""
_LEAST_COLUMNS = 24
"""Of the axis; where less is left beside the spans, these go under the drawing."""
_LONGEST_NAME = 14


@record
class Glyphs:
    """The characters of a drawing."""

    ink: dict[Ink, str]
    written: str
    worst: str
    mapped: str
    goes_on_below: str
    goes_on_above: str
    axis: str
    axis_start: str
    axis_end: str
    tick: str


UNICODE = Glyphs(
    ink={
        Ink.KERNEL: "━",
        Ink.IN_PLACE: "╍",
        Ink.SEGMENT: "▬",
        Ink.RESERVATION: "─",
        Ink.HIT: "▲",
    },
    written="█",
    worst="▓",
    mapped="░",
    goes_on_below="◂",
    goes_on_above="▸",
    axis="─",
    axis_start="├",
    axis_end="┤",
    tick="┬",
)
ASCII = Glyphs(
    ink={
        Ink.KERNEL: "=",
        Ink.IN_PLACE: "~",
        Ink.SEGMENT: "o",
        Ink.RESERVATION: ".",
        Ink.HIT: "!",
    },
    written="#",
    worst="+",
    mapped="-",
    goes_on_below="<",
    goes_on_above=">",
    axis="-",
    axis_start="|",
    axis_end="|",
    tick="+",
)


@record
class Scale:
    """The axis: ``columns`` columns of ``per_column`` bytes each, from ``low`` on."""

    low: int
    per_column: int
    columns: int

    @property
    def span(self) -> Span:
        """All that the axis shows."""
        return Span.sized(self.low, self.per_column * self.columns)

    def column_of(self, address: int) -> int:
        """Return the column that ``address`` falls in; it may lie outside of the axis."""
        return (address - self.low) // self.per_column

    def cells(self, span: Span) -> range:
        """Return the columns of the part of ``span`` that is on the axis, at least one."""
        first = max(0, self.column_of(span.start))
        end = min(self.columns, ceil_div(span.end - self.low, self.per_column))
        return range(first, max(end, first + 1))


def draw(scene: Scene, width: int, *, unicode: bool) -> list[str]:
    """Draw ``scene`` in lines of at most ``width`` columns (from 38 on); the first is a caption.

    What lies outside of the axis is listed under it.
    """
    drawing = _drawing(scene, width, unicode=unicode)
    lines = [_caption(scene, drawing.scale), *drawing.rows]
    lines += _filled("", drawing.legend, width)
    lines += _places(scene, drawing.scale, list(drawing.without_note), width)
    return [line.rstrip() for line in lines]


def draw_brief(scene: Scene, width: int, *, unicode: bool) -> list[str]:
    """Draw only what lies on the axis, with the legend in the caption."""
    drawing = _drawing(scene, width, unicode=unicode)
    caption = f"1 column = {size_text(drawing.scale.per_column).partition(' (')[0]}"
    lines = ["   ".join((caption, *drawing.legend)), *drawing.rows]
    return [line.rstrip() for line in lines]


@record
class _Drawing:
    scale: Scale
    rows: tuple[str, ...]
    legend: tuple[str, ...]
    without_note: tuple[Lane, ...]
    """Lanes beside whose bars there was no room for their spans."""


def _caption(scene: Scene, scale: Scale) -> str:
    unit = "physical memory" if scene.physical else "offsets from _text"
    return f"{unit}, one column is {size_text(scale.per_column)}"


def _drawing(scene: Scene, width: int, *, unicode: bool) -> _Drawing:
    glyphs = UNICODE if unicode else ASCII
    workarea = Lane("workarea", (scene.extents.mapped,), Ink.KERNEL)
    name_width = min(_LONGEST_NAME, max(len(lane.name) for lane in (workarea, *scene.lanes)))
    beside = width - name_width - 2 - max(len(_note(lane)) for lane in (workarea, *scene.lanes))
    notes_fit = beside >= _LEAST_COLUMNS
    scale = scale_for(scene, beside if notes_fit else width - name_width - 1)
    drawn = [lane for lane in scene.lanes if _is_drawn(lane, scale)]
    above = [lane for lane in drawn if lane.ink in (Ink.KERNEL, Ink.IN_PLACE)]
    rows = [
        *((lane, _bar(lane, scale, glyphs)) for lane in above),
        (workarea, _workarea_bar(scene, scale, glyphs)),
        *((lane, _bar(lane, scale, glyphs)) for lane in drawn if lane not in above),
    ]
    borders = sorted(_borders(scene, drawn, scale.span))
    margin = " " * (name_width + 1)
    lines = [
        margin + _axis_labels(scene, borders, scale),
        margin + _axis(borders, scale, glyphs),
    ]
    for lane, bar in rows:
        note = f" {_note(lane)}" if notes_fit else ""
        lines.append(f"{lane.name[:name_width]:<{name_width}} {bar:<{scale.columns}}{note}")
    listed = () if notes_fit else tuple(lane for lane, _ in rows)
    return _Drawing(scale, tuple(lines), tuple(_legend(scene, drawn, glyphs)), listed)


def scale_for(scene: Scene, columns: int) -> Scale:
    """Choose the axis: whole pages per column, the borders near the workarea in its middle."""
    borders = _borders(scene, scene.lanes, near(scene.extents))
    low, high = min(borders), max(borders)
    per_column = align_up(max(1, ceil_div(high - low, columns - 2 * _EDGE)), PAGE_SIZE)
    spare = columns - ceil_div(high - low, per_column)
    return Scale(max(0, align_down(low - spare // 2 * per_column, PAGE_SIZE)), per_column, columns)


def _borders(scene: Scene, lanes: Iterable[Lane], within: Span) -> set[int]:
    spans = [span for lane in lanes for span in lane.spans if span]
    borders = {border for span in spans for border in (span.start, span.end)}
    own = scene.extents
    return {own.start, own.written_end, own.worst_end, own.mapped_end} | {
        border for border in borders if within.start <= border <= within.end
    }


def _is_drawn(lane: Lane, scale: Scale) -> bool:
    """Return whether the axis shows a border of the lane: not if it is outside, nor all around."""
    return any(span.overlaps(scale.span) and not span.covers(scale.span) for span in lane.spans)


def _note(lane: Lane) -> str:
    if lane.ink is Ink.HIT:
        return ""
    return repr(lane.spans[0]) if len(lane.spans) == 1 else f"{len(lane.spans)} spans"


def _bar(lane: Lane, scale: Scale, glyphs: Glyphs) -> str:
    cells = [" "] * scale.columns
    for span in lane.spans:
        if not span.overlaps(scale.span):
            continue
        columns = scale.cells(span)
        for column in columns:
            cells[column] = glyphs.ink[lane.ink]
        if span.start < scale.span.start:
            cells[columns[0]] = glyphs.goes_on_below
        if span.end > scale.span.end:
            cells[columns[-1]] = glyphs.goes_on_above
    return "".join(cells)


def _workarea_bar(scene: Scene, scale: Scale, glyphs: Glyphs) -> str:
    """Draw the three parts one after the other, each that is there at least one column wide."""
    extents = scene.extents
    column = scale.column_of(extents.start)
    bar = " " * column
    parts = (
        (glyphs.written, extents.start, extents.written_end),
        (glyphs.worst, extents.written_end, extents.worst_end),
        (glyphs.mapped, extents.worst_end, extents.mapped_end),
    )
    for glyph, start, end in parts:
        if end > start:
            stop = max(column + 1, scale.column_of(end - 1) + 1)
            bar += glyph * (stop - column)
            column = stop
    return bar[: scale.columns]


def _axis(borders: list[int], scale: Scale, glyphs: Glyphs) -> str:
    cells = [glyphs.axis] * scale.columns
    for border in borders:
        cells[min(scale.column_of(border), scale.columns - 1)] = glyphs.tick
    cells[0], cells[-1] = glyphs.axis_start, glyphs.axis_end
    return "".join(cells)


def _axis_labels(scene: Scene, borders: list[int], scale: Scale) -> str:
    """Label the ends of the axis, then the workarea's borders, then others, as there is room."""
    last = address_text(scale.span.end)
    places = [(0, address_text(scale.low)), (scale.columns - len(last), last)]
    own = scene.extents
    wanted = (own.start, own.mapped_end, own.written_end, *borders)
    places += [(scale.column_of(border), address_text(border)) for border in wanted]
    row = " " * scale.columns
    for column, label in places:
        end = column + len(label)
        # A column is left free on either side, so that two labels do not read as one.
        if column >= 0 and end <= len(row) and not row[max(0, column - 1) : end + 1].strip():
            row = row[:column] + label + row[end:]
    return row


def _legend(scene: Scene, drawn: list[Lane], glyphs: Glyphs) -> list[str]:
    extents = scene.extents
    entries = [f"{glyphs.written} written"]
    if extents.worst_end > extents.written_end:
        entries.append(f"{glyphs.worst} at worst")
    entries.append(f"{glyphs.mapped} mapped")
    if any(lane.ink is Ink.HIT for lane in drawn):
        entries.append(f"{glyphs.ink[Ink.HIT]} errors")
    return entries


def _places(scene: Scene, scale: Scale, listed: list[Lane], width: int) -> Iterator[str]:
    """List the spans that no row shows: of what the axis does not reach, and of mixed parties.

    Args:
        scene: who there is.
        scale: what is on the axis.
        listed: drawn parties whose spans had no room in their rows.
        width: columns.
    """
    sides: dict[str, list[str]] = {"drawn": [], "below": [], "above": [], "around": []}
    for lane in (*listed, *(lane for lane in scene.lanes if lane not in listed)):
        if lane.ink is Ink.HIT:
            continue
        mixed = len(lane.spans) > 1 and _is_drawn(lane, scale)
        for span in filter(None, lane.spans):
            if lane in listed or mixed:
                side = "drawn"
            elif _is_drawn(lane, scale):
                continue
            elif span.overlaps(scale.span):
                side = "around"
            else:
                side = "below" if span.end <= scale.low else "above"
            sides[side].append(f"{lane.name[:_LONGEST_NAME]} {span!r}")
    for side, entries in sides.items():
        if entries:
            yield from _filled(f"{side + ':':<7} ", entries, width)


def _filled(title: str, entries: Iterable[str], width: int) -> Iterator[str]:
    """Put entries side by side as long as they fit, never breaking one."""
    line = title
    for entry in entries:
        gap = "" if line.endswith(" ") or not line else "   "
        if line.strip() and line != title and len(line) + len(gap) + len(entry) > width:
            yield line
            line = " " * len(title) + entry
        else:
            line += gap + entry
    yield line
