"""Where the workarea lies: its extents, who owns it, and the derivation of each number."""

from __future__ import annotations

from enum import Enum

from smecheck.evidence import Fact, Step
from smecheck.kernel.image import Scheme
from smecheck.record import record
from smecheck.span import Span, SpanSet


class Owner(Enum):
    """To whom the memory of the workarea belongs."""

    KERNEL_SEGMENT = "kernel-segment"
    """The segment that holds the kernel covers it."""
    INIT_SIZE = "init-size"
    """The header's init_size covers it, so every loader reserves it."""
    NOBODY = "nobody"
    UNKNOWN = "unknown"


@record
class Extents:
    """The four extents of a workarea. Addresses are physical, or offsets from ``_text``."""

    in_place: Span
    """From ``_end`` to the next 2 MiB boundary: encrypted in place with the kernel."""
    start: int
    written_end: int
    """End of what is certainly written."""
    worst_end: int
    """End of the most that can be written: start plus the length that the kernel computes."""
    mapped_end: int
    """End of what is mapped decrypted; a multiple of 2 MiB."""

    @property
    def written(self) -> Span:
        """What is certainly written."""
        return Span(self.start, self.written_end)

    @property
    def worst(self) -> Span:
        """The most that can be written."""
        return Span(self.start, self.worst_end)

    @property
    def mapped(self) -> Span:
        """What is mapped decrypted."""
        return Span(self.start, self.mapped_end)

    def moved(self, distance: int) -> Extents:
        """Return the extents ``distance`` bytes further up."""
        return Extents(
            self.in_place.moved(distance),
            self.start + distance,
            self.written_end + distance,
            self.worst_end + distance,
            self.mapped_end + distance,
        )


@record
class TablesAtEntry:
    """Whether the page tables at entry let the workarea be mapped."""

    added: Fact[int]
    """Tables that mapping it takes out of the workarea, each one page that is written."""
    unreached: SpanSet
    """What the kernel faults on; empty where it does not, or where that is not known."""
    condition: str | None
    """What it takes for that fault; ``None`` where it is certain."""
    tables: str
    """Which tables, or why they reach it."""


@record
class Placement:
    """The workarea under one scheme."""

    scheme: Scheme
    actual: bool
    """Whether it is the scheme of this kernel, rather than the hypothetical one."""
    extents: Extents | None
    """Physical; ``None`` where the place of the kernel is not known."""
    offsets: Extents | None
    """The same relative to ``_text``; ``None`` where not even that is known."""
    written_is_exact: bool
    """Whether nothing after ``written_end`` is written; otherwise it is a floor."""
    reason: str
    """Why it is undetermined or hypothetical, or how exact it is."""
    owner: Owner
    owner_reason: str
    derivation: tuple[Step, ...]
    tables: TablesAtEntry | None = None
    """Of the page tables at entry; ``None`` where the place of the kernel is not known."""
