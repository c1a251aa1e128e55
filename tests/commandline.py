"""smecheck as users run it: in a process of its own, in an environment that is known."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import IO, Any
from unittest.mock import patch

from forked import Fork
from jsonschema import Draft202012Validator

from smecheck.cli.main import main

ROOT = Path(__file__).parents[1]
SAMPLES = ROOT / "samples"
HOOK = Path(__file__).parent / "hook"
"""On Python's path, it holds every report against the invariants."""
PROGRAM = (sys.executable, "-m", "smecheck")
ASKED = {
    "dead-kdump": (
        *("--mode", "crash", "--initrd", "1032939"),
        *("--cmdline", "nokaslr mem_encrypt=on"),
    )
}
"""What is asked of a sample that is not in its files."""
FORMATS = ("text", "plain", "json")
_KEPT = ("PATH", "HOME", "TMPDIR", "PYTHONPATH", "LD_LIBRARY_PATH")


@dataclass(frozen=True)
class Run:
    """What came of it."""

    status: int
    raw: bytes
    """Standard output."""
    err: str
    cpu: float | None = field(default=None, compare=False)
    """The seconds that a fork took."""
    memory: int | None = field(default=None, compare=False)
    """The most bytes that a fork had; what was there before it counts."""

    @property
    def out(self) -> str:
        return self.raw.decode("utf-8")

    @cached_property
    def document(self) -> Any:
        """The JSON document on standard output, held against the schema that it names."""
        found = json.loads(self.raw)
        validator(found["schema"]).validate(found)
        return found

    @property
    def problem(self) -> tuple[str, str]:
        """The error, which has one line, and its next step, which has another."""
        error, help_line = [line for line in self.err.split("\n") if line]
        assert error.startswith("smecheck: error: ")
        assert error.endswith((" (nothing was analyzed)", " (no report was written)"))
        assert help_line.startswith("help: ")
        assert help_line != "help: "
        return error.removeprefix("smecheck: error: "), help_line.removeprefix("help: ")


