"""What a terminal shows first: verdict, worst finding, next step; a pager shows what is longer."""

from __future__ import annotations

import fcntl
import os
import pty
import shutil
import struct
import subprocess
import sys
import termios
from functools import cache
from pathlib import Path

import pytest
from commandline import PROGRAM, ROOT, environment, sample
from test_cli_behaviour import on_terminal, read
from test_goldens import NAMES, VERDICTS, document

PLAIN = {"NO_COLOR": "1"}
DETAILED = (*sample("founding-failure"), "--details")
ORDER = ("FINDINGS", "MEMORY", "DO NOW", "details: ")
BREAK_IN_A_LABEL = ("boot-loader ke", "boot-loader ho")
KEPT_WHOLE = ("0x", "[", "mem_encrypt=", "--")


@cache
def screen(name: str, columns: int, rows: int) -> list[str]:
    found = on_terminal(*sample(name), columns=columns, rows=rows, env=PLAIN)
    assert (found.status, found.err) == (VERDICTS[name][1], "")
    return found.out.splitlines()


def words_of(name: str) -> str:
    return VERDICTS[name][0].upper().replace("-", " ")


@pytest.mark.parametrize("name", NAMES)
def test_a_terminal_of_24_lines_shows_it_all(name: str) -> None:
    lines = screen(name, 80, 24)
    assert len(lines) <= 23  # the last line is the prompt's
    assert max(map(len, lines)) <= 80
    assert lines[0].startswith(f"{words_of(name)}  ")
    assert lines[-1].startswith(f"{words_of(name)}  ")
    context = next(number for number, line in enumerate(lines) if "; exit " in line)
    assert context < 3
    findings = document(name)["findings"]
    if findings:
        worst = next(line for line in lines if findings[0]["rule"] in line)
        assert findings[0]["severity"].upper() in worst


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("columns", "rows"), [(80, 24), (40, 24), (120, 40)])
def test_sections_come_in_order_and_fit(name: str, columns: int, rows: int) -> None:
    lines = screen(name, columns, rows)
    assert max(map(len, lines)) <= columns
    heads = [head for line in lines for head in ORDER if line.startswith(head)]
    assert heads == [head for head in ORDER if head in heads]
    assert heads[-2:] == list(ORDER[-2:])
    assert not [line for line in lines if any(cut in line for cut in BREAK_IN_A_LABEL)]
    assert not [line for line in lines if line.rstrip().endswith(KEPT_WHOLE)]


@pytest.mark.parametrize("name", NAMES)
def test_few_columns_lose_no_finding(name: str) -> None:
    shown = screen(name, 40, 24)
    for finding in document(name)["findings"]:
        if finding["severity"] != "note":
            assert any(finding["rule"] in line for line in shown)
            assert finding["span"] is None or any(
                line.strip().startswith("[0x") and line.endswith(")") for line in shown
            )


def test_the_last_line_is_no_longer_than_a_line() -> None:
    *_, last = screen("dead-kdump", 80, 24)
    assert last.endswith("…")
    assert len(last) == 80


def test_in_a_pipe_the_verdict_is_said_once() -> None:
    approved = (ROOT / "tests" / "goldens" / "founding-failure.text").read_text()
    assert approved.count("COLLISION") == 1


def pager(folder: Path, script: str) -> dict[str, str]:
    """Return an environment whose pager runs ``script`` and leaves what it was given in a file."""
    program = folder / "my pager"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return {**PLAIN, "PAGER": f"'{program}' --my-option"}


def test_longer_output_goes_through_the_pager(tmp_path: Path) -> None:
    env = pager(tmp_path, f"echo \"$1 $LESS $LV\" > '{tmp_path}/asked'; cat > '{tmp_path}/given'")
    found = on_terminal(*DETAILED, env=env)
    assert (found.status, found.raw, found.err) == (1, b"", "")
    assert (tmp_path / "asked").read_text() == "--my-option FRX -c\n"
    given = (tmp_path / "given").read_text()
    assert given == on_terminal(*DETAILED, env=PLAIN).out
    assert given.splitlines()[-1].startswith("COLLISION")


def test_options_of_less_are_the_user_s(tmp_path: Path) -> None:
    env = pager(tmp_path, f"cat > /dev/null; echo \"$LESS\" > '{tmp_path}/asked'")
    on_terminal(*DETAILED, env={**env, "LESS": "-S"})
    assert (tmp_path / "asked").read_text() == "-S\n"


