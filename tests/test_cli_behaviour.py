"""How the command line shows its answer: formats, terminals, colours, widths, encodings."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import struct
import termios
from functools import cache
from pathlib import Path

import pytest
from commandline import FORMATS, PROGRAM, Run, begin, run, sample, start

COLLISION = sample("founding-failure")
CLEAR = sample("founding-fixed")
EXPLAINED = (*COLLISION, "--explain")
ESCAPE = b"\x1b"
UMLAUT = "nö.yaml"
LOCALES = {
    "C": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "ascii": {"PYTHONIOENCODING": "ascii"},
    "latin-1": {"PYTHONIOENCODING": "latin-1"},
}


@cache
def piped(form: str, columns: str | None = None) -> Run:
    """Run the collision in a pipe."""
    env = {} if columns is None else {"COLUMNS": columns}
    return run(*COLLISION, "--format", form, env=env)


def on_terminal(
    *arguments: str,
    columns: int = 120,
    rows: int = 40,
    env: dict[str, str] | None = None,
    program: tuple[str, ...] = (),
) -> Run:
    """Run smecheck, or a program, with standard output, and nothing else, on a terminal."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    reader, writer = os.pipe()
    variables = {"TERM": "xterm", "PAGER": "cat", **(env or {})}
    with Path(os.devnull).open("rb") as nothing:
        streams = (nothing.fileno(), slave, writer)
        status = begin(arguments, streams, env=variables, program=program)
    os.close(slave)
    os.close(writer)
    shown = b""
    while piece := read(master):
        shown += piece
    os.close(master)
    with os.fdopen(reader) as errors:
        err = errors.read()
    return Run(status(), shown.replace(b"\r\n", b"\n"), err)


def read(terminal: int) -> bytes:
    """Return what was shown since; empty once nobody writes to it any more."""
    try:
        return os.read(terminal, 1 << 16)
    except OSError:
        return b""  # how Linux says that nobody has the other end open any more


def width(text: str) -> int:
    return max(len(line) for line in text.split("\n"))


def test_plain_in_a_pipe() -> None:
    found = run(*COLLISION)
    assert found.out == piped("plain").out
    assert found.out.startswith("verdict: collision\n")
    assert all(": " in line for line in found.out.rstrip("\n").split("\n"))


def test_text_in_colour_on_a_terminal() -> None:
    found = on_terminal(*COLLISION)
    assert found.status == 1
    assert "COLLISION" in found.out.split("\n")[0]
    assert ESCAPE in found.raw
    again = on_terminal(*COLLISION, "--color", "never")
    assert ESCAPE not in again.raw
    assert again.out.startswith("COLLISION  ")


@pytest.mark.parametrize("form", ["plain", "json"])
def test_the_format_is_obeyed_on_a_terminal(form: str) -> None:
    shown = on_terminal(*COLLISION, "--format", form)
    assert shown.raw == piped(form).raw
    assert ESCAPE not in shown.raw


def test_plain_in_a_file_even_from_a_terminal(tmp_path: Path) -> None:
    found = on_terminal(*COLLISION, "-o", str(tmp_path / "report"))
    assert found.raw == b""
    assert (tmp_path / "report").read_bytes() == piped("plain").raw


@pytest.mark.parametrize("form", FORMATS)
def test_the_end_is_a_line_break(form: str) -> None:
    out = piped(form).out
    assert out.endswith("\n")
    assert not out.endswith("\n\n")
    assert not any(line != line.rstrip() for line in out.split("\n"))


@pytest.mark.parametrize("form", FORMATS)
def test_same_input_same_bytes(form: str) -> None:
    first, second = (
        start(*EXPLAINED, "--format", form, env={"PYTHONHASHSEED": seed}).raw for seed in ("1", "2")
    )
    assert first == second


@pytest.mark.parametrize("form", ["", *FORMATS])
def test_quiet_prints_nothing(form: str) -> None:
    options = ("--format", form) if form else ()
    assert run(*COLLISION, "-q", *options) == Run(1, b"", "")


