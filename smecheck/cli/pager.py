"""What does not fit on a terminal goes through a pager, as git does it."""

from __future__ import annotations

import os
import sys

from smecheck.cli.output import write_stdout
from smecheck.cli.terminal import is_dumb, is_terminal, rows

_DEFAULT = "less"
_LESS = "FRX"
"""For a less that the user gave no options: quit if all fits, show colours, use no alternate
screen. As git sets them: PAGER_ENV of its Makefile."""


def write_or_show(text: str, *, paged: bool = True) -> None:
    """Write text for people to standard output, as :func:`show` does where that is a terminal.

    Args:
        text: what to write.
        paged: whether a pager may show it.
    """
    if paged and is_terminal():
        show(text)
    else:
        write_stdout(text)


def show(text: str) -> None:
    """Write text for people to a terminal, through a pager if it is longer than that.

    A pager that is missing or fails is not a fault: the text is written without it.

    Raises:
        BrokenPipeError: the user left the pager before it had taken all of the text.
    """
    pager = os.environ.get("PAGER", _DEFAULT).strip()
    fits = text.count("\n") < rows()
    if fits or is_dumb() or pager in ("", "cat") or not _is_shown_by(pager, text):
        write_stdout(text)


def _is_shown_by(pager: str, text: str) -> bool:
    import signal
    import subprocess

    sys.stdout.flush()
    data = text.encode(sys.stdout.encoding, "backslashreplace")
    # Through a shell, as git and man do it: PAGER may have options, quotes and pipes.
    process = subprocess.Popen(  # noqa: S602 - it is the user's own command
        pager,
        shell=True,
        stdin=subprocess.PIPE,
        env={"LESS": _LESS, "LV": "-c", **os.environ},
    )
    # What an interrupt means, the pager decides.
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    left = False
    try:
        if process.stdin is not None:
            with process.stdin as pipe:
                pipe.write(data)
    except BrokenPipeError:
        left = True
    finally:
        status = process.wait()
        signal.signal(signal.SIGINT, before)
    if status:
        return False
    if left:
        raise BrokenPipeError
    return True
