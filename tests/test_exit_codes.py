"""What each way of ending means for the exit status, whatever the format: 1 means findings only."""

from __future__ import annotations

import fcntl
import os
import re
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO

import pytest
from commandline import FORMATS, PROGRAM, Run, begin, environment, run, sample, start
from elfwriter import vmlinux
from recorded import DATA

COLLISION = sample("founding-failure")
CLEAR = sample("founding-fixed")
CRASH = sample("crash-leaves-reservation")
UNDECIDED = ("analyze", "vmlinux")
"""With notes (SME046): no real code is in it."""
OPEN = ("analyze", str(DATA / "symbols" / "5.0-old.System.map"))
"""Undecided, without any finding."""
BESIDE = COLLISION[:2]
"""The old kernel alone: nobody owns its workarea (an error), and what is hit is open."""
_EDGE = DATA / "founding" / "old-l-c-2g-edge-out"
LUCKY = (
    *("analyze", str(DATA / "kernels" / "5.0-old.yaml"), "--cmdline", "nokaslr"),
    *("--iomem", str(_EDGE / "iomem.txt"), "--segments", str(_EDGE / "segments.txt")),
)
"""Clear on this machine, with a warning (SME007) and a note (SME010)."""

REPORTS = {
    "clear": (CLEAR, "clear", 0),
    "warning": (LUCKY, "clear", 0),
    "warning --fail-on warning": ((*LUCKY, "--fail-on", "warning"), "clear", 1),
    "warning --fail-on note": ((*LUCKY, "--fail-on", "note"), "clear", 1),
    "note remains": ((*LUCKY, "--fail-on", "note", "--ignore", "SME007"), "clear", 1),
    "collision": (COLLISION, "collision", 1),
    "collision --allow-undecided": ((*COLLISION, "--allow-undecided"), "collision", 1),
    "collision --exit-zero": ((*COLLISION, "--exit-zero"), "collision", 0),
    "collision ignored": ((*COLLISION, "--ignore", "SME001"), "collision", 0),
    "another ignored": ((*COLLISION, "--ignore", "SME002"), "collision", 1),
    "one of two ignored": ((*CRASH, "--ignore", "SME001"), "collision", 1),
    "both ignored": ((*CRASH, "--ignore", "SME001", "--ignore", "SME006"), "collision", 0),
    "undecided": (UNDECIDED, "undecided", 4),
    "undecided --fail-on note": ((*OPEN, "--fail-on", "note"), "undecided", 4),
    "undecided, note --fail-on warning": ((*UNDECIDED, "--fail-on", "warning"), "undecided", 4),
    "undecided, note --fail-on note": ((*UNDECIDED, "--fail-on", "note"), "undecided", 1),
    "undecided --allow-undecided": ((*UNDECIDED, "--allow-undecided"), "undecided", 0),
    "undecided --exit-zero": ((*UNDECIDED, "--exit-zero"), "undecided", 0),
    "error beside": (BESIDE, "undecided", 1),
    "error beside --allow-undecided": ((*BESIDE, "--allow-undecided"), "undecided", 1),
    "error beside ignored": ((*BESIDE, "--ignore", "SME007"), "undecided", 4),
    "error beside --exit-zero": ((*BESIDE, "--exit-zero"), "undecided", 0),
    "no SME code": (sample("no-sme"), "not-applicable", 0),
    "SME is off": ((*COLLISION, "--sme", "off"), "not-applicable", 0),
}
FAILURES = {
    "missing": (("analyze", "nosuch"), 3),
    "missing --exit-zero": (("analyze", "nosuch", "--exit-zero", "--allow-undecided"), 3),
    "unreadable iomem": ((*UNDECIDED, "--iomem", "vmlinux", "--exit-zero"), 3),
    "unreadable segments": ((*UNDECIDED, "--segments", "vmlinux", "--exit-zero"), 3),
    "misaligned": ((*UNDECIDED, "--load-address", "0x100000", "--exit-zero"), 2),
    "5 levels of 4": (
        (*("analyze", str(DATA / "kernels" / "5.10.0-32-cloud-amd64.yaml")), "--paging", "5"),
        2,
    ),
    "unknown rule": ((*UNDECIDED, "--ignore", "SME999"), 2),
    "unwritable": ((*COLLISION, "-o", "nosuch/report"), 2),
    "usage before input": (("analyze", "nosuch", "--load-address", "4K"), 2),
}
USAGE = (
    (),
    ("--nosuch",),
    ("nosuch",),
    ("analyze",),
    ("analyze", "vmlinux", "vmlinux"),
    (*UNDECIDED, "--nosuch"),
    (*UNDECIDED, "--format", "xml"),
    (*UNDECIDED, "--iomem"),
    (*UNDECIDED, "--report", "json"),
    (*UNDECIDED, "--report", "xml=report"),
    (*UNDECIDED, "-o", "."),
    (*UNDECIDED, "--ignore", "SME01"),
    ("analyze", "-", "--iomem", "-"),
    ("explain",),
    ("explain", "nonsense"),
    ("schema", "nonsense"),
    ("rules", "nonsense"),
)
NO_INTEGERS = ("010", "1:30", "ff000000", "-2097152", "2097152.0", "", "0x20_0000")
MISALIGNED = ("1", "0x1fffff", "1M", "3145728")

