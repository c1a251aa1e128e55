"""smecheck as users run it: a process of its own, in an environment that is known."""

from __future__ import annotations

import atexit
import contextlib
import gc
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO, Any
from unittest.mock import patch

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

    @property
    def out(self) -> str:
        return self.raw.decode("utf-8")

    @property
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
    own = {"PYTHONUTF8": "1", "PYTHONPYCACHEPREFIX": _compiled()}
    given = {**kept, **own, **(changes or {})}
    paths = [str(HOOK), *filter(None, [given.get("PYTHONPATH")])]
    return {**given, "PYTHONPATH": os.pathsep.join(paths)}


@cache
def _compiled() -> str:
    """Return a folder that keeps compiled modules from one run to the next."""
    folder = tempfile.mkdtemp(prefix="smecheck-tests-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def run(
    *arguments: str,
    stdin: bytes | IO[bytes] | None = None,
    cwd: Path | None = None,
    program: tuple[str, ...] = PROGRAM,
    env: Mapping[str, str] | None = None,
) -> Run:
    """Run smecheck; bytes for standard input come through a pipe, a file by redirection."""
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
    finally:
        gc.enable()  # main() switches the collector off
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