def test_quiet_on_a_terminal() -> None:
    assert on_terminal(*CLEAR, "--quiet") == Run(0, b"", "")


def test_quiet_failures_say_why_on_standard_error() -> None:
    found = run("analyze", "nosuch", "-q", "--format", "json")
    assert (found.status, found.raw) == (3, b"")
    assert found.problem[0].startswith("nosuch: ")


@pytest.mark.parametrize(
    ("choice", "env", "colored"),
    [
        ("auto", {}, False),
        ("auto", {"FORCE_COLOR": "1"}, True),
        ("auto", {"FORCE_COLOR": ""}, False),
        ("auto", {"NO_COLOR": "1", "FORCE_COLOR": "1"}, False),
        ("auto", {"NO_COLOR": "", "FORCE_COLOR": "1"}, True),
        ("auto", {"CLICOLOR": "1"}, False),
        ("auto", {"CLICOLOR_FORCE": "1"}, True),
        ("auto", {"CLICOLOR_FORCE": "0"}, False),
        ("auto", {"NO_COLOR": "1", "CLICOLOR_FORCE": "1"}, False),
        ("auto", {"TERM": "dumb", "FORCE_COLOR": "1"}, True),
        ("always", {}, True),
        ("always", {"NO_COLOR": "1"}, True),
        ("never", {"FORCE_COLOR": "1"}, False),
    ],
)
def test_color_in_a_pipe(choice: str, env: dict[str, str], colored: bool) -> None:
    found = run(*COLLISION, "--format", "text", "--color", choice, env=env)
    assert (ESCAPE in found.raw) is colored


@pytest.mark.parametrize(
    ("choice", "env", "colored"),
    [
        ("auto", {"NO_COLOR": "1"}, False),
        ("auto", {"NO_COLOR": ""}, True),
        ("auto", {"NO_COLOR": "1", "FORCE_COLOR": "1"}, False),
        ("auto", {"CLICOLOR": "0"}, False),
        ("auto", {"CLICOLOR": "0", "CLICOLOR_FORCE": "1"}, True),
        ("auto", {"TERM": "dumb"}, False),
        ("auto", {"TERM": ""}, False),
        ("always", {"TERM": "dumb"}, True),
        ("always", {"NO_COLOR": "1"}, True),
    ],
)
def test_color_on_a_terminal(choice: str, env: dict[str, str], colored: bool) -> None:
    found = on_terminal(*COLLISION, "--color", choice, env=env)
    assert (ESCAPE in found.raw) is colored


@pytest.mark.parametrize("form", ["plain", "json"])
def test_only_text_has_colors(form: str) -> None:
    found = run(*COLLISION, "--format", form, "--color", "always", env={"FORCE_COLOR": "1"})
    assert found.raw == piped(form).raw


def test_colors_say_nothing_that_words_do_not() -> None:
    colored = run(*COLLISION, "--format", "text", "--color", "always", env={"COLUMNS": "100"}).out
    bare = run(*COLLISION, "--format", "text", "--color", "never", env={"COLUMNS": "100"}).out
    pieces = colored.split("\x1b[")
    without = pieces[0] + "".join(piece.partition("m")[2] for piece in pieces[1:])
    assert [line.rstrip() for line in without.split("\n")] == bare.split("\n")


@pytest.mark.parametrize("columns", [60, 80, 132, 200])
def test_text_has_the_columns_asked_for(columns: int) -> None:
    out = run(*EXPLAINED, "--format", "text", env={"COLUMNS": str(columns)}).out
    assert columns - 20 < width(out) <= columns


@pytest.mark.parametrize("columns", ["0", "-80", "abc", "99999999999"])
def test_columns_that_are_none_mean_the_default(columns: str) -> None:
    found = piped("text", columns)
    assert (found.status, found.err) == (1, "")
    assert found.raw == piped("text").raw
    assert width(found.out) <= 160