BUG = """
import smecheck.analysis
from smecheck.cli.main import main

def broken(question):
    raise {error}

smecheck.analysis.analyze = broken
main()
"""
INTERRUPTIBLE = """
import signal
from smecheck.__main__ import main

# A shell starts what it runs in the background with the signal ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
main()
"""
INTERRUPTED_AT = """
import os, runpy, signal, sys

class Interrupt:
    def find_spec(self, name, path=None, target=None):
        if name == "{module}":
            os.kill(os.getpid(), signal.SIGINT)

signal.signal(signal.SIGINT, signal.default_int_handler)
sys.meta_path.insert(0, Interrupt())
sys.argv[0] = "smecheck"
runpy.run_module("smecheck", run_name="__main__")
"""
FULL = Path("/dev/full")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("exit")
    (made / "vmlinux").write_bytes(vmlinux().build())
    return made


def told(form: str, found: Run) -> int:
    """Return the exit status that the report itself names."""
    if form == "json":
        assert found.document["schema"] == "smecheck/report-v1"
        return int(found.document["exit_code"])
    pattern = r"^exit-code: (\d+)$" if form == "plain" else r"exit (\d+)$"
    (status,) = re.findall(pattern, found.out, re.MULTILINE)
    return int(status)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("case", REPORTS)
def test_reports(case: str, form: str, folder: Path) -> None:
    arguments, verdict, status = REPORTS[case]
    found = run(*arguments, "--format", form, cwd=folder)
    assert found.status == status
    assert found.err == ""
    assert told(form, found) == status
    if form == "json":
        assert found.document["verdict"] == verdict


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("case", FAILURES)
def test_failures(case: str, form: str, folder: Path) -> None:
    arguments, status = FAILURES[case]
    found = run(*arguments, "--format", form, cwd=folder)
    assert found.status == status
    error, help_text = found.problem
    if form == "json":
        document = found.document
        assert document["schema"] == "smecheck/error-v1"
        assert document["error"]["message"] in error
        assert document["error"]["help"] == help_text
    else:
        assert found.raw == b""


@pytest.mark.parametrize("arguments", USAGE, ids=" ".join)
def test_usage_errors(arguments: tuple[str, ...], folder: Path) -> None:
    found = run(*arguments, stdin=b"", cwd=folder)
    assert (found.status, found.raw) == (2, b"")
    assert found.err.startswith(("Usage: ", "Error: ", "smecheck: error: "))
    assert "Traceback" not in found.err


@pytest.mark.parametrize("number", NO_INTEGERS)
def test_numbers_are_written_in_one_way(number: str, folder: Path) -> None:
    found = run(*UNDECIDED, f"--load-address={number}", cwd=folder)
    assert (found.status, found.raw) == (2, b"")
    assert repr(number) in found.err
    assert "0x… hex" in found.err


def test_numbers_have_64_bits(folder: Path) -> None:
    found = run(*UNDECIDED, "--load-address", "0x10000000000000000", cwd=folder)
    assert (found.status, found.raw) == (2, b"")
    assert "more than 64 bits" in found.err


@pytest.mark.parametrize("address", MISALIGNED)
def test_a_kernel_runs_at_multiples_of_2_mib(address: str, folder: Path) -> None:
    found = run(*UNDECIDED, "--load-address", address, cwd=folder)
    assert (found.status, found.raw) == (2, b"")
    error, help_text = found.problem
    assert "2 MiB" in error
    assert "_text" in help_text


@pytest.mark.parametrize("address", ["0x200000", "2M", "2097152", "2 MiB", "0x7DE00000"])
def test_aligned_addresses_are_taken(address: str, folder: Path) -> None:
    found = run(*UNDECIDED, "--load-address", address, "--format", "json", cwd=folder)
    assert found.status in (1, 4)
    assert int(found.document["boot"]["kernel_base"], 16) % 0x200000 == 0


@pytest.mark.parametrize("initrd", ["010", "nosuch", "1:30"])
def test_an_initrd_is_a_size_or_a_file(initrd: str, folder: Path) -> None:
    found = run(*UNDECIDED, "--initrd", initrd, cwd=folder)
    assert (found.status, found.raw) == (2, b"")
    assert "nor a file (no such file or directory)" in found.err


