"""A Dask cluster as the one who does the work."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from typing import Any

from smecheck.engine.workers import Given
from smecheck.errors import EngineError, UsageError

_TIMEOUT = "10s"
"""For a scheduler that does not answer."""


@contextlib.contextmanager
def dask_cluster(address: str) -> Iterator[Given]:
    """Connect to a cluster.

    Args:
        address: of its scheduler: ``tcp://scheduler:8786``.

    Raises:
        UsageError: Dask is not installed.
        EngineError: the scheduler does not answer.
    """
    try:
        import distributed
    except ImportError as error:
        raise UsageError(
            "--dask needs Dask, which is not installed",
            help_text="pip install 'smecheck[fleet]', here and on every worker",
        ) from error
    # What it would say of a scheduler that goes away, with a traceback, is said in a line here.
    logging.disable()
    made: Any = distributed.Client  # it is typed in part
    try:
        client = made(address, timeout=_TIMEOUT, set_as_default=False)
    except (OSError, ValueError) as error:
        raise EngineError(
            f"no Dask scheduler answers at {address}: {error}",
            help_text="dask scheduler prints its address when it starts",
        ) from error
    try:
        executor = client.get_executor(pure=False)
        yield Given(executor, slots=2 * max(1, sum(client.nthreads().values())))
    finally:
        client.close(timeout=2)