@pytest.mark.parametrize(
    ("arguments", "env", "rows"),
    [
        (sample("founding-failure"), {}, 40),
        ((*DETAILED, "--no-pager"), {}, 40),
        ((*DETAILED, "--format", "json"), {}, 40),
        (DETAILED, {"TERM": "dumb"}, 40),
        (DETAILED, {"PAGER": ""}, 40),
        (DETAILED, {"PAGER": " cat "}, 40),
        (DETAILED, {}, 1000),
    ],
)
def test_without_need_there_is_no_pager(
    arguments: tuple[str, ...], env: dict[str, str], rows: int, tmp_path: Path
) -> None:
    env = {**pager(tmp_path, f"touch '{tmp_path}/used'"), **env}
    found = on_terminal(*arguments, rows=rows, env=env)
    assert found.status == 1
    assert "COLLISION" in found.out.upper()
    assert not (tmp_path / "used").exists()


FLEET = (
    "fleet",
    *("--kernel", str(ROOT / "samples/debian-6.1-kexec/kernel.yaml")),
    *("--kernel", str(ROOT / "samples/founding-failure/kernel.yaml")),
    str(ROOT / "samples/fleet/inventory.jsonl"),
)


def test_the_first_screen_of_a_fleet_has_the_worst_machines() -> None:
    found = on_terminal(*FLEET, columns=80, rows=24, env=PLAIN)
    first, lines = found.out.split("\n")[:24], found.out.splitlines()
    assert "collision 4, undecided 1, error 1" in first[0]
    assert any("collision-" in line for line in first)
    assert any("rack1-01" in line for line in first)
    assert lines[-1] == lines[0].removeprefix("FLEET  ")


def test_a_fleet_goes_through_the_pager(tmp_path: Path) -> None:
    env = pager(tmp_path, f"cat > '{tmp_path}/given'")
    found = on_terminal(*FLEET, rows=24, env=env)
    assert (found.status, found.raw) == (3, b"")
    given = (tmp_path / "given").read_text()
    assert given == on_terminal(*FLEET, rows=24, env=PLAIN).out
    assert on_terminal(*FLEET, "--no-pager", rows=24, env=env).out == given


@pytest.mark.parametrize("command", ["/no/such/pager", "false", "cat > /dev/null; exit 3"])
def test_a_pager_that_fails_is_no_fault(command: str) -> None:
    found = on_terminal(*DETAILED, env={**PLAIN, "PAGER": command})
    assert found.status == 1
    assert found.out.endswith(on_terminal(*DETAILED, env=PLAIN).out)


def test_who_leaves_the_pager_early_has_gone() -> None:
    """As in a pipe: 141 where not all of it was taken; what fits into a pipe was."""
    left = on_terminal(*DETAILED, env={**PLAIN, "PAGER": "head -n 1"})
    assert (left.status, left.out.count("\n")) == (1, 1)
    shown = "import sys, smecheck.cli.pager as p, smecheck.cli.main as m; "
    script = f"{shown}m._run = lambda: p.show('x\\n' * 100_000); m.main()"
    program = (sys.executable, "-c", script)
    left = on_terminal(program=program, env={**PLAIN, "PAGER": "head -n 1"})
    assert (left.status, left.out, left.err) == (141, "x\n", "")


@pytest.mark.skipif(shutil.which("less") is None, reason="less is not installed")
@pytest.mark.skipif(shutil.which("setsid") is None, reason="no way to give it a terminal")
def test_less_shows_a_screen_and_is_left_with_q() -> None:
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 12, 80, 0, 0))
    program = ("setsid", "--ctty", "--wait", *PROGRAM, *DETAILED)
    env = environment({"TERM": "xterm", **PLAIN})
    os.write(master, b"q")
    with subprocess.Popen(program, stdin=slave, stdout=slave, stderr=slave, env=env) as process:
        os.close(slave)
        shown = b"".join(iter(lambda: read(master), b"")).decode()
    os.close(master)
    assert process.returncode == 1
    assert "COLLISION" in shown
    assert "PREMISES" not in shown


def test_a_file_gets_no_pager(tmp_path: Path) -> None:
    env = pager(tmp_path, f"touch '{tmp_path}/used'")
    found = on_terminal(*DETAILED, "--format", "text", "-o", str(tmp_path / "report"), env=env)
    assert (found.status, found.raw) == (1, b"")
    assert not (tmp_path / "used").exists()
    assert (tmp_path / "report").read_text().startswith("COLLISION")


def test_interrupts_are_the_pager_s(tmp_path: Path) -> None:
    env = pager(tmp_path, f"cat > '{tmp_path}/given'; kill -INT $PPID; sleep 0.1")
    found = on_terminal(*DETAILED, env=env)
    assert found.status == 1
    assert (tmp_path / "given").stat().st_size
