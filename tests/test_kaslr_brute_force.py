"""The search for slots, against a simulation that walks from slot to slot and knows no algebra."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from itertools import pairwise
from random import Random

import pytest

from smecheck.boot.kaslr.avoid import Avoided
from smecheck.boot.kaslr.search import Search, find_areas
from smecheck.boot.kaslr.slots import GiganticRule, KaslrRules, LimitRule, SlotArea
from smecheck.record import record
from smecheck.span import Span

MIB, GIB = 1 << 20, 1 << 30
MACHINES = 4000
"""In each of the two generations: the same in every run, since each is made of its number."""


def variant(*, since_v5_10: bool) -> KaslrRules:
    return KaslrRules(
        rounds_size=since_v5_10,
        keeps_exact_gap=since_v5_10,
        limit=LimitRule.LOWEST if since_v5_10 else LimitRule.LAST,
        gigantic=GiganticRule.SKIPS_ALL if since_v5_10 else GiganticRule.KEEPS_LAST,
        avoids_indirect=since_v5_10,
        reads_fake_mem=False,
        cuts_command_line=since_v5_10,
        wide_counts=since_v5_10,
        reads_efi=True,
        skips_soft_reserved=False,
        takes_unaccepted=False,
        filters_srat=False,
        reads_handover=False,
        srat_capacity=0,
    )


@record
class Machine:
    regions: tuple[Span, ...]
    avoided: tuple[Span, ...]
    search: Search


def machine(number: int) -> Machine:
    """Make a machine of up to 64 GiB, its ranges close to what decides."""
    random = Random(number)  # noqa: S311 - no secret
    one_of, up_to = random.choice, random.randint
    alignment = one_of([2 * MIB, 2 * MIB, 16 * MIB])
    image_size = up_to(3, 40) * MIB + one_of([0, 0, 0x1000, 0x3A0])
    edges = [0, 0, 1, 0x1000, MIB, image_size, alignment, -1 & 0xFFF]
    position = one_of([0, 1, up_to(0, 64)]) * MIB
    regions = []
    for _ in range(up_to(1, 8)):
        start = position + one_of(edges)
        size = one_of([up_to(0, 12) * GIB, up_to(1, 200) * MIB, image_size]) + one_of(edges)
        if start + size > 64 * GIB:
            break
        regions.append(Span.sized(start, size))
        position = -(-(start + size) // MIB) * MIB + up_to(0, 3) * 512 * MIB
    highest = max((region.end for region in regions), default=GIB)
    avoided: list[Span] = []
    for _ in range(up_to(0, 8)):
        start = up_to(0, highest // MIB) * MIB + one_of(edges)
        if one_of([True, False]) and avoided:
            start = avoided[-1].end + image_size + one_of([0, 0, 1, alignment])
        size = one_of([0, one_of(edges), up_to(0, 3000) * MIB])
        avoided.append(Span.sized(start, size))
    limit = one_of([1 << 46, 1 << 46, 3 * GIB, 5 * GIB + 0x1000])
    minimum = one_of([0, up_to(0, 32)]) * 16 * MIB
    gigantic = one_of([0, 0, 0, 1, 2, 5, 100])
    search = Search(image_size, alignment, minimum, limit, gigantic)
    return Machine(tuple(regions), tuple(avoided), search)


def walked(machine: Machine, *, since_v5_10: bool) -> list[SlotArea]:
    """Find the areas slot by slot."""
    search, size, step = machine.search, machine.search.image_size, machine.search.alignment
    gigantic = search.gigantic_pages
    areas: list[SlotArea] = []
    for region in machine.regions:
        end = min(region.end, search.limit)
        lowest = max(region.start, search.minimum)
        first = lowest + -lowest % step
        slots = range(first, max(first, end - size + 1), step)
        blocked = bytearray(len(slots))  # one byte for each slot
        for item in machine.avoided:
            # Overlap; for an item of no length: it lies strictly inside.
            for number in range(
                bisect_right(slots, item.start - size), bisect_left(slots, item.end)
            ):
                blocked[number] = 1
        for run in runs(blocked, slots, machine.avoided):
            piece_end = min([i.start for i in machine.avoided if i.start > run[-1]] + [end])
            exact = piece_end == run[0] + size and piece_end != end
            if exact and not since_v5_10:
                continue
            reserved = whole_gibs(run[0], piece_end, since_v5_10=since_v5_10)[:gigantic]
            if len(areas) == 100:
                return areas
            gigantic -= len(reserved)
            if reserved:
                head = [x for x in run if x + size <= reserved[0]]
                halves = [head, on_grid(reserved[-1] + GIB, piece_end, size, step)]
            else:
                halves = [run]
            areas += [SlotArea(half[0], len(half)) for half in halves if half]
            areas = areas[:100]
    return areas


def runs(blocked: bytearray, slots: range, avoided: tuple[Span, ...]) -> Iterator[range]:
    """Yield the slots between avoided ranges, also between those that lie between two slots."""
    behind = {bisect_left(slots, item.end) for item in avoided}
    for free in re.finditer(b"\0+", blocked):
        inside = sorted(number for number in behind if free.start() < number < free.end())
        for start, end in pairwise([free.start(), *inside, free.end()]):
            yield slots[start:end]


def whole_gibs(start: int, end: int, *, since_v5_10: bool) -> list[int]:
    """Return the whole GiBs of a piece that gigantic pages may take; before v5.10, not the last."""
    found = [gib for gib in range(0, 65 * GIB, GIB) if gib >= start and gib + GIB <= end]
    return found if since_v5_10 else [gib for gib in found if gib + GIB < end]


def on_grid(start: int, end: int, size: int, step: int) -> range:
    return range(start, end - size + 1, step)


@pytest.mark.parametrize("since_v5_10", [False, True], ids=["v5.0", "6.12"])
def test_algebra_agrees_with_a_walk(since_v5_10: bool) -> None:
    seen = []
    rules = variant(since_v5_10=since_v5_10)
    for number in range(MACHINES):
        asked = machine(number)
        avoided = tuple(Avoided("a", span) for span in sorted(asked.avoided))
        found = find_areas(asked.regions, avoided, asked.search, rules)
        expected = walked(asked, since_v5_10=since_v5_10)
        assert list(found) == expected, f"machine {number}: {asked}"
        seen.append(len(expected))
    assert sum(count > 1 for count in seen) > MACHINES // 4, "most machines decided nothing"


@pytest.mark.parametrize("since_v5_10", [False, True], ids=["v5.0", "6.12"])
def test_no_more_than_a_hundred_areas(since_v5_10: bool) -> None:
    regions = tuple(Span.sized(number * 64 * MIB, 40 * MIB) for number in range(1, 140))
    search = Search(8 * MIB, 2 * MIB, 16 * MIB, 1 << 46, 0)
    found = find_areas(regions, (), search, variant(since_v5_10=since_v5_10))
    assert len(found) == 100
    assert list(found) == walked(Machine(regions, (), search), since_v5_10=since_v5_10)
