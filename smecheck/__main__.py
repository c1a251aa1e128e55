"""The program's start: ``smecheck``, or ``python -m smecheck``.

Whoever interrupts it is not told what Python was doing: until the program can clean up after itself
it just ends, and so it does when all is done.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import os
import signal
import sys
from types import FrameType
from typing import NoReturn

_INTERRUPTED = 130
"""``smecheck.errors.ExitCode.INTERRUPTED``, which is not imported yet."""


def main() -> NoReturn:
    """Run the program."""
    # A short run that makes no reference cycles worth collecting: the collector only costs time.
    gc.disable()
    is_usual = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if is_usual:  # not started with nohup, or in the background of a script
        signal.signal(signal.SIGINT, _end)
    if sys.version_info >= (3, 15):
        sys.set_lazy_imports("all")  # PEP 810: libraries as well import when they use something
    from smecheck.cli.main import main as run

    if is_usual:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    status = None
    try:
        run()
    except SystemExit as exit_of_run:
        status = exit_of_run.code
        raise
    finally:
        if is_usual:
            signal.signal(signal.SIGINT, _end)
        if isinstance(status, int) and _leaves_nothing_behind():
            _end_at_once(status)


def _leaves_nothing_behind() -> bool:
    """Return whether no thread runs on, and no profiler, debugger or person has the last word."""
    threading, monitoring = sys.modules.get("threading"), getattr(sys, "monitoring", None)
    if threading is not None and threading.active_count() > 1:
        return False
    if monitoring is not None and any(map(monitoring.get_tool, range(6))):
        return False
    return sys.gettrace() is None and sys.getprofile() is None and not sys.flags.inspect


def _end_at_once(status: int) -> NoReturn:
    """End without taking every module apart before, which is a tenth of a short run."""
    atexit._run_exitfuncs()  # noqa: SLF001 - as multiprocessing does before it ends like this
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            with contextlib.suppress(OSError, ValueError):  # the reader has gone; it is closed
                stream.flush()
    os._exit(status)


def _end(_number: int, _frame: FrameType | None) -> None:
    os._exit(_INTERRUPTED)


if __name__ == "__main__":
    main()
