"""The summary of a fleet's rows: verdicts, classes, what changes from kernel to kernel.

A summary is a fold over rows, machine by machine, so that it can be made of rows that were written
by an earlier run as well.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from smecheck.errors import ExitCode
from smecheck.fleets.classes import reason_of
from smecheck.fleets.row import Answer, Row, RowError, Traits
from smecheck.quantity import short_size_text

ERROR = "error"
"""What stands for the verdict of a machine that could not be analyzed."""
VERDICTS = ("collision", "undecided", "clear", "not-applicable", ERROR)
"""In the order in which they are shown: the worst first, then what could not be analyzed."""
_PRECEDENCE = (*(ExitCode.BUG, ExitCode.INPUT, ExitCode.FINDINGS, ExitCode.UNDECIDED, ExitCode.OK),)
_BADNESS = {"not-applicable": 0, "clear": 0, "undecided": 1, ERROR: 2, "collision": 3}
_NAMED = 4
"""Different reservations, loaders, paths that are named one by one."""
_ERRORS_SHOWN = 5


class Shared:
    """What several machines are like: what all have, and from where to where they differ."""

    def __init__(self) -> None:
        self.count = 0
        self.example = ""
        self.ram: tuple[int, int] | None = None
        """Bytes: the least and the most."""
        self.ranges: tuple[int, int] | None = None
        self.reservations: dict[str, None] = {}
        """By place; by size, where there are more places than can be named."""
        self.reserved_sizes: dict[str, None] = {}
        self.loaders: dict[str, None] = {}
        self.paths: dict[str, None] = {}

    def add(self, machine: str, traits: Traits | None) -> None:
        """Count a machine in."""
        if not self.count:
            self.example = machine
        self.count += 1
        if traits is None:
            return
        self.ram = _widened(self.ram, traits.ram)
        self.ranges = _widened(self.ranges, traits.ranges)
        spans = traits.reservation
        places = ", ".join(f"{short_size_text(s.size)} at {s.start:#x}" for s in spans)
        _note(self.reservations, places or "none")
        sizes = ", ".join(short_size_text(span.size) for span in spans)
        _note(self.reserved_sizes, sizes or "none")
        _note(self.loaders, traits.loader or "not known")
        _note(self.paths, traits.path)

    @staticmethod
    def names(found: dict[str, None]) -> tuple[str, ...] | None:
        """Return what was found, or ``None`` where it is too much to name."""
        return tuple(found) if len(found) <= _NAMED else None


def _widened(known: tuple[int, int] | None, value: int | None) -> tuple[int, int] | None:
    if value is None:
        return known
    return (value, value) if known is None else (min(known[0], value), max(known[1], value))


def _note(found: dict[str, None], value: str) -> None:
    if len(found) <= _NAMED:
        found[value] = None


class FleetClass:
    """Machines whose answer is the same for the same reason."""

    def __init__(self, row: Row) -> None:
        answer = row.answer
        self.kernel = row.kernel
        self.id = answer.class_id or ""
        self.verdict = answer.verdict or ERROR
        self.basis = answer.basis or ""
        self.headline = answer.headline or ""
        """Of the example; the others may differ in numbers."""
        self.rules = answer.rules
        self.machines = Shared()

    @property
    def reason(self) -> str:
        """The headline, without its numbers where there are several machines."""
        return self.headline if self.machines.count == 1 else reason_of(self.headline)


class Change:
    """Machines whose verdict is another with one kernel than with another."""

    def __init__(self, before: str, after: str) -> None:
        self.before = before
        self.after = after
        self.machines = Shared()

    @property
    def is_worse(self) -> bool:
        """Whether the machines lose by it."""
        return _BADNESS[self.after] > _BADNESS[self.before]

    @property
    def is_better(self) -> bool:
        """Whether they gain by it."""
        return _BADNESS[self.after] < _BADNESS[self.before]


class Comparison:
    """What changes from the first kernel to another one."""

    def __init__(self, old: str, new: str) -> None:
        self.old = old
        self.new = new
        self.same = 0
        self.changes: dict[tuple[str, str], Change] = {}

    def add(self, machine: str, before: Answer, after: Answer) -> None:
        """Count a machine in."""
        was, becomes = before.verdict or ERROR, after.verdict or ERROR
        if was == becomes:
            self.same += 1
            return
        change = self.changes.setdefault((was, becomes), Change(was, becomes))
        change.machines.add(machine, after.traits or before.traits)

    @property
    def ordered(self) -> list[Change]:
        """The changes: what gets worse first, of these the most machines first."""
        return sorted(
            self.changes.values(),
            key=lambda one: (not one.is_worse, one.is_better, -one.machines.count, one.before),
        )


class Summary:
    """The summary of all rows."""

    def __init__(self, kernels: Iterable[str]) -> None:
        """Begin with no machine; ``kernels`` are in the order in which they were named."""
        self.kernels = tuple(kernels)
        self.machines = 0
        self.verdicts: dict[str, Counter[str]] = {kernel: Counter() for kernel in self.kernels}
        self.worst: Counter[str] = Counter()
        """Of each machine, the worst verdict that it has with any kernel."""
        self.errors: Counter[str] = Counter()
        """Messages for machines that could not be analyzed, without where."""
        self.examples: dict[str, tuple[str, RowError]] = {}
        """For the first few of them, a machine, and its error."""
        self.comparisons = tuple(Comparison(self.kernels[0], other) for other in self.kernels[1:])
        self._classes: dict[tuple[str, str], FleetClass] = {}
        self._statuses: set[int] = set()

    def add(self, rows: Iterable[Row]) -> None:
        """Count in the rows of one machine, one for each kernel in order."""
        rows = tuple(rows)
        self.machines += 1
        verdicts = {row.answer.verdict or ERROR for row in rows}
        found = [one for one in VERDICTS if one in verdicts]
        self.worst.update([max(found, key=_BADNESS.__getitem__)])
        for row in rows:
            self._statuses.add(row.answer.exit_code)
            self.verdicts[row.kernel][row.answer.verdict or ERROR] += 1
            if row.answer.error is not None:
                continue
            key = row.kernel, row.answer.class_id or ""
            known = self._classes.get(key)
            if known is None:
                known = self._classes[key] = FleetClass(row)
            known.machines.add(row.machine, row.answer.traits)
        failed = next((row for row in rows if row.answer.error is not None), None)
        if failed is not None and failed.answer.error is not None:
            self.errors[failed.answer.error.message] += 1
            if len(self.examples) < _ERRORS_SHOWN:
                example = failed.machine, failed.answer.error
                self.examples.setdefault(failed.answer.error.message, example)
        for comparison, row in zip(self.comparisons, rows[1:], strict=True):
            comparison.add(row.machine, rows[0].answer, row.answer)

    def classes(self, kernel: str) -> list[FleetClass]:
        """Return the classes of a kernel: the worst verdict first, of these the largest first."""
        found = [one for one in self._classes.values() if one.kernel == kernel]
        return sorted(
            found, key=lambda one: (VERDICTS.index(one.verdict), -one.machines.count, one.id)
        )

    @property
    def status(self) -> ExitCode:
        """The exit status of all rows: the first of 70, 3, 1, 4, 0 that one of them has."""
        return next((code for code in _PRECEDENCE if code in self._statuses), ExitCode.OK)
