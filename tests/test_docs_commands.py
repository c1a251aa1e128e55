"""What the documents say of commands is true: console blocks are run, and every option exists.

A ``console`` block is a session at the top of the repository: ``$`` and a command, then what it
prints, ``[…]`` for what was left out. Other blocks and inline code only name commands, whose
options must exist.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from commandline import ROOT, environment

from smecheck.cli.main import cli
from smecheck.read.kernel.kernel_description import read_kernel_description
from smecheck.read.load.segments_description import read_segments_description
from smecheck.read.machine.boot_description import read_boot_description
from smecheck.read.machine.host_description import read_host_description

PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md")), ROOT / "samples" / "README.md"]
GENERATED = {"rules.md"}
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
WORLD = ("samples", "tests", "README.md")
"""What a session finds where it is run."""


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def sessions(page: Path) -> list[tuple[str, str]]:
    """Return the commands of a page's console blocks with what they print."""
    steps: list[tuple[str, str]] = []
    for kind, block in FENCE.findall(page.read_text("utf-8")):
        if kind == "console":
            for step in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
                command, _, printed = step.partition("\n")
                while command.endswith("\\"):
                    more, _, printed = printed.partition("\n")
                    command = f"{command[:-1]}{more.lstrip()}"
                steps.append((command, printed))
    return steps


DESCRIPTIONS = {
    "boot-v1": read_boot_description,
    "host-v1": read_host_description,
    "kernel-v1": read_kernel_description,
    "segments-v1": read_segments_description,
}
"""Schemas of the descriptions that pages show, and what reads them."""


def test_descriptions_that_pages_show_can_be_read() -> None:
    seen = set()
    for page in PAGES:
        for kind, block in FENCE.findall(page.read_text("utf-8")):
            schema = re.match(r"schema: smecheck/(\S+)", block) if kind == "yaml" else None
            if schema is not None and schema[1] in DESCRIPTIONS:
                DESCRIPTIONS[schema[1]](block, name_of(page))
                seen.add(schema[1])
    assert seen == set(DESCRIPTIONS)


WITH_SESSIONS = [page for page in PAGES if sessions(page)]


def test_readers_first_hours_are_sessions() -> None:
    assert {"docs/first-hour-support.md", "docs/first-hour-kernel.md", "docs/first-hour-ci.md"} <= {
        name_of(page) for page in WITH_SESSIONS
    }


@pytest.mark.parametrize("page", WITH_SESSIONS, ids=name_of)
def test_a_console_prints_what_the_page_shows(page: Path, tmp_path: Path) -> None:
    for name in WORLD:
        (tmp_path / name).symlink_to(ROOT / name)
    programs = tmp_path / ".bin"
    programs.mkdir()
    (programs / "smecheck").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m smecheck "$@"\n')
    (programs / "smecheck").chmod(0o755)
    given = environment({"COLUMNS": "100"})
    given["PATH"] = f"{programs}:{given['PATH']}"
    status = 0
    for command, shown in sessions(page):
        done = subprocess.run(
            ["/bin/sh", "-c", f"(exit {status}); {command}"],
            cwd=tmp_path,
            env=given,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=120,
            check=False,
        )
        status = done.returncode
        expected = ".*".join(re.escape(part) for part in shown.split("[…]"))
        printed = done.stdout.decode()
        assert re.fullmatch(expected, printed, re.DOTALL), f"$ {command}\n{printed}{done.stderr!r}"


def named_commands(page: Path) -> Iterator[list[str]]:
    """Yield the commands of smecheck that a page names anywhere, as words."""
    text = page.read_text("utf-8")
    blocks = [block for kind, block in FENCE.findall(text) if kind != "console"]
    lines = [line for block in blocks for line in re.sub(r"\\\n\s*", " ", block).split("\n")]
    lines += [
        " ".join(code.split()) for code in re.findall(r"(?<!`)`([^`]+)`(?!`)", FENCE.sub("", text))
    ]
    for line in lines:
        for part in re.split(r"[|;]|&&|\s#\s", line):
            words = re.sub(r"^\s*(\$ )?(sudo )?(- (run|id): )?(\S*/bin/)?", "", part)
            if words.startswith("smecheck "):
                try:
                    yield shlex.split(words)[1:]
                except ValueError:
                    yield words.split()[1:]


def options_of(command: click.Command) -> set[str]:
    context = click.Context(command)
    return {
        spelling
        for parameter in command.get_params(context)
        for spelling in (*parameter.opts, *parameter.secondary_opts)
    } | {"--help", "-h", "-V", "--version"}


@pytest.mark.parametrize(
    "page", [page for page in PAGES if page.name not in GENERATED], ids=name_of
)
def test_options_that_a_page_gives_to_a_command_exist(page: Path) -> None:
    context = click.Context(cli)
    for words in named_commands(page):
        command = cli.get_command(context, words[0])
        if command is None:
            assert words[0].isupper() or words[0].startswith("-") or words[0] == "…", words
            continue
        given = {word.partition("=")[0] for word in words[1:] if re.match(r"--?[a-z]", word)}
        assert given <= options_of(command), f"{name_of(page)}: {' '.join(words)}"
