"""What the README promises is what smecheck has; what it shows is compared in test_docs."""

from __future__ import annotations

import re

from commandline import ROOT, run

from smecheck.errors import ExitCode

README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_exit_codes_are_all_named() -> None:
    table = README.partition("## Exit codes")[2].partition("\n## ")[0]
    cells = re.findall(r"^\| ([\d, ]+) \|", table, re.MULTILINE)
    named = {int(number) for cell in cells for number in cell.split(",")}
    assert named == {code.value for code in ExitCode}


def test_options_exist() -> None:
    named = set(re.findall(r"`(--[a-z-]+)", README))
    assert named
    known = re.findall(r"--[a-z-]+", run("analyze", "--help-all").out)
    assert named <= set(known)


def test_help_block_is_what_help_prints() -> None:
    section = README.partition("## Commands")[2].partition("\n## ")[0]
    (block,) = re.findall(r"```text\n(.*?)```", section, re.DOTALL)
    _, _, printed = run("--help").out.partition("\nCommands:")
    assert block == f"Commands:{printed.partition(chr(10) * 2)[0]}\n"


def test_formats_exist() -> None:
    (choices,) = re.findall(r"--format \[(.*)\]", run("analyze", "--help").out)
    named = set(re.findall(r"--format (\w+)", README))
    assert named
    assert named <= set(choices.split("|"))
