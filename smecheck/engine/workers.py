"""Workers: this process itself, processes beside it, or an executor that somebody gives."""

from __future__ import annotations

import os
import signal
import threading
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from multiprocessing import get_context, parent_process
from typing import Any

_MANY = 64
"""Tasks for an executor that does not say how many it can do at a time."""
_TO_END = 10.0
"""Seconds for processes that were told to end."""


class InThisProcess:
    """Does everything at once, itself."""

    slots = 1

    def submit(self, function: Any, /, *args: Any, **named: Any) -> Future[Any]:
        """Call the function."""
        future: Future[Any] = Future()
        future.set_result(function(*args, **named))
        return future

    def restart(self) -> bool:
        """Nobody died."""
        return False


class Processes:
    """Processes of this machine, which are replaced when one dies."""

    def __init__(self, count: int) -> None:
        self._count = count
        self.slots = 2 * count
        """Each has a task to go on with."""
        self._pool = self._started()

    def _started(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(
            self._count, mp_context=get_context("spawn"), initializer=_begin_to_work
        )

    def submit(self, function: Any, /, *args: Any, **named: Any) -> Future[Any]:
        """Have the function called in one of them."""
        return self._pool.submit(function, *args, **named)

    def restart(self) -> bool:
        """Start new ones."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._pool = self._started()
        return True

    def stop(self) -> None:
        """End them, in whatever they are."""
        processes = list((getattr(self._pool, "_processes", None) or {}).values())
        manager = getattr(self._pool, "_executor_manager_thread", None)
        self._pool.shutdown(wait=False, cancel_futures=True)
        for process in processes:
            process.terminate()
        if manager is not None:
            # Python wakes it at exit, and complains if it closes what it is woken by just then.
            manager.join(_TO_END)


class Given:
    """An executor of somebody else, who also ends it."""

    def __init__(self, executor: Executor, slots: int | None = None) -> None:
        """Take an executor.

        Args:
            executor: of concurrent.futures, or one that is like these.
            slots: the tasks that it is given at a time, where that is known.
        """
        self._executor = executor
        workers = getattr(executor, "_max_workers", None)
        self.slots = slots or (2 * workers if isinstance(workers, int) else _MANY)

    def submit(self, function: Any, /, *args: Any, **named: Any) -> Future[Any]:
        """Have it call the function."""
        return self._executor.submit(function, *args, **named)

    def restart(self) -> bool:
        """It is not ours to replace."""
        return False


def usable_cores() -> int:
    """Return how many processes can run at a time."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _begin_to_work() -> None:
    """Leave interrupts to the parent, and end when it does, however it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
