"""Where two memory maps of one machine differ in what is RAM."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from itertools import accumulate

from smecheck.machine.memory import SYSTEM_RAM, MemoryMap, Region
from smecheck.record import record
from smecheck.span import Span, SpanSet

_LIMIT = 4
"""Places shown of each kind of difference."""


@record
class Difference:
    """A span that one map calls RAM and the other one does not."""

    span: Span
    ram: Region
    """The region of the map that calls it RAM."""
    other: Region | None
    """What the other map calls it; ``None`` where it has nothing there."""
    more: int
    """How many further places of this kind are not shown one by one."""


def ram_without(one: MemoryMap, other: MemoryMap) -> Iterator[Difference]:
    """Yield what ``one`` calls RAM and ``other`` does not, the first few places of each kind.

    Memory that was added to a running machine ("System RAM (kmem)") is in no firmware's map, and
    does not count. What lies inside System RAM and is claimed by firmware, or a RAM buffer, counts
    as RAM of the other map: it differs in who uses it.
    """
    ram = SpanSet(region.span for region in one.named(SYSTEM_RAM)) & one.system_ram
    not_ram = ram - _all_ram(other) - other.ram_buffer
    named: list[tuple[Span, Region]] = []
    nameless: list[Span] = []
    # Regions ascend by their starts; how far the ones up to each of them reach ascends as well.
    starts = [region.span.start for region in other.regions]
    reached = list(accumulate((region.span.end for region in other.regions), max))
    for span in not_ram:
        here: list[tuple[Span, Region]] = []
        near = slice(bisect_right(reached, span.start), bisect_left(starts, span.end))
        for region in other.regions[near]:
            met = region.span & span
            if (
                met
                and not region.name.startswith(SYSTEM_RAM)
                and other.innermost(met.start) == region
            ):
                here.append((met, region))
        nameless += SpanSet([span]) - SpanSet(met for met, _ in here)
        named += here
    for index, (span, region) in enumerate(named[:_LIMIT]):
        yield _difference(one, span, region, _more(named, index))
    # In a piece of a map, what is not there says nothing.
    if other.complete:
        for index, span in enumerate(nameless[:_LIMIT]):
            yield _difference(one, span, None, _more(nameless, index))


def _all_ram(memory: MemoryMap) -> SpanSet:
    return SpanSet(region.span for region in memory.regions if region.name.startswith(SYSTEM_RAM))


def _difference(one: MemoryMap, span: Span, other: Region | None, more: int) -> Difference:
    holders = (region for region in one.named(SYSTEM_RAM) if span.start in region.span)
    ram = next(holders, Region(SYSTEM_RAM, span, 0, 0))
    return Difference(span, ram, other, more)


def _more(found: list[tuple[Span, Region]] | list[Span], index: int) -> int:
    return len(found) - _LIMIT if index == _LIMIT - 1 and len(found) > _LIMIT else 0