def test_few_columns_break_no_address() -> None:
    found = run(*COLLISION, "--format", "text", env={"COLUMNS": "30"})
    assert "[0x70151000, 0x7015e000)" in found.out


@pytest.mark.parametrize("columns", [80, 140])
def test_text_is_as_wide_as_the_terminal(columns: int) -> None:
    out = on_terminal(*EXPLAINED, "--color", "never", columns=columns).out
    assert columns - 20 < width(out) <= columns


@pytest.mark.parametrize("form", ["plain", "json"])
def test_only_text_has_a_width(form: str) -> None:
    narrow = piped(form, "40").raw
    assert narrow == piped(form).raw


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("ümlaut")
    (made / UMLAUT).write_bytes(Path(COLLISION[1]).read_bytes())
    return made


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("locale", LOCALES)
def test_no_locale_is_too_poor(locale: str, form: str, folder: Path) -> None:
    arguments = ("analyze", UMLAUT, *COLLISION[2:], "--explain", "--format", form)
    found = start(*arguments, cwd=folder, env=LOCALES[locale])
    assert (found.status, found.err) == (1, "")
    rich = run(*arguments, cwd=folder)
    if form == "json":
        assert found.document["findings"] == rich.document["findings"]
        assert found.document["headline"] == rich.document["headline"]
    else:
        lines = found.raw.decode("latin-1").split("\n")
        same = set(lines) & set(rich.out.split("\n"))
        assert len(same) > len(lines) / 2
        assert len(lines) == len(rich.out.split("\n"))


@pytest.mark.parametrize("form", ["text", "plain"])
@pytest.mark.parametrize("locale", ["C", "ascii"])
def test_ascii_gets_escapes_and_loses_nothing(locale: str, form: str, folder: Path) -> None:
    found = start("analyze", UMLAUT, "--details", "--format", form, cwd=folder, env=LOCALES[locale])
    assert found.raw.isascii()
    assert b"?" not in found.raw
    assert b"n\\" in found.raw


@pytest.mark.parametrize("locale", LOCALES)
def test_json_is_json_and_exact_in_every_locale(locale: str, folder: Path) -> None:
    names = (UMLAUT, "kä.yaml")
    reports = [
        start("analyze", name, "--format", "json", cwd=folder, env=LOCALES[locale])
        for name in names
    ]
    # JSON is UTF-8, or it is none. What Python makes of the bytes of a name is not ours to choose.
    documents = [json.loads(report.raw.decode("utf-8")) for report in reports]
    found = documents[0]["kernel"]["source"], documents[1]["error"]["where"]
    if locale == "C":
        assert found == tuple(name.encode().decode("ascii", "surrogateescape") for name in names)
    else:
        assert found == names


@pytest.mark.parametrize("locale", ["C", "ascii"])
@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (("--help",), 0),
        (("rules",), 0),
        (("explain", "SME001"), 0),
        (("explain", "nö"), 2),
        (("schema", "report-v1"), 0),
        (("analyze", "nö"), 3),
        (("analyze", "nö", "--format", "json"), 3),
        (("analyze", COLLISION[1], "--load-address", "ö"), 2),
    ],
)
def test_every_command_in_every_locale(
    arguments: tuple[str, ...], status: int, locale: str
) -> None:
    program = ("/bin/sh", "-c", 'exec "$@" 2>/dev/null', "sh", *PROGRAM)
    assert start(*arguments, program=program, env=LOCALES[locale]).status == status


@pytest.mark.parametrize("locale", LOCALES)
def test_files_are_utf_8_in_every_locale(locale: str, folder: Path, tmp_path: Path) -> None:
    options = [f"--report={form}={tmp_path / form}" for form in FORMATS]
    start("analyze", UMLAUT, "--details", "-q", *options, cwd=folder, env=LOCALES[locale])
    texts = [(tmp_path / form).read_bytes().decode("utf-8") for form in FORMATS]
    assert "█" in texts[0]
    if locale != "C":
        assert all(UMLAUT in text for text in texts)
