"""The program's start: ``smecheck``, or ``python -m smecheck``.

Whoever interrupts it is not told what Python was doing: until the program can clean up after itself
it just ends, and so it does when all is done.
"""

from __future__ import annotations

import os
import signal
from types import FrameType
from typing import NoReturn

_INTERRUPTED = 130
"""``smecheck.errors.ExitCode.INTERRUPTED``, which is not imported yet."""


def main() -> NoReturn:
    """Run the program."""
    is_usual = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if is_usual:  # not started with nohup, or in the background of a script
        signal.signal(signal.SIGINT, _end)
    from smecheck.cli.main import main as run

    if is_usual:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        run()
    finally:
        if is_usual:
            signal.signal(signal.SIGINT, _end)


def _end(_number: int, _frame: FrameType | None) -> None:
    os._exit(_INTERRUPTED)


if __name__ == "__main__":
    main()