def environment(changes: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return an environment in which nothing of the tester's own decides about the output."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    given = {**kept, "PYTHONUTF8": "1", **(changes or {})}
    paths = [str(HOOK), *filter(None, [given.get("PYTHONPATH")])]
    return {**given, "PYTHONPATH": os.pathsep.join(paths)}


def run(
    *arguments: str,
    stdin: bytes | IO[bytes] | None = None,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> Run:
    """Run smecheck in a process of its own, forked from one that has imported it.

    Args:
        arguments: the command, and what is asked of it.
        stdin: bytes come through a pipe, a file by redirection.
        cwd: the folder that it runs in, if not that of the tests.
        env: variables that are changed, of those that Python does not read when it starts.
    """
    with contextlib.ExitStack() as ours:
        given, feed = _input(ours, stdin)
        (out, out_end), (err, err_end) = _pipe(ours), _pipe(ours)
        begun = fork(arguments, (given.fileno(), out_end.fileno(), err_end.fileno()), cwd, env)
        for end in (given, out_end, err_end):
            end.close()
        reading = ours.enter_context(ThreadPoolExecutor())
        read = [reading.submit(stream.read) for stream in (out, err)]
        if feed is not None:
            with contextlib.suppress(BrokenPipeError), feed:
                feed.write(stdin)  # type: ignore[arg-type]
        ended = begun.wait()
        raw, said = (one.result() for one in read)
    err = said.decode("utf-8", "backslashreplace")
    return Run(ended.status, raw, err, ended.cpu, ended.memory)


def fork(
    arguments: Sequence[str],
    streams: tuple[int, int, int],
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> Fork:
    """Begin a run with standard input, output and error as given, as descriptors."""
    at_start = _read_at_start(env)
    assert not at_start, f"Python reads {at_start} when it starts: use start()"
    return Fork(arguments, streams, cwd or Path.cwd(), environment(env), environment())


def begin(
    arguments: Sequence[str],
    streams: tuple[int, int, int],
    *,
    env: Mapping[str, str] | None = None,
    program: tuple[str, ...] = (),
) -> Callable[[], int]:
    """Begin smecheck, or a program, with these descriptors; it is forked if nothing else is asked.

    Returns:
        What waits for its exit status.
    """
    if not program and not _read_at_start(env):
        forked = fork(arguments, streams, env=env)
        return lambda: forked.wait().status
    stdin, stdout, stderr = streams
    words = [*(program or PROGRAM), *arguments]
    started = subprocess.Popen(
        words, stdin=stdin, stdout=stdout, stderr=stderr, env=environment(env)
    )
    return lambda: started.wait(timeout=60)


def _read_at_start(env: Mapping[str, str] | None) -> set[str]:
    """Return the variables among these that Python reads when it starts."""
    return {name for name in env or () if name.startswith(("PYTHON", "LC_", "LD_"))}


def _input(
    ours: contextlib.ExitStack, stdin: bytes | IO[bytes] | None
) -> tuple[IO[bytes], IO[bytes] | None]:
    """Return standard input, and what it is fed by if it is a pipe."""
    if isinstance(stdin, bytes):
        return _pipe(ours)
    if stdin is None:
        return ours.enter_context(Path(os.devnull).open("rb")), None
    return ours.enter_context(os.fdopen(os.dup(stdin.fileno()), "rb")), None


def _pipe(ours: contextlib.ExitStack) -> tuple[IO[bytes], IO[bytes]]:
    reading, writing = os.pipe()
    ends = (os.fdopen(reading, "rb"), os.fdopen(writing, "wb", 0))
    return ours.enter_context(ends[0]), ours.enter_context(ends[1])


def start(
    *arguments: str,
    stdin: bytes | IO[bytes] | None = None,
    cwd: Path | None = None,
    program: tuple[str, ...] = PROGRAM,
    env: Mapping[str, str] | None = None,
) -> Run:
    """Start smecheck, or a program that is given, as a shell does: where the start is tested."""
    through_pipe = isinstance(stdin, bytes)
    done = subprocess.run(
        [*program, *arguments],
        input=stdin if isinstance(stdin, bytes) else None,
        stdin=None if through_pipe else (stdin or subprocess.DEVNULL),  # type: ignore[arg-type]
        capture_output=True,
        cwd=cwd,
        env=environment(env),
        timeout=60,
        check=False,
    )
    return Run(done.returncode, done.stdout, done.stderr.decode("utf-8", "backslashreplace"))


def call(*arguments: str) -> Run:
    """Run smecheck in this process: what a start costs is saved where many answers are asked for.

    Nothing of the tester's own decides about an output whose format is named and is not text.
    """
    out, err = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.TextIOWrapper(io.BytesIO(), "utf-8")
    status: object = None
    try:
        with (
            patch.object(sys, "argv", ["smecheck", *arguments]),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            main()
    except SystemExit as done:
        status = done.code
    assert isinstance(status, int)
    raw, said = (stream.buffer.getvalue() for stream in (out, err))  # type: ignore[attr-defined]
    return Run(int(status), raw, said.decode("utf-8"))


def sample(name: str, root: Path = SAMPLES) -> tuple[str, ...]:
    """Return the arguments that analyze all that a sample consists of."""
    folder = root / name
    rest: list[str] = []
    for option, file in (
        ("--iomem", "iomem.txt"),
        ("--dmesg", "dmesg.txt"),
        ("--segments", "kexec.log"),
        ("--host", "host.yaml"),
    ):
        if (SAMPLES / name / file).exists():
            rest += [option, str(folder / file)]
    return ("analyze", str(folder / "kernel.yaml"), *rest, *ASKED.get(name, ()))


@cache
def validator(schema: str) -> Draft202012Validator:
    """Return the validator for ``smecheck/report-v1`` and others, as smecheck prints them."""
    printed = run("schema", schema.removeprefix("smecheck/"))
    assert printed.status == 0
    return Draft202012Validator(json.loads(printed.raw))
