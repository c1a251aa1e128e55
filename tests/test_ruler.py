from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_samples import clear, collision, not_applicable, undecided

from smecheck.record import replace
from smecheck.report.lanes import Ink, Lane, Scene, scene_of
from smecheck.report.ruler import Scale, draw, scale_for
from smecheck.span import Span
from smecheck.workarea.placement import Extents

MIB = 1 << 20
PAGE = 0x1000


def extents(start: int, *, slack: int = MIB) -> Extents:
    return Extents(
        Span(start - slack, start), start, start + 0x209000, start + 0x22B000, start + 4 * MIB
    )


def scene(*lanes: Lane, start: int = 64 * MIB) -> Scene:
    return Scene(extents(start), lanes, physical=True)


def segment(name: str, start: int, size: int) -> Lane:
    return Lane(name, (Span.sized(start, size),), Ink.SEGMENT)


def lane(lines: list[str], name: str) -> str:
    (line,) = [line for line in lines if line.startswith(f"{name} ")]
    return line


def test_parts_of_the_workarea_are_in_proportion() -> None:
    lines = draw(scene(), 120, unicode=False)
    bar = lane(lines, "workarea")
    written, worst, mapped = (bar.split("[")[0].count(glyph) for glyph in "#+-")
    assert written / (written + worst + mapped) == pytest.approx(0x209 / 0x400, abs=0.03)
    assert worst >= 1
    assert bar.endswith("[0x4000000, 0x4400000)")


def test_lanes_share_the_axis() -> None:
    start = 64 * MIB
    lines = draw(
        scene(segment("x", start, MIB), segment("y", start + MIB, 3 * MIB)), 160, unicode=False
    )
    area, x, y = (lane(lines, name) for name in ("workarea", "x", "y"))
    assert x.index("o") == area.index("#")
    assert abs(y.index("o") - x.rindex("o")) <= 1
    assert y.rindex("o") == area.split("[")[0].rindex("-")
    assert y.count("o") / x.count("o") == pytest.approx(3, abs=0.2)
    axis = lines[2]
    assert axis[area.index("#")] == "+"


def test_the_smallest_is_one_column() -> None:
    lines = draw(scene(segment("page", 65 * MIB, 1)), 60, unicode=False)
    assert lane(lines, "page").split("[")[0].count("o") == 1


def test_what_is_outside_is_listed() -> None:
    parties = (
        segment("low", 1 * MIB, MIB),
        segment("high", 900 * MIB, MIB),
        Lane("System RAM", (Span(0, 1000 * MIB),), Ink.RESERVATION),
        segment("kernel", 50 * MIB, 12 * MIB),
    )
    lines = draw(scene(*parties), 100, unicode=False)
    assert "below:  low [0x100000, 0x200000)" in lines
    assert "above:  high [0x38400000, 0x38500000)" in lines
    assert "around: System RAM [0x0, 0x3e800000)" in lines
    assert lane(lines, "kernel").split()[1].startswith("<")


def test_a_party_of_several_spans_has_them_all_listed() -> None:
    spans = (Span(60 * MIB, 65 * MIB), Span(66 * MIB, 67 * MIB))
    lines = draw(scene(Lane("System RAM", spans, Ink.RESERVATION)), 80, unicode=False)
    assert "2 spans" in lane(lines, "System RAM")
    for span in spans:
        assert any(f"System RAM {span!r}" in line for line in lines[-2:])


def test_empty_spans_are_left_out() -> None:
    nothing = Lane("in place", (Span(64 * MIB, 64 * MIB),), Ink.IN_PLACE)
    assert not any("in place" in line for line in draw(scene(nothing), 80, unicode=True))


def test_the_axis_does_not_reach_below_zero() -> None:
    lowest = Scene(extents(2 * MIB, slack=2 * MIB), (), physical=True)
    lines = draw(replace(lowest, lanes=(segment("page", 0, PAGE),)), 80, unicode=False)
    assert " 0x0 " in lines[1]
    assert lane(lines, "page").split()[1] == "o"


