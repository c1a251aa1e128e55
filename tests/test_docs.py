"""The documentation says what the program does.

Run this file to write docs/rules.md and the pictures again.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from commandline import run, sample

from smecheck.checks.catalogue import RULES
from smecheck.report import docs_address
from smecheck.report.docs_address import site_url
from smecheck.report.options import Format
from smecheck.report.rule_pages import rule_page, rule_url

ROOT = Path(__file__).parents[1]
RULES_PAGE = ROOT / "docs" / "rules.md"
INTRODUCTION = """\
# The rules

The rules' own texts, as `smecheck explain` prints them. Addresses around 0x10000000 in the examples
are of the small v5.0 kernel of the experiments, loaded at 256 MiB: its `_end` is 0x10a16000, its
workarea is written from 0x10c00000 to 0x10e07000 and mapped to 0x11000000.

Static rules are decided by the kernel alone; `smecheck gate` asks them of every build.
"""


def rules_document() -> str:
    return "\n".join([INTRODUCTION, *map(rule_page, RULES.values())])


def test_rules_page_is_written_from_the_rules() -> None:
    assert RULES_PAGE.read_text() == rules_document()


def test_every_rule_has_an_anchor_and_a_text() -> None:
    page = RULES_PAGE.read_text()
    for rule in RULES.values():
        document, anchor = rule_url(rule.id).split("#")
        assert document == "docs/rules.md"
        assert re.search(rf"^## {anchor.upper()}$", page, re.MULTILINE)
        assert len(rule.documentation.splitlines()) >= 3, f"{rule.id} says too little"
        assert rule.remedy


def test_links_of_reports_lead_to_the_site_once_it_has_an_address(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert site_url("gate") is None
    monkeypatch.setattr(docs_address, "SITE", "https://smecheck.example")
    assert rule_url("SME001") == "https://smecheck.example/rules.html#sme001"
    assert site_url("gate") == "https://smecheck.example/gate.html"


def test_links_lead_to_files() -> None:
    for page in [ROOT / "README.md", *ROOT.glob("docs/*.md"), *ROOT.glob("samples/*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_readme_shows_what_its_command_prints() -> None:
    page = (ROOT / "README.md").read_text()
    command = re.search(r"\.venv/bin/smecheck (analyze .*)\n", page)
    shown = re.search(r"```text\n(.*?)```", page, re.DOTALL)
    assert command
    assert shown
    run = subprocess.run(
        [sys.executable, "-m", "smecheck", *command[1].split()],
        cwd=ROOT,
        env=os.environ | {"COLUMNS": "100", "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        check=False,
    )
    printed = run.stdout.decode()
    for part in shown[1].split("[…]"):
        assert part.strip() in printed


FORMATS_PAGE = ROOT / "docs" / "formats.md"
EXCERPTS = re.findall(
    r"^## (\w+)\n(?:(?!## ).*\n)*?```\w+\n((?:(?!```).*\n)*)```$",
    FORMATS_PAGE.read_text(),
    re.MULTILINE,
)


def test_formats_page_shows_every_format_for_programs() -> None:
    for_programs = {form.value for form in Format if not form.is_for_people}
    assert {form for form, _ in EXCERPTS} == for_programs - {"json"}


@pytest.mark.parametrize(("form", "excerpt"), EXCERPTS, ids=[form for form, _ in EXCERPTS])
def test_formats_page_shows_what_is_printed(form: str, excerpt: str) -> None:
    command = re.search(r"^smecheck (analyze .*) --format", FORMATS_PAGE.read_text(), re.MULTILINE)
    assert command
    found = run(*command[1].split(), "--format", form, cwd=ROOT).out
    place = 0
    for part in excerpt.split("[…]"):
        place = found.index(part.strip("\n"), place)


def test_gate_begins_with_the_readmes_test_command() -> None:
    page = (ROOT / "README.md").read_text()
    command = next(line for line in page.splitlines() if line.endswith("-m pytest -q -n auto"))
    gate = (ROOT / ".ci" / "run").read_text().splitlines()
    assert command in gate
    before = gate[: gate.index(command)]
    assert all(line.startswith(("#", "set ", "cd ")) or not line for line in before)


PICTURES = ("founding-failure", "founding-fixed")
"""Samples whose pictures are in the documents."""


@pytest.mark.parametrize("name", PICTURES)
def test_pictures_are_those_that_the_program_draws(name: str, tmp_path: Path) -> None:
    drawn = tmp_path / "picture.svg"
    draw(name, drawn)
    kept = ROOT / "docs" / "pictures" / drawn.with_stem(name).name
    assert kept.read_text() == drawn.read_text(), "python tests/test_docs.py draws them again"


def draw(name: str, file: Path) -> None:
    run(*sample(name, Path("samples")), "-q", "--save-svg", str(file), cwd=ROOT)


if __name__ == "__main__":
    RULES_PAGE.write_text(rules_document())
    for picture in PICTURES:
        draw(picture, ROOT / "docs" / "pictures" / f"{picture}.svg")
