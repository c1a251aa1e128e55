"""A process of its own for what may end badly: whatever an emulated program does to the emulator.

An emulator is a large C program that is fed code from a file that anybody may have written. In a
child process, a crash of it is an answer rather than the end of smecheck, and so is code that makes
it spin: the child has a limit of CPU time. What the child has found until then is kept.
"""

from __future__ import annotations

import gc
import os
import pickle
import signal
from typing import TYPE_CHECKING, NoReturn, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T = TypeVar("T")

CPU_SECONDS = 60
"""The matrix of a real kernel takes two or three."""


class ChildEnded(Exception):
    """The child ended before it was done; the message says why, as a clause."""


class _Done:
    """The last that a child sends."""


def in_child(items: Callable[[], Iterator[T]], *, cpu_seconds: int = CPU_SECONDS) -> Iterator[T]:
    """Yield what ``items`` yields in a child process, as it comes.

    Where processes cannot be forked, they come from this one.

    Raises:
        ChildEnded: the child crashed, or took too long.
        Exception: whatever ``items`` raised there.
    """
    if not hasattr(os, "fork"):
        yield from items()
        return
    receiving, sending = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(receiving)
        _work(items, sending, cpu_seconds)
    os.close(sending)
    is_done = is_abandoned = False
    try:
        with os.fdopen(receiving, "rb") as stream:
            while not is_done:
                try:
                    item = pickle.load(stream)  # noqa: S301 - from our own child
                except (EOFError, pickle.UnpicklingError):
                    break  # it ended, perhaps in the middle of an item
                if isinstance(item, Exception):
                    raise item
                is_done = isinstance(item, _Done)
                if not is_done:
                    yield item
    except BaseException:
        is_abandoned = True
        raise
    finally:
        if is_abandoned:
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
    if not is_done:
        raise ChildEnded(_why(status, cpu_seconds))


def _work(items: Callable[[], Iterator[T]], sending: int, cpu_seconds: int) -> NoReturn:
    """Do the work of the child, and end it without what the parent does at its end."""
    try:
        gc.freeze()  # what the parent has is not looked at again
        _limit_cpu(cpu_seconds)
        with os.fdopen(sending, "wb") as stream:
            try:
                for item in items():
                    pickle.dump(item, stream)
                    stream.flush()
                pickle.dump(_Done(), stream)
            except Exception as error:
                pickle.dump(error, stream)
    finally:
        os._exit(0)


def _limit_cpu(seconds: int) -> None:
    import resource  # not everywhere where Python is

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))


def _why(status: int, cpu_seconds: int) -> str:
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        if number in (signal.SIGXCPU, signal.SIGKILL):
            return f"the emulator took more than {cpu_seconds} s of CPU time, or was killed"
        return f"the emulator crashed ({signal.Signals(number).name})"
    return "the emulator ended without a message"
