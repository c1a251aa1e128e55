"""Where results go: standard output, or files that appear whole or not at all."""

from __future__ import annotations

import os
import sys

from smecheck.errors import UsageError


def write_stdout(text: str) -> None:
    """Write to standard output, whatever its encoding can hold."""
    encoding = sys.stdout.encoding or "utf-8"
    sys.stdout.write(text.encode(encoding, "replace").decode(encoding))
    sys.stdout.flush()


def write_file(path: str, text: str) -> None:
    """Write a file by way of a temporary one beside it.

    Raises:
        UsageError: it cannot be written.
    """
    import tempfile
    from pathlib import Path

    target = Path(path)
    try:
        if target.exists() and not target.is_file():
            # A pipe or a device (/dev/stdout) cannot be replaced, only written to.
            target.write_text(text, encoding="utf-8")
            return
        handle, temporary = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
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
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UsageError(
            f"cannot write the report: {reason}", where=path, help_text="name another file"
        ) from error
