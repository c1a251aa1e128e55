"""The manual pages have all that the help has, are well-formed, and come with the package."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import click
import pytest
from commandline import ROOT
from hatchling.builders.wheel import WheelBuilder

from smecheck.cli.main import cli

sys.path.insert(0, str(ROOT / "docs"))
from man_pages import manual_pages

PAGES = manual_pages()
COMMANDS = {
    "smecheck.1": cli,
    **{
        f"smecheck-{name}.1": cli.get_command(click.Context(cli), name)
        for name in cli.list_commands(click.Context(cli))
    },
}


def words(page: str) -> str:
    """Return a page as it is read: without requests, fonts and escapes."""
    text = re.sub(r"\\f[BIR]|\\&", "", page)
    for escape, char in ((r"\(aq", "'"), (r"\(ga", "`"), (r"\(ha", "^"), (r"\(ti", "~")):
        text = text.replace(escape, char)
    text = re.sub(r"\\\[u(\w+)\]", lambda found: chr(int(found[1], 16)), text)
    return " ".join(re.sub(r"^\.\w+ ?", "", text.replace("\\-", "-"), flags=re.MULTILINE).split())


def test_every_command_has_a_page() -> None:
    assert set(PAGES) == set(COMMANDS)
    for name in COMMANDS:
        assert f"{name.removesuffix('.1')}(1)" in words(PAGES["smecheck.1"]) or name == "smecheck.1"


def test_every_command_is_on_the_page_of_the_command_line() -> None:
    page = (ROOT / "docs" / "command-line.md").read_text()
    shown = re.findall(r"^## (smecheck.*)\n\n```\{command-help\} ?(.*)$", page, re.MULTILINE)
    names = cli.list_commands(click.Context(cli))
    assert shown == [("smecheck", ""), *((f"smecheck {name}", name) for name in names)]


@pytest.mark.parametrize("name", COMMANDS)
def test_a_page_has_every_option_with_its_help(name: str) -> None:
    command = COMMANDS[name]
    assert command is not None
    read = words(PAGES[name])
    shown = 0
    for option in command.params:
        if isinstance(option, click.Option) and not option.hidden:
            assert option.help
            assert " ".join(option.help.split()) in read
            for spelling in option.opts:
                assert f" {spelling}" in read
            shown += 1
    assert shown or name in ("smecheck-explain.1", "smecheck-completion.1", "smecheck-schema.1")
    for heading in ("NAME", "SYNOPSIS", "DESCRIPTION", "EXIT STATUS", "ENVIRONMENT", "SEE ALSO"):
        assert f'"{heading}"' in read


def test_environment_is_all_that_the_program_reads() -> None:
    _, _, section = (ROOT / "docs" / "command-line.md").read_text().partition("## Environment\n")
    rows = re.findall(r"^\| (`.+?) \|", section, re.MULTILINE)
    said = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    source = "\n".join(path.read_text() for path in (ROOT / "smecheck").rglob("*.py"))
    assert set(re.findall(r"""environ(?:\.get\(|\[)\s*["'](\w+)""", source)) <= said


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize(
    "program",
    [("mandoc", "-T", "lint", "-W", "style"), ("groff", "-man", "-ww", "-z", "-T", "utf8")],
)
def test_nothing_is_wrong_with_a_page(program: tuple[str, ...], name: str, tmp_path: Path) -> None:
    if not shutil.which(program[0]):
        pytest.skip(f"no {program[0]} on this machine")
    (tmp_path / name).write_text(PAGES[name])
    done = subprocess.run(
        [*program, name], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    # It looks up the pages that are referred to among those of this machine.
    lines = [
        line for line in (done.stdout + done.stderr).split("\n") if "referenced manual" not in line
    ]
    assert lines == [""]


def test_the_wheel_brings_them(tmp_path: Path) -> None:
    (wheel,) = WheelBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"])
    with zipfile.ZipFile(wheel) as packed:
        found = {
            Path(name).name: packed.read(name).decode()
            for name in packed.namelist()
            if ".data/data/share/man/man1/" in name
        }
    assert found == PAGES
