"""An inventory as Parquet: a row a machine, with the keys of ``smecheck/fleet-machine-v1``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import PurePath
from typing import Any

from smecheck.errors import MalformedInput, UsageError
from smecheck.read.fleet.inventory import described
from smecheck.read.fleet.machine import Broken, Machine

_ROWS = 64
"""Read at a time."""


def read_parquet(path: str, watch: Callable[[int], None]) -> Iterator[Machine]:
    """Yield the machines of a Parquet file in order; where it is broken, the last one is as well.

    Args:
        path: of the file.
        watch: is given about how many bytes were read.

    Raises:
        UsageError: pyarrow is not installed.
    """
    try:
        import pyarrow.lib
        import pyarrow.parquet
    except ImportError as error:
        raise UsageError(
            f"{path} is Parquet, and pyarrow is not installed",
            help_text="pip install 'smecheck[parquet]', or convert it to JSON Lines",
        ) from error
    folder, number = str(PurePath(path).parent), 0
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=_ROWS):
                for row in batch.to_pylist():
                    number += 1
                    yield described(_given(row), f"{path}:{number}", folder)
                watch(batch.nbytes)
    except (pyarrow.lib.ArrowException, OSError) as error:
        reason = str(error).split("\n")[0]
        problem = MalformedInput(
            f"is not a Parquet file that can be read: {reason}",
            where=path,
            help_text="write it again, or convert it to JSON Lines",
        )
        yield Broken(path, problem)


def _given(value: Any) -> Any:
    """Return an object without what is null: a column that a machine does not have."""
    if isinstance(value, dict):
        return {key: _given(item) for key, item in value.items() if item is not None}
    return value
