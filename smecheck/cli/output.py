"""Standard output, where results go that have no other place."""

from __future__ import annotations

import errno
import sys

from smecheck.errors import OutputError, system_reason

STDOUT = "-"
"""The name of standard output, where the name of a file is expected."""
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


def write_stdout(text: str, *, encoding: str | None = None) -> None:
    r"""Write to standard output.

    Args:
        text: what its encoding cannot hold is written as ``\\u`` escapes.
        encoding: for machine-readable formats, whatever the locale says.

    Raises:
        OutputError: it is closed, or the disk behind it is full.
        BrokenPipeError: its reader went away.
    """
    if sys.stdout is None:
        raise OutputError("is closed", where="standard output", help_text="give -o FILE")
    try:
        sys.stdout.flush()
        rest = memoryview(text.encode(encoding or sys.stdout.encoding, "backslashreplace"))
        while rest:
            # Unbuffered (python -u), a write may take only a part.
            rest = rest[sys.stdout.buffer.write(rest) :]
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise cannot_be_written(error, "standard output") from error


def cannot_be_written(error: OSError | ValueError, where: str) -> OutputError:
    """Return the report of a failure to write."""
    step = "name a file in a folder that exists and is writable"
    if where == "standard output":
        step = "write to a file: -o FILE"
    elif isinstance(error, OSError) and error.errno in _NO_ROOM:
        step = "make room, or name a file on another disk"
    return OutputError(f"cannot be written: {system_reason(error)}", where=where, help_text=step)