def broken(error: str, *options: str) -> Run:
    """Run an analysis that has a bug."""
    program = (sys.executable, "-c", BUG.format(error=error))
    return start(*COLLISION, *options, program=program)


@pytest.mark.parametrize(
    "error",
    [
        "RuntimeError('gone \\x1b[31mwrong')",
        "AssertionError",
        "RecursionError",
        "MemoryError",
        "FileNotFoundError(2, 'nosuch')",
        "UnicodeEncodeError('ascii', '\\xe4', 0, 1, 'no')",
    ],
)
def test_a_bug_is_one_line_and_70(error: str) -> None:
    found = broken(error, "--exit-zero")
    assert (found.status, found.raw) == (70, b"")
    bug, help_text = found.err.rstrip("\n").split("\n")
    assert bug.startswith(f"smecheck: bug: {error.partition('(')[0]}: ")
    assert "\x1b" not in bug
    assert "report it" in help_text


def test_a_bug_has_a_traceback_with_debug() -> None:
    found = broken("RuntimeError('gone')", "--debug")
    assert (found.status, found.raw) == (70, b"")
    assert "Traceback (most recent call last)" in found.err
    assert "in broken" in found.err


def test_a_bug_is_a_document_too() -> None:
    found = broken("RuntimeError('gone')", "--format", "json")
    assert found.status == 70
    assert found.document["error"]["code"] == "bug"


@pytest.mark.parametrize(
    "module",
    [
        "click",
        "smecheck.errors",
        "smecheck.cli.main",
        "smecheck.cli.question_options",
        "smecheck.analysis",
    ],
)
def test_interrupted_at_start_up(module: str) -> None:
    """Whatever is being imported: no traceback, and the status of an interrupted program."""
    found = start(*COLLISION, program=(sys.executable, "-c", INTERRUPTED_AT.format(module=module)))
    # The newline ends the line that the terminal shows ^C in.
    assert (found.status, found.raw, found.err.strip()) == (130, b"", "")


def test_a_signal_that_is_ignored_stays_ignored() -> None:
    code = INTERRUPTED_AT.format(module="click").replace("default_int_handler", "SIG_IGN")
    found = start(*COLLISION, program=(sys.executable, "-c", code))
    assert (found.status, found.err) == (1, "")
    assert found.out.startswith("verdict: collision")


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize(
    "arguments", [("analyze", "-"), (*COLLISION[:2], "--iomem", "-"), ("analyze", "-", "--debug")]
)
def test_interrupted(arguments: tuple[str, ...], unbuffered: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", INTERRUPTIBLE, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment({"PYTHONUNBUFFERED": unbuffered}),
    ) as process:
        assert process.stdin
        process.stdin.write(b"#")
        process.stdin.flush()
        while pending(process.stdin):
            time.sleep(0.002)
        # What was written was read: it waits for more. A signal that comes between two reads has
        # no effect before the second is done, so it is repeated.
        attempts = 0
        while process.poll() is None and attempts < 100:
            process.send_signal(signal.SIGINT)
            attempts += 1
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=0.2)
        process.kill()
        assert process.stdout
        assert process.stderr
        assert (process.stdout.read(), process.stderr.read().strip()) == (b"", b"")
    assert process.returncode == 130


def pending(pipe: IO[bytes]) -> int:
    """Return how many bytes of a pipe are not read yet."""
    size = fcntl.ioctl(pipe, termios.FIONREAD, bytes(4))
    return int.from_bytes(size, sys.byteorder)


PRINTING = {
    "version": ("--version",),
    "help": ("--help",),
    "help of analyze": ("analyze", "--help"),
    "rules": ("rules",),
    "explain": ("explain", "SME001"),
    "schema": ("schema", "report-v1"),
    "plain": (*COLLISION, "--explain"),
    "text": (*COLLISION, "--explain", "--format", "text"),
    "json": (*COLLISION, "--format", "json"),
    "error document": ("analyze", "nosuch", "--format", "json"),
    "-o": (*COLLISION, "-o", "/dev/stdout"),
}
LARGE = ("schema", "plain", "text", "json")


def begun(arguments: tuple[str, ...], unbuffered: str, out: int, err: int) -> Callable[[], int]:
    """Begin a run with these descriptors; return what waits for its exit status."""
    env = {"PYTHONUNBUFFERED": unbuffered} if unbuffered else {}
    with Path(os.devnull).open("rb") as nothing:
        return begin(arguments, (nothing.fileno(), out, err), env=env)


