"""The text report as SVG and HTML: whole, self-contained, and nothing of it markup."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest
from commandline import run, sample
from report_samples import collision, retold

from smecheck.report.render import Format, Picture, RenderOptions, draw, render

OPTIONS = RenderOptions(False, True, 100, True, 1)
HOSTILE = ("<script>alert(1)</script>&amp;", "]]> <a href='x'>", "{width} {0} {{", "\x1b[31m\uffff")


class Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.add(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


def text_of(picture: Picture, drawn: str) -> str:
    if picture is Picture.SVG:
        root = ElementTree.fromstring(drawn)  # noqa: S314 - what we have just made
        names = {element.tag.rpartition("}")[2] for element in root.iter()}
        assert names <= {"svg", "style", "defs", "clipPath", "rect", "g", "text"}
        texts = root.iter("{http://www.w3.org/2000/svg}text")
        return "".join(element.text or "" for element in texts)
    reader = Reader()
    reader.feed(drawn)
    assert reader.tags == {"html", "head", "meta", "title", "style", "body", "pre", "span"}
    return reader.text


def without_spaces(text: str) -> str:
    return re.sub(r"\s", "", text)


@pytest.mark.parametrize("picture", Picture)
def test_pictures_hold_the_text_report(picture: Picture) -> None:
    drawn = draw(collision(), picture, OPTIONS)
    text = re.sub(r"\x1b\[[\d;]*m", "", render(collision(), Format.TEXT, OPTIONS))
    assert without_spaces(text) in without_spaces(text_of(picture, drawn))


@pytest.mark.parametrize("picture", Picture)
@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_text(text: str, picture: Picture) -> None:
    drawn = draw(retold(collision(), text), picture, OPTIONS)
    shown = text.replace("\x1b", "\\x1b").replace("\uffff", "\\uffff")
    assert without_spaces(shown) in without_spaces(text_of(picture, drawn))


@pytest.mark.parametrize("picture", Picture)
def test_pictures_refer_to_nothing_outside(picture: Picture) -> None:
    drawn = draw(collision(), picture, OPTIONS)
    addresses = set(re.findall(r"https?://[^\"'\s<]*", drawn))
    assert addresses <= {"http://www.w3.org/2000/svg"}


@pytest.mark.parametrize("picture", Picture)
def test_pictures_are_the_same_everywhere(picture: Picture, tmp_path: Path) -> None:
    option = f"--save-{picture.value}"
    drawn = set()
    for name, columns in (("a", "80"), ("b", "200")):
        found = run(
            *sample("founding-failure"), option, name, cwd=tmp_path, env={"COLUMNS": columns}
        )
        assert (found.status, found.err) == (1, "")
        drawn.add((tmp_path / name).read_text())
    assert len(drawn) == 1


def test_pictures_overwrite_neither_inputs_nor_reports(tmp_path: Path) -> None:
    found = run(*sample("no-sme"), "-o", "x", "--save-svg", "./x", cwd=tmp_path)
    assert (found.status, list(tmp_path.iterdir())) == (2, [])
