"""Where the rows of a fleet go: written as they come, so that what is there is complete.

Unlike a report, which appears whole or not at all, rows are worth keeping when a run ends early. A
file holds whole machines up to the last write; a run that goes on with it cuts off what comes
after.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from typing import TYPE_CHECKING, BinaryIO, Protocol

from smecheck.cli.output import STDOUT, cannot_be_written
from smecheck.errors import OutputError, SmecheckError, system_reason
from smecheck.report.fleet_row_json import row_line

if TYPE_CHECKING:
    from collections.abc import Iterable

    from smecheck.fleets.row import Row

_EVERY = 1.0
"""Seconds after which rows that are held are written at the latest, while more come."""
_HELD = 1 << 16
"""Bytes of rows that are held."""


class RowSink(Protocol):
    """Takes the rows of machines."""

    def write(self, rows: Iterable[Row]) -> None:
        """Take the rows of one machine."""

    def close(self) -> None:
        """Take no more."""


class RowFile:
    """A file, or standard output, that holds whole machines only."""

    def __init__(self, path: str, *, from_byte: int | None = None) -> None:
        """Name the file.

        Args:
            path: of the file; ``-`` is standard output.
            from_byte: where to go on in a file that is there; ``None`` writes it anew.
        """
        self._path = path
        self._from = from_byte
        self._stream: BinaryIO | None = None
        self._held: list[bytes] = []
        self._size = 0
        self._next = 0.0
        self._kept = 0
        """Bytes of whole machines in the file."""

    def write(self, rows: Iterable[Row]) -> None:
        """Take the rows of one machine.

        Raises:
            OutputError: they cannot be written; what was written before is kept.
        """
        data = "".join(map(row_line, rows)).encode("ascii")
        self._held.append(data)
        self._size += len(data)
        now = time.monotonic()
        if self._size >= _HELD or now >= self._next:
            self._next = now + _EVERY
            self.flush()

    def flush(self) -> None:
        """Write what is held."""
        data, self._held, self._size = b"".join(self._held), [], 0
        try:
            stream = self._opened()
            rest = memoryview(data)
            while rest:
                # A full disk may take a part of it.
                rest = rest[stream.write(rest) or 0 :]
            self._kept += len(data)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise self._failed(error) from error

    def close(self) -> None:
        """Write what is held, and close the file."""
        self.flush()
        if self._stream is not None and self._path != STDOUT:
            self._stream.close()

    def _opened(self) -> BinaryIO:
        if self._stream is None:
            if self._path == STDOUT:
                if sys.stdout is None:
                    raise OutputError(
                        "is closed", where="standard output", help_text="give -o FILE"
                    )
                sys.stdout.flush()
                self._stream = open(sys.stdout.fileno(), "wb", 0, closefd=False)  # noqa: SIM115
            elif self._from is None:
                self._stream = open(self._path, "wb", 0)  # noqa: PTH123, SIM115 - closed by close()
            else:
                self._stream = open(self._path, "r+b", 0)  # noqa: PTH123, SIM115
                self._stream.seek(self._from)
                self._stream.truncate()
                self._kept = self._from
        return self._stream

    def _failed(self, error: OSError) -> SmecheckError:
        """Cut off a machine that is not whole, and say what is kept."""
        if self._path == STDOUT:
            return cannot_be_written(error, "standard output")
        if self._stream is not None:
            with contextlib.suppress(OSError):
                os.ftruncate(self._stream.fileno(), self._kept)
        if not self._kept:
            return cannot_be_written(error, self._path)
        kept = f"the {self._kept:,} bytes of complete rows in it are kept"
        return OutputError(
            f"cannot be written: {system_reason(error)}; {kept}",
            where=self._path,
            help_text=f"make room, and continue with --resume {self._path}",
        )
