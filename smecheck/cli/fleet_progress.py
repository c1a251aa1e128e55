"""How far a fleet has come: a bar on a terminal, a line a minute anywhere else."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from smecheck.cli.output import STDOUT

if TYPE_CHECKING:
    from smecheck.engine.run import Tally

_AFTER = 1.0
"""Seconds until a bar is shown."""
_EVERY = 0.2
_LINE_EVERY = 60.0


class FleetProgress:
    """Shows rate and time left on standard error."""

    def __init__(self, paths: Iterable[str], tally: Tally, before: int, *, quiet: bool) -> None:
        """Begin.

        Args:
            paths: what is read.
            tally: what is done, as it grows.
            before: machines that an earlier run has done.
            quiet: show nothing.
        """
        self._tally, self._before = tally, before
        self._total = _size_of(paths)
        self.bytes_read = 0
        self._begun = time.monotonic()
        self._is_terminal = sys.stderr is not None and sys.stderr.isatty()
        self._next = self._begun + (_AFTER if self._is_terminal else _LINE_EVERY)
        self._is_quiet = quiet or sys.stderr is None
        self._bar: Any = None

    def update(self) -> None:
        """Show how far it has come, if it is time to."""
        now = time.monotonic()
        if self._is_quiet or now < self._next:
            return
        if self._is_terminal:
            self._next = now + _EVERY
            self._draw()
        else:
            self._next = now + _LINE_EVERY
            sys.stderr.write(f"smecheck: {self._text(now)}\n")
            sys.stderr.flush()

    def clear(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _draw(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn

        if self._bar is None:
            self._bar = Progress(
                TextColumn("{task.description}", markup=False),
                BarColumn(),
                console=Console(stderr=True),
                transient=True,
            )
            self._task = self._bar.add_task("", total=self._total)
            self._bar.start()
        self._bar.update(
            self._task, completed=self.bytes_read, description=self._text(time.monotonic())
        )

    def _text(self, now: float) -> str:
        done, elapsed = self._tally.machines, max(now - self._begun, 1e-3)
        parts = [f"{self._before + done:,} machines", f"{done / elapsed:,.0f}/s"]
        if done:
            parts.append(f"{100 * self._tally.shared // done}% like another")
        if self._tally.restarts:
            parts.append(f"workers replaced {self._tally.restarts}x")
        if self._total and self.bytes_read:
            # What was read, and not yet answered, is still to do.
            share = self.bytes_read / self._total * done / max(self._tally.read, 1)
            if share > 0:
                parts.append(f"{_duration(elapsed * (1 / share - 1))} left")
        return ", ".join(parts)


def _size_of(paths: Iterable[str]) -> int | None:
    """Return the bytes of what is to be read; ``None`` where that is not known."""
    total = 0
    for path in paths:
        if path == STDOUT or not os.path.isfile(path):  # noqa: PTH113 - a str is what users give
            return None
        total += os.stat(path).st_size  # noqa: PTH116
    return total


def _duration(seconds: float) -> str:
    minutes = round(max(seconds, 0) / 60)
    if minutes < 1:
        return "less than a minute"
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"
