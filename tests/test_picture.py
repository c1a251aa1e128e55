"""Pictures of the memory, SVG and HTML: self-contained, small, and no text is markup."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest
from commandline import run, sample
from report_samples import SAMPLES, collision, retold

from smecheck.machine.memory import MemoryMap, Region
from smecheck.record import replace
from smecheck.report.options import Picture, RenderOptions
from smecheck.report.render import draw
from smecheck.span import Span, SpanSet

OPTIONS = RenderOptions(False, True, 100, True, 1)
HOSTILE = (
    "<script>alert(1)</script>&amp;",
    "</script><img src=x onerror=alert(1)>",
    "]]> <a href='x'>",
    "{width} {0} {{",
    "\x1b[31m\uffff",
)
TAGS = {
    *("html", "head", "meta", "title", "style", "body", "header", "main", "h1"),
    *("h2", "p", "strong", "span", "figure", "figcaption", "div", "button", "svg"),
    *("g", "rect", "text", "defs", "pattern", "path", "circle", "ol", "li"),
    *("br", "code", "em", "details", "summary", "table", "thead", "tbody", "tr"),
    *("th", "td", "ul", "script"),
}
LARGEST = 300_000


class Reader(HTMLParser):
    """What a browser would take for elements, attributes and text."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[str] = []
        self.policy = ""
        self.raw: dict[str, list[str]] = {"script": [], "style": []}
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [name for name, _ in attrs]
        if dict(attrs).get("http-equiv") == "Content-Security-Policy":
            self.policy = dict(attrs)["content"] or ""

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1] in self.raw and self.cdata_elem:
            self.raw[self.tags[-1]].append(data)
        else:
            self.text += data


def page_of(report: object) -> tuple[str, Reader]:
    drawn = draw(report, Picture.HTML, OPTIONS)  # type: ignore[arg-type]
    reader = Reader()
    reader.feed(drawn)
    return drawn, reader


@pytest.mark.parametrize("sample", SAMPLES)
def test_a_page_is_of_known_elements_without_handlers(sample: object) -> None:
    _, page = page_of(sample())  # type: ignore[operator]
    assert set(page.tags) <= TAGS
    assert not [name for name in page.attributes if name.startswith("on") or name == "style"]


def test_only_the_style_and_the_script_of_the_page_are_allowed() -> None:
    _, page = page_of(collision())
    data, script = page.raw["script"]
    hashes = set(re.findall(r"'sha256-([^']*)'", page.policy))
    expected = {
        base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        for text in (script, *page.raw["style"])
    }
    assert hashes == expected
    assert page.policy.startswith("default-src 'none'; ")
    assert json.loads(data)["rows"]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_text_in_a_page(text: str) -> None:
    _, page = page_of(retold(collision(), text))
    _, friendly = page_of(retold(collision(), "name"))
    assert page.tags == friendly.tags
    assert page.attributes == friendly.attributes
    shown = text.replace("\x1b", "\\x1b").replace("\uffff", "\\uffff")
    assert shown in page.text
    assert "\x1b" not in page.text


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_text_in_a_drawing(text: str) -> None:
    root = ElementTree.fromstring(draw(retold(collision(), text), Picture.SVG, OPTIONS))  # noqa: S314
    names = {element.tag.rpartition("}")[2] for element in root.iter()}
    assert names <= TAGS
    assert {
        name for element in root.iter() for name in element.attrib if name.startswith("on")
    } == set()


@pytest.mark.parametrize("picture", Picture)
def test_a_machine_of_16_tib_in_2048_ranges_is_small(picture: Picture) -> None:
    step = (16 << 40) // 2048
    spans = [Span(number * step, (number + 1) * step - 4096) for number in range(2048)]
    regions = tuple(Region("System RAM", span, 0, line) for line, span in enumerate(spans, 1))
    memory = MemoryMap("iomem.txt", regions, complete=True, system_ram=SpanSet(spans))
    drawn = draw(replace(collision(), memory=memory), picture, OPTIONS)
    assert len(drawn.encode()) < LARGEST


def test_755_places_of_kaslr_are_drawn(tmp_path: Path) -> None:
    found = run(*sample("kaslr-gamble"), "--save-html", "page.html", cwd=tmp_path)
    assert found.status == 1
    drawn = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert len(drawn.encode()) < LARGEST
    reader = Reader()
    reader.feed(drawn)
    rows = {row["label"]: row["marks"] for row in json.loads(reader.raw["script"][0])["rows"]}
    inks = [mark[3] for mark in rows["KASLR"]]
    assert "places" in inks
    assert "colliding" in inks


@pytest.mark.parametrize("picture", Picture)
def test_pictures_refer_to_nothing_outside(picture: Picture) -> None:
    drawn = draw(collision(), picture, OPTIONS)
    addresses = set(re.findall(r"https?://[^\"'\s<]*", drawn))
    assert addresses <= {"http://www.w3.org/2000/svg"}  # the name of SVG


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
