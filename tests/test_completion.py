"""The completion scripts in the shells that they are for."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from commandline import environment, run, start

from smecheck.checks.catalogue import RULES

PROGRAM = """#!/bin/sh
exec {python} -c '
import sys
sys.argv[0] = "smecheck"
from smecheck.cli.main import main
main()' "$@"
"""
IN_BASH = """
source script
compopt() { echo "$2"; }
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
_smecheck_completion smecheck
printf '%s\\n' "${COMPREPLY[@]}"
"""
IN_ZSH = """
zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell 'autoload -U compinit; compinit -u -D; source script'
zpty -w shell 'shown() { zle -I; print -r -- "line:$BUFFER%" }; zle -N shown; bindkey "^T" shown'
zpty -w shell 'print RE""ADY'
zpty -r shell out '*READY*'
zpty -n -w shell "$1"$'\\t\\C-t'
zpty -r shell out '*line:*%'
print -r -- "${out##*line:}"
zpty -d shell
"""
"""A line that is typed at a terminal, up to the key that completes it."""


def in_shell(shell: str, script: str, *words: str, folder: Path) -> str:
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell} here")
    done = subprocess.run(
        [shell, "-c", script, shell, *words],
        cwd=folder,
        env=environment({"PATH": f"{folder}:{environment()['PATH']}", "HOME": str(folder)}),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "error" not in done.stderr
    return done.stdout


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    program = tmp_path / "smecheck"
    program.write_text(PROGRAM.format(python=sys.executable))
    program.chmod(0o755)
    (tmp_path / "vmlinux-6.1").touch()
    return tmp_path


def script_for(shell: str, folder: Path) -> None:
    found = run("completion", shell)
    assert (found.status, found.err) == (0, "")
    (folder / "script").write_bytes(found.raw)


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["a"], ["analyze"]),
        (["analyze", "--fail"], ["--fail-on"]),
        (["analyze", "--format", "j"], ["json", "junit"]),
        (["analyze", "--report", "ju"], ["nospace", "junit="]),
        (["analyze", "--report", "junit=sme"], ["default", ""]),
        (["explain", "und"], ["undecided"]),
        (["explain", "SME00"], [rule for rule in RULES if rule.startswith("SME00")]),
        (["analyze", "vml"], ["default", ""]),
        (["analyze", "--iomem", ""], ["default", ""]),
    ],
)
def test_bash(words: list[str], offered: list[str], folder: Path) -> None:
    script_for("bash", folder)
    out = in_shell("bash", IN_BASH, "smecheck", *words, folder=folder)
    assert out.splitlines() == offered


@pytest.mark.parametrize(
    ("line", "offered"),
    [("smecheck an", "analyze"), ("smecheck analyze vml", "vmlinux-6.1"), ("smecheck -", "--help")],
)
def test_fish(line: str, offered: str, folder: Path) -> None:
    script_for("fish", folder)
    out = in_shell("fish", f"source script; complete -C '{line}'", folder=folder)
    assert offered in [found.split("\t")[0] for found in out.splitlines()]


def test_zsh(folder: Path) -> None:
    script_for("zsh", folder)
    loaded = "autoload -U compinit; compinit -u; source script; print $_comps[smecheck]"
    assert in_shell("zsh", loaded, folder=folder) == "_smecheck_completion\n"


@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("smecheck analyze x --report ju", "smecheck analyze x --report junit="),
        ("smecheck analyze x --report junit=vml", "smecheck analyze x --report junit=vmlinux-6.1 "),
        ("smecheck analyze x --report=ju", "smecheck analyze x --report=junit="),
        ("smecheck analyze x --report=junit=vm", "smecheck analyze x --report=junit=vmlinux-6.1 "),
        ("smecheck analyze x --iomem=vm", "smecheck analyze x --iomem=vmlinux-6.1 "),
        ("smecheck analyze --format=ju", "smecheck analyze --format=junit "),
        ("smecheck analyze vm", "smecheck analyze vmlinux-6.1 "),
        ("smecheck analyze --fail", "smecheck analyze --fail-on "),
    ],
)
def test_typed_into_zsh(typed: str, completed: str, folder: Path) -> None:
    script_for("zsh", folder)
    assert in_shell("zsh", IN_ZSH, typed, folder=folder) == completed + "%\n"


def test_a_shell_gets_no_reader_gone(folder: Path) -> None:
    env = {"_SMECHECK_COMPLETE": "bash_complete", "COMP_WORDS": "smecheck an", "COMP_CWORD": "1"}
    found = start(program=(str(folder / "smecheck"),), env=env)
    assert (found.status, found.out, found.err) == (0, "plain,analyze\n", "")


def test_other_shells_are_a_usage_error() -> None:
    assert run("completion", "csh").status == 2
