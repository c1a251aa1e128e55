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
from commandline import SAMPLES as SAMPLES_FOLDER
from commandline import run, sample
from report_samples import SAMPLES, collision, retold

from smecheck.boot.kaslr.slots import (
    Collisions,
    KaslrSweep,
    SlotArea,
    SlotCollision,
    SlotRun,
    Slots,
)
from smecheck.evidence import Unknown
from smecheck.machine.memory import MemoryMap, Missing, Region
from smecheck.record import replace
from smecheck.report import picture as picture_module
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
    *("th", "td", "ul", "script", "a"),
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
    memory = MemoryMap("iomem.txt", regions, Missing.NOTHING, system_ram=SpanSet(spans))
    drawn = draw(replace(collision(), memory=memory), picture, OPTIONS)
    assert len(drawn.encode()) < LARGEST


def test_755_places_of_kaslr_are_drawn(tmp_path: Path) -> None:
    found = run(*sample("kaslr-gamble"), "--save-html", "page.html", cwd=tmp_path)
    assert found.status == 1
    drawn = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert len(drawn.encode()) < LARGEST
    reader = Reader()
    reader.feed(drawn)
    data = json.loads(reader.raw["script"][0])
    (groups,) = (row["groups"] for row in data["rows"] if row["label"] == "KASLR")
    drawn_as, facts = [], []
    for _, ink, common, is_repeated, told in groups:
        assert not is_repeated
        end = 0
        for gap, size, fact in zip(told[::3], told[1::3], told[2::3], strict=True):
            start, end = end + gap, end + gap + size
            drawn_as.append((ink, start, end))
            facts.append(common + fact)
    assert drawn_as == [
        ("places", 0x20000000, 0x7E600000),
        ("colliding", 0x7E200000, 0x7E400000),
        ("colliding", 0x7E400000, 0x7E600000),
    ]
    assert facts[0] == "755 possible positions of _text, 0x200000 apart"
    assert facts[1].startswith("1 position of _text: SME0")
    assert "SME001 collides with initrd" in facts[2]
    assert "755 positions, 2 of them colliding: 0x7e200000, 0x7e400000" in reader.text


def test_reservations_and_what_firmware_claims_are_drawn(tmp_path: Path) -> None:
    (tmp_path / "iomem").write_text(
        "00001000-0009ffff : System RAM\n00100000-7ffdffff : System RAM\n"
        "  60000000-6fffffff : Crash kernel\n7ffe0000-7fffffff : ACPI Tables\n"
        "fec00000-fec003ff : IOAPIC 0\n"
    )
    kernel = SAMPLES_FOLDER / "kaslr-gamble" / "kernel.yaml"
    run("analyze", str(kernel), "--iomem", "iomem", "--save-html", "page.html", cwd=tmp_path)
    reader = Reader()
    reader.feed((tmp_path / "page.html").read_text(encoding="utf-8"))
    data = json.loads(reader.raw["script"][0])
    (groups,) = (row["groups"] for row in data["rows"] if row["label"] == "reservations")
    assert {(common, *told[:2]) for _, _, common, _, told in groups} == {
        ("known from iomem:3", 0x60000000, 0x10000000),
        ("known from iomem:4", 0x7FFE0000, 0x20000),
    }


def test_positions_that_collide_once_in_a_gib_are_drawn_each() -> None:
    """Far from everything every GiB is alike: the engine says so in one run."""
    run = SlotRun(0x40000000, 3, 1 << 30)
    met = SlotCollision("SME020", "faults", "page tables at entry", 3, run.first, run.last, (run,))
    slots = Slots((SlotArea(0x40000000, 2048),), 2 << 20, 0x1000000, "")
    sweep = KaslrSweep(
        slots=slots,
        collisions=Collisions(3, run.first, run.last, (met,)),
        unmoved=Unknown("not asked"),
        minimum=0,
        limit=1 << 40,
        may_stay=None,
        bounds=(),
        differences=(),
        premises=(),
    )
    report = replace(collision(), kaslr=sweep)
    root = ElementTree.fromstring(draw(report, Picture.SVG, OPTIONS))  # noqa: S314
    stems = [element for element in root.iter() if element.get("class") == "stem"]
    assert len(stems) == 3
    _, page = page_of(report)
    assert "colliding: 0x40000000, 0x80000000, 0xc0000000" in page.text


def _colours(scheme: str) -> dict[str, str]:
    return dict(re.findall(r"--([a-z]+): (#[0-9a-f]{6});", scheme))


def _light(colour: str) -> float:
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(one: str, other: str) -> float:
    low, high = sorted((_light(one), _light(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("which", [0, 1], ids=["light", "dark"])
def test_texts_and_marks_have_contrast(which: int) -> None:
    """WCAG 2.1: 4.5 for text, 3 for what is drawn (1.4.3, 1.4.11)."""
    css = (Path(picture_module.__file__).parent / "picture.css").read_text(encoding="utf-8")
    colours = _colours(css.split("@media")[which].split("}")[0])
    for ground in ("page", "panel"):
        for text in ("text", "dim", "error", "places", "workarea", "focus"):
            assert _contrast(colours[text], colours[ground]) >= 4.5, (text, ground)
        for ink in ("reservation", "kernel", "segment", "unpack", "hypothetical"):
            assert _contrast(colours[ink], colours[ground]) >= 3, (ink, ground)
    for behind_text in ("kernel", "segment"):
        assert _contrast(colours["page"], colours[behind_text]) >= 4.5, behind_text


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


def test_a_policy_of_thousands_of_machines_is_a_small_page(tmp_path: Path) -> None:
    load = SAMPLES_FOLDER / "founding-failure"
    row = (
        f"  - {{name: m%d, iomem: {load}/iomem.txt, segments: {load}/kexec.log, "
        "cmdline: nokaslr mem_encrypt=on}\n"
    )
    machines = "".join(row % number for number in range(400))
    (tmp_path / "p.yaml").write_text(f"schema: smecheck/policy-v1\nmachines:\n{machines}")
    kernel = str(load / "kernel.yaml")
    found = run("gate", kernel, "--policy", "p.yaml", "-q", "--save-html", "g.html", cwd=tmp_path)
    assert found.status == 1
    drawn = (tmp_path / "g.html").read_text(encoding="utf-8")
    assert len(drawn.encode()) < LARGEST
    assert "and 201 more targets, 201 of them not fine" in drawn


def test_a_gate_and_a_comparison_have_pages_and_no_drawing(tmp_path: Path) -> None:
    kernel = str(SAMPLES_FOLDER / "no-sme" / "kernel.yaml")
    for command in (("gate", kernel), ("compare", kernel, kernel)):
        found = run(*command, "--save-html", "page.html", cwd=tmp_path)
        assert (found.status, found.err) == (0, "")
        assert "<h1>" in (tmp_path / "page.html").read_text(encoding="utf-8")
        assert run(*command, "--save-svg", "drawing.svg", cwd=tmp_path).status == 2
        assert run(*command, "--save-html", kernel, cwd=tmp_path).status == 2
