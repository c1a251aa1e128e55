"""Two builds held against each other."""

from __future__ import annotations

from enum import Enum

from smecheck.builds.build_facts import BuildFacts, KeptFinding
from smecheck.builds.gate_report import GateRow, RowOutcome
from smecheck.checks.tolerance import Tolerance
from smecheck.record import record


class Kind(Enum):
    """What the values of a row are, and so how they are printed."""

    TEXT = "text"
    OFFSET = "offset"
    """A distance from ``_text``."""
    ADDRESS = "address"
    SIZE = "size"


@record
class Change:
    """One fact of both builds."""

    name: str
    kind: Kind
    old: str | int | None
    """``None`` where it is not known, or there is none."""
    new: str | int | None
    note: str = ""
    """What there is to say of it."""

    @property
    def delta(self) -> int | None:
        """By how much it moved; ``None`` where that cannot be said."""
        if isinstance(self.old, int) and isinstance(self.new, int):
            return self.new - self.old
        return None

    @property
    def is_change(self) -> bool:
        """Whether the builds differ in it."""
        return self.old != self.new


@record
class Comparison:
    """The whole answer."""

    old: BuildFacts
    new: BuildFacts
    headline: str
    changes: tuple[Change, ...]
    """Every fact that is compared, whether it changed or not."""
    appeared: tuple[KeptFinding, ...]
    """Findings that only the new build has."""
    vanished: tuple[KeptFinding, ...]
    """Findings that only the old build has."""
    rows: tuple[GateRow, ...]
    """What the new build was held against: the old one's verdict, and thresholds."""

    def fails(self, row: GateRow, tolerance: Tolerance) -> bool:
        """Return whether the row makes the exit status one of failure, or of no answer."""
        if row.outcome is RowOutcome.FAILED:
            return row.severity is None or row.severity.rank <= tolerance.fail_on.rank
        return row.outcome is RowOutcome.UNDECIDED and not tolerance.allow_undecided