def cut_short(arguments: tuple[str, ...], unbuffered: str, *, after: int) -> tuple[int, bytes]:
    """Close the pipe after some bytes; return the status and what is on standard error."""
    reader, writer = os.pipe()
    fcntl.fcntl(reader, fcntl.F_SETPIPE_SZ, 4096)  # less than what is printed: the writer waits
    errors, errors_end = os.pipe()
    if not after:
        os.close(reader)
    status = begun(arguments, unbuffered, writer, errors_end)
    os.close(writer)
    os.close(errors_end)
    if after:
        assert os.read(reader, after)
        os.close(reader)
    with os.fdopen(errors, "rb") as stream:
        err = stream.read()
    return status(), err


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("case", PRINTING)
def test_reader_gone_before_anything_was_printed(case: str, unbuffered: str) -> None:
    assert cut_short(PRINTING[case], unbuffered, after=0) == (141, b"")


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("case", LARGE)
def test_reader_gone_in_the_middle(case: str, unbuffered: str) -> None:
    assert cut_short(PRINTING[case], unbuffered, after=10) == (141, b"")


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize(
    ("arguments", "status"), [(("analyze", "nosuch"), 3), (("analyze", "--nosuch"), 2)]
)
def test_reader_of_errors_gone(arguments: tuple[str, ...], status: int, unbuffered: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [*PROGRAM, *arguments],
        stdout=subprocess.PIPE,
        stderr=writer,
        env=environment({"PYTHONUNBUFFERED": unbuffered}),
        timeout=30,
        check=False,
    )
    os.close(writer)
    assert done.stdout == b""
    assert done.returncode in (status, 141)


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("case", ["help", "schema", "plain", "json"])
def test_disk_full_is_no_bug(case: str, unbuffered: str) -> None:
    errors, errors_end = os.pipe()
    with FULL.open("wb") as full:
        status = begun(PRINTING[case], unbuffered, full.fileno(), errors_end)
    os.close(errors_end)
    with os.fdopen(errors, "rb") as stream:
        err = stream.read()
    assert status() == 2  # as with -o /dev/full
    assert b"no space left on device" in err
    assert b"bug" not in err


@pytest.mark.parametrize(
    ("arguments", "status"), [(("analyze", "nosuch"), 3), (("explain", "nosuch"), 2), (("x",), 2)]
)
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_no_room_for_an_error_makes_it_no_finding(
    arguments: tuple[str, ...], status: int, unbuffered: str
) -> None:
    with FULL.open("wb") as full:
        done = subprocess.run(
            [*PROGRAM, *arguments],
            stdout=subprocess.PIPE,
            stderr=full,
            env=environment({"PYTHONUNBUFFERED": unbuffered}),
            timeout=30,
            check=False,
        )
    assert (done.returncode, done.stdout) == (status, b"")


@pytest.mark.parametrize(
    ("redirection", "kernel", "status"),
    [("<&-", "-", 3), (">&-", COLLISION[1], 2), ("2>&-", "nosuch", 3)],
    ids=["no input", "no output", "no errors"],
)
def test_closed_streams_are_no_bug(redirection: str, kernel: str, status: int) -> None:
    program = ("/bin/sh", "-c", f'exec "$@" {redirection}', "sh", *PROGRAM)
    found = start("analyze", kernel, stdin=b"", program=program)
    assert (found.status, found.raw) == (status, b"")
    assert "bug" not in found.err


LAST_WORDS = """
import atexit
from smecheck.__main__ import main

class Last:
    def __del__(self):
        print("taken apart")

last = Last()
atexit.register(print, "registered")
main()
"""


def test_the_program_ends_without_taking_itself_apart() -> None:
    found = start("--version", program=(sys.executable, "-c", LAST_WORDS))
    assert found.status == 0
    assert found.out.splitlines()[1:] == ["registered"]


def test_a_profiler_has_the_last_word() -> None:
    program = (sys.executable, "-m", "cProfile", "-m", "smecheck")
    found = start("--version", program=program)
    assert found.status == 0
    assert "function calls" in found.out


def test_who_asks_python_for_a_prompt_gets_one() -> None:
    program = (sys.executable, "-i", "-m", "smecheck")
    found = start("--version", program=program, stdin=b"print('here')\n")
    assert "here" in found.out.splitlines()


def test_a_thread_that_runs_on_is_waited_for() -> None:
    last = "(threading.main_thread().join(), time.sleep(0.05), print('done'))"
    thread = f"threading.Thread(target=lambda: {last}).start()"
    script = f"import threading, time, smecheck.__main__ as m; {thread}; m.main()"
    found = start("--version", program=(sys.executable, "-c", script))
    assert (found.status, found.out.splitlines()[1:]) == (0, ["done"])
