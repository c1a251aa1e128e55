"""A process of smecheck at the price of a fork: one that has it imported forks for each run.

Most of what a short run takes is its start: Python's own, imports, patterns that are compiled. A
fork has these done, and is a process like any other, with arguments, environment, folder, standard
streams and exit status of its own. What belongs to the start is not tested by it: what is imported,
and what Python reads from its environment.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import pkgutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

SECONDS = 60
"""A run that takes longer is ended."""
FIRST = ("analyze", str(Path(__file__).parents[1] / "samples/founding-failure/kernel.yaml"))
"""What is run once before the first fork, in each of these formats."""
FORMATS = ("text", "json")
STREAMS = ("stdin", "stdout", "stderr")
"""In the order of their descriptors."""
_LONGEST = 1 << 17
"""A message: arguments and environment."""


class Ended(NamedTuple):
    """What is known of a run that is over."""

    status: int
    """As subprocess has it: negative where a signal ended it."""
    cpu: float
    """The seconds that it took, with those of its children."""
    memory: int
    """The most bytes that it had, or one of its children; what it shares with its parent counts."""


class Fork:
    """A run that was begun. Another can begin when this one has been waited for."""

    def __init__(
        self,
        arguments: Sequence[str],
        streams: tuple[int, int, int],
        cwd: Path,
        environment: Mapping[str, str],
        at_start: Mapping[str, str],
    ) -> None:
        """Begin it.

        Args:
            arguments: the command, and what is asked of it.
            streams: the descriptors of standard input, output and error.
            cwd: the folder that it runs in.
            environment: its variables.
            at_start: the variables that Python was started with.
        """
        self._server = _server(tuple(at_start.items()))
        asked = {"arguments": arguments, "cwd": str(cwd), "environment": environment}
        socket.send_fds(self._server, [json.dumps(asked).encode()], streams)
        self._process = self._received()

    def wait(self) -> Ended:
        """Wait until it is over."""
        self._server.settimeout(SECONDS)
        try:
            return Ended(*self._received())
        except TimeoutError:
            os.kill(self._process, signal.SIGKILL)
            self._server.settimeout(None)
            self._received()
            raise
        finally:
            self._server.settimeout(None)

    def _received(self) -> Any:
        return json.loads(self._server.recv(_LONGEST))


@cache
def _server(at_start: tuple[tuple[str, str], ...]) -> socket.socket:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    process = subprocess.Popen(
        [sys.executable, __file__, str(theirs.fileno())],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        env=dict(at_start),
        pass_fds=[theirs.fileno()],
    )
    theirs.close()

    def end() -> None:
        ours.close()
        process.wait()

    atexit.register(end)
    return ours


def _main() -> None:
    """Be what ``python -m smecheck`` is, as often as asked for."""
    requests = socket.socket(fileno=int(sys.argv[1]))
    package = importlib.import_module("smecheck")
    for module in pkgutil.walk_packages(package.__path__, "smecheck."):
        importlib.import_module(module.name)
    for form in FORMATS:
        sys.argv = ["smecheck", *FIRST, "--format", form]
        with suppress(SystemExit):
            sys.modules["smecheck.cli.main"].main()
    gc.collect()
    gc.freeze()
    program = sys.modules["__main__"] = sys.modules["smecheck.__main__"]
    _serve(requests)
    program.main()


def _serve(requests: socket.socket) -> None:
    """Fork for each request; return in the forks only."""
    assert threading.active_count() == 1, "a fork has one thread only"
    while True:
        message, streams, _, _ = socket.recv_fds(requests, _LONGEST, 3)
        if not message:
            os._exit(0)  # the tests are done
        process = os.fork()
        if process == 0:
            requests.close()
            _become(json.loads(message), streams)
            return
        for stream in streams:
            os.close(stream)
        requests.send(str(process).encode())
        _, status, used = os.wait4(process, 0)
        cpu, memory = used.ru_utime + used.ru_stime, used.ru_maxrss << 10
        requests.send(json.dumps([os.waitstatus_to_exitcode(status), cpu, memory]).encode())


def _become(asked: dict[str, Any], streams: list[int]) -> None:
    """Take over what the run was given."""
    for number, (name, stream) in enumerate(zip(STREAMS, streams, strict=True)):
        os.dup2(stream, number)
        os.close(stream)
        old = getattr(sys, name)
        mode, buffering = "w" if number else "r", 1 if name == "stderr" else -1
        new = open(number, mode, buffering, old.encoding, old.errors, closefd=False)  # noqa: SIM115
        setattr(sys, name, new)
        setattr(sys, f"__{name}__", new)
    os.chdir(asked["cwd"])
    os.environ.clear()
    os.environ.update(asked["environment"])
    sys.path[0] = asked["cwd"]
    sys.argv = [str(sys.modules["__main__"].__file__), *asked["arguments"]]


if __name__ == "__main__":
    _main()
