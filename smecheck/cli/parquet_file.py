"""Rows of a fleet as Parquet, for whoever goes on with them in a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from smecheck.cli.output import cannot_be_written
from smecheck.errors import UsageError
from smecheck.report.fleet_row_json import row_object

if TYPE_CHECKING:
    from collections.abc import Iterable

    from smecheck.fleets.row import Row

_ROWS = 16_384
"""In a row group."""


class ParquetFile:
    """A Parquet file of rows; it can be read once it is closed."""

    def __init__(self, path: str) -> None:
        """Name the file.

        Raises:
            UsageError: pyarrow is not installed.
        """
        try:
            import pyarrow
            import pyarrow.parquet
        except ImportError as error:
            raise UsageError(
                f"{path} would be Parquet, and pyarrow is not installed",
                help_text="pip install 'smecheck[parquet]', or name a file of JSON Lines",
            ) from error
        self._path = path
        self._arrow: Any = pyarrow
        text, size = pyarrow.string(), pyarrow.uint64()
        self._schema = pyarrow.schema(
            [
                *((name, text) for name in ("machine", "kernel", "verdict", "basis")),
                ("exit_code", pyarrow.int16()),
                ("headline", text),
                ("rules", pyarrow.list_(text)),
                ("class", text),
                (
                    "traits",
                    pyarrow.struct(
                        [
                            ("ram", size),
                            ("ranges", pyarrow.int32()),
                            (
                                "reservation",
                                pyarrow.list_(pyarrow.struct([("start", text), ("end", text)])),
                            ),
                            ("loader", text),
                            ("path", text),
                        ]
                    ),
                ),
                ("remarks", pyarrow.list_(text)),
                (
                    "error",
                    pyarrow.struct([(n, text) for n in ("code", "message", "where", "help")]),
                ),
            ]
        )
        self._writer: Any = None
        self._held: list[dict[str, object]] = []

    def write(self, rows: Iterable[Row]) -> None:
        """Take the rows of one machine.

        Raises:
            OutputError: they cannot be written.
        """
        for row in rows:
            fields = row_object(row)
            del fields["schema"]
            self._held.append(fields)
        if len(self._held) >= _ROWS:
            self._flush()

    def close(self) -> None:
        """Write what is held, and what makes the file complete."""
        self._flush()
        self._writer.close()

    def _flush(self) -> None:
        table = self._arrow.Table.from_pylist(self._held, schema=self._schema)
        self._held = []
        try:
            if self._writer is None:
                self._writer = self._arrow.parquet.ParquetWriter(self._path, self._schema)
            self._writer.write_table(table)
        except OSError as error:
            raise cannot_be_written(error, self._path) from error
