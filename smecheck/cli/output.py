"""Where results go: standard output, or files that appear whole or not at all."""

from __future__ import annotations

import os
import sys

from smecheck.errors import OutputError


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
        raise _failed(error, "standard output") from error


def write_file(path: str, text: str) -> None:
    """Write a file by way of a temporary one beside it; a link keeps pointing to it.

    Raises:
        OutputError: it cannot be written.
    """
    import tempfile
    from pathlib import Path

    try:
        if Path(path).exists() and not Path(path).is_file():
            # A pipe or a device cannot be replaced, only written to.
            Path(path).write_text(text, encoding="utf-8")
            return
        target = Path(path).resolve()
        handle, temporary = tempfile.mkstemp(prefix=".smecheck-", dir=target.parent)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as stream:
                stream.write(text)
            umask = os.umask(0)
            os.umask(umask)
            Path(temporary).chmod(0o666 & ~umask)
            Path(temporary).replace(target)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except BrokenPipeError:
        raise
    except (OSError, ValueError) as error:
        raise _failed(error, path) from error


def _failed(error: OSError | ValueError, where: str) -> OutputError:
    reason = (getattr(error, "strerror", None) or str(error)).lower()
    return OutputError(
        f"cannot be written: {reason}", where=where, help_text="name another place with -o FILE"
    )