def test_a_long_name_does_not_widen_the_drawing() -> None:
    lines = draw(scene(segment("n" * 10_000, 65 * MIB, MIB)), 60, unicode=True)
    assert max(map(len, lines)) <= 60


def test_where_there_is_no_room_beside_the_bars_the_spans_are_listed() -> None:
    lines = draw(scene(segment("14 characters_", 65 * MIB, MIB)), 60, unicode=False)
    assert "[" not in "".join(lines[:5])
    assert lines[-2:] == [
        "drawn:  workarea [0x4000000, 0x4400000)",
        "        14 characters_ [0x4100000, 0x4200000)",
    ]


def test_huge_addresses_are_not_cut() -> None:
    found = scene_of(collision(0xF_FFFF_7D20_0000))
    assert found is not None
    lines = draw(found, 60, unicode=True)
    assert max(map(len, lines)) <= 60
    assert any("boot_params [0xfffff7df50000, 0xfffff7df54000)" in line for line in lines)


@pytest.mark.parametrize("unicode", [True, False])
def test_the_collision_is_seen(unicode: bool) -> None:
    found = scene_of(collision())
    assert found is not None
    lines = draw(found, 120, unicode=unicode)
    bars = lines[2].index("├" if unicode else "|")
    hit, params = lane(lines, "hit")[bars:], lane(lines, "boot_params")[bars:]
    glyph = "▲" if unicode else "!"
    mark = "▬" if unicode else "o"
    assert hit[params.index(mark)] == glyph
    assert "".join(lines).isascii() is not unicode
    for name in ("kernel", "in place", "purgatory", "elfcorehdr", "backup", "Crash kernel"):
        assert lane(lines, name)
    assert any(line.startswith("below:  initrd") for line in lines)


def test_what_is_kept_is_drawn_where_the_place_is_not_known() -> None:
    found = scene_of(clear())
    assert found is not None
    lines = draw(found, 100, unicode=False)
    assert lines[0].startswith("offsets from _text")
    assert lane(lines, "kexec holds").endswith("[0x0, 0x3f98000)")
    assert scene_of(undecided()) is not None
    assert scene_of(not_applicable()) is None


lanes = st.builds(
    segment,
    st.sampled_from(["initrd", "boot_params", "other"]),
    st.integers(0, 128 * MIB),
    st.integers(1, 32 * MIB),
)


@given(
    st.lists(lanes, max_size=8),
    st.integers(60, 200),
    st.integers(1, 40),
    st.integers(0, 2 * MIB - 1),
    st.booleans(),
)
def test_every_drawing_fits_and_is_to_scale(
    parties: list[Lane], width: int, frame: int, slack: int, unicode: bool
) -> None:
    start = frame * 2 * MIB
    drawn = Scene(extents(start, slack=min(slack, start)), tuple(parties), physical=True)
    lines = draw(drawn, width, unicode=unicode)
    assert max(map(len, lines)) <= width
    scale = scale_for(drawn, width - 40)
    assert scale.low % PAGE == 0
    assert scale.per_column % PAGE == 0
    assert scale.span.covers(drawn.extents.mapped)
    for party in parties:
        shown = party.spans[0] & scale.span
        if shown:
            columns = len(scale.cells(party.spans[0]))
            assert columns >= 1
            assert columns * scale.per_column >= shown.size
            assert columns * scale.per_column < shown.size + 2 * scale.per_column


def test_a_cell_is_its_bytes() -> None:
    scale = Scale(low=MIB, per_column=PAGE, columns=10)
    assert scale.cells(Span(MIB, MIB + PAGE)) == range(1)
    assert scale.cells(Span(MIB + PAGE - 1, MIB + PAGE + 1)) == range(2)
    assert scale.cells(Span(0, 100 * MIB)) == range(10)
