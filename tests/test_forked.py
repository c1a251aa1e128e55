"""Runs that are forked, against runs that are started: nobody can tell one from the other."""

from __future__ import annotations

import os
from pathlib import Path

import forked
import pytest
from commandline import SAMPLES, fork, run, sample, start
from fleet_machines import OLD, machines, write_inventory

FOUNDING = sample("founding-failure")
KERNEL = FOUNDING[1]
COMMANDS = {
    "help": ("--help",),
    "version": ("--version",),
    "nothing": (),
    "no command": ("analyse",),
    "analyze": FOUNDING,
    "analyze as text": (*FOUNDING, "--format", "text", "--explain"),
    "analyze as JSON": (*FOUNDING, "--format", "json"),
    "no file": ("analyze", "nosuch", "--format", "json"),
    "compare": ("compare", KERNEL, str(SAMPLES / "founding-fixed" / "kernel.yaml")),
    "completion": ("completion", "bash"),
    "describe": ("describe", KERNEL),
    "explain": ("explain", "SME001"),
    "gate": ("gate", KERNEL),
    "policy": ("policy", "--help"),
    "rules": ("rules",),
    "schema": ("schema", "report-v1"),
    "triage": ("triage", str(SAMPLES / "founding-failure")),
    "verify": ("verify", KERNEL),
}


@pytest.mark.parametrize("arguments", COMMANDS.values(), ids=COMMANDS)
def test_a_fork_does_as_a_start_does(arguments: tuple[str, ...]) -> None:
    assert run(*arguments) == start(*arguments)


def test_workers_are_started_by_a_fork(tmp_path: Path) -> None:
    write_inventory(tmp_path / "machines.jsonl", machines(3, 3))
    asked = ("fleet", "--kernel", str(OLD[0]), "machines.jsonl", "--jobs", "2", "-o", "-")
    found = run(*asked, cwd=tmp_path)
    assert found == start(*asked, cwd=tmp_path)
    assert found.raw.count(b"\n") == 3


def test_folder_environment_and_streams_are_its_own(tmp_path: Path) -> None:
    name = "kernel.yaml"
    (tmp_path / name).write_bytes(Path(KERNEL).read_bytes())
    wide = {"COLUMNS": "150", "FORCE_COLOR": "1"}
    asked = ("analyze", name, "--format", "text")
    found = run(*asked, cwd=tmp_path, env=wide)
    assert found == start(*asked, cwd=tmp_path, env=wide)
    assert found != run(*asked, cwd=tmp_path)
    with (tmp_path / name).open("rb") as file:
        by_redirection = run("analyze", "-", stdin=file)
    assert by_redirection == start("analyze", "-", stdin=Path(KERNEL).read_bytes())
    assert by_redirection == run("analyze", "-", stdin=Path(KERNEL).read_bytes())


def test_what_never_ends_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forked, "SECONDS", 0.5)
    reader, writer = os.pipe()
    waiting = fork(("analyze", "-"), (reader, 1, 2))
    with pytest.raises(TimeoutError):
        waiting.wait()
    os.close(reader)
    with pytest.raises(BrokenPipeError):
        os.write(writer, b"nobody reads this")
    os.close(writer)
    monkeypatch.undo()
    assert run("--version").status == 0


@pytest.mark.parametrize("name", ["PYTHONHASHSEED", "LC_ALL"])
def test_what_python_reads_at_its_start_needs_one(name: str) -> None:
    with pytest.raises(AssertionError, match=f"{name}.*use start"):
        run("--version", env={name: "0"})
