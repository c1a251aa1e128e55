"""The segments of a load that were placed so far, shared by all loads that begin alike.

What-if loads differ in one fact. Until it counts, each places the same segments into the same
memory, so they are placed once, and these are the same objects.
"""

from __future__ import annotations

from collections.abc import Callable

from smecheck.kernel.constants import PAGE_SIZE
from smecheck.load.request import ADDRESSES
from smecheck.load.segments import Segment, SegmentRole
from smecheck.record import record
from smecheck.remembered import remembered


@record
class Buffer:
    """Content for which a loader looks for a place."""

    role: SegmentRole
    content: int | None
    """Bytes of content; ``None`` where that is not known."""
    size: int
    """Bytes to keep for it, before they are rounded up to pages."""
    source: str
    """Where size and limits come from."""
    alignment: int = PAGE_SIZE
    lowest: int = 0
    end: int = ADDRESSES.end
    from_top: bool = True


class Placed:
    """Segments in the order in which they were added, and what was ever added after them."""

    __slots__ = ("_further", "segments")

    def __init__(self, segments: tuple[Segment, ...] = ()) -> None:
        self.segments = segments
        self._further: dict[Buffer, Placed] = {}

    def further(self, buffer: Buffer, place: Callable[[Buffer], Segment]) -> Placed:
        """Return these segments and that of a buffer, placed unless that was done before.

        Args:
            buffer: what comes next.
            place: finds its place after these segments; what it raises is raised every time.
        """
        found = self._further.get(buffer)
        if found is None:
            found = self._further[buffer] = Placed((*self.segments, place(buffer)))
        return found


@remembered
def nothing_placed(*_decided_by: object) -> Placed:
    """Return the beginning of all loads for which everything is the same that decides a place."""
    return Placed()
