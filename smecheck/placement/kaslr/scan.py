"""The search for slots: regions and avoided ranges in, areas of slots out.

Source: __process_mem_region(), process_gb_huge_pages() and store_slot_info(),
arch/x86/boot/compressed/kaslr.c. Each area is found in one step, however many slots it holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from smecheck.model.kaslr import GiganticRule, KaslrRules, SlotArea
from smecheck.placement.constants import PUD_SIZE
from smecheck.placement.kaslr.avoid import Avoided
from smecheck.record import record
from smecheck.span import Span, align_down, align_up

MOST_AREAS = 100
"""MAX_SLOT_AREA, kaslr.c: then the search ends."""

_NARROW = 1 << 32


@record
class Search:
    """What the search is for."""

    image_size: int
    alignment: int
    minimum: int
    """No slot is below it."""
    limit: int
    """No slot reaches above it."""
    gigantic_pages: int


def find_areas(
    regions: Iterable[Span], avoided: tuple[Avoided, ...], search: Search, rules: KaslrRules
) -> tuple[SlotArea, ...]:
    """Return the areas of slots, in the order in which the decompressor finds them."""
    scan = _Scan(search, rules)
    for region in regions:
        scan.look_into(region, avoided)
        if scan.is_full:
            break
    return tuple(scan.areas)


class _Scan:
    def __init__(self, search: Search, rules: KaslrRules) -> None:
        self._search = search
        self._rules = rules
        self._gigantic = search.gigantic_pages
        self.areas: list[SlotArea] = []

    @property
    def is_full(self) -> bool:
        return len(self.areas) == MOST_AREAS

    def look_into(self, region: Span, avoided: tuple[Avoided, ...]) -> None:
        size = self._search.image_size
        for gap, ends_at_avoided in self._gaps(region, avoided):
            # v4.14 to v5.9: overlap.start > region.start + image_size; since v5.10 it is >=.
            if gap.size > size or (
                gap.size == size and (self._rules.keeps_exact_gap or not ends_at_avoided)
            ):
                self._put(gap)

    def _gaps(self, region: Span, avoided: tuple[Avoided, ...]) -> Iterator[tuple[Span, bool]]:
        """Yield what lies between the avoided ranges, and whether one of them ends it."""
        start = max(region.start, self._search.minimum)
        end = min(region.end, self._search.limit)
        while not self.is_full:
            start = align_up(start, self._search.alignment)
            if start > end or end - start < self._search.image_size:
                return
            first = next(
                (item.span for item in avoided if item.span.start < end and item.span.end > start),
                None,
            )
            if first is None:
                yield Span(start, end), False
                return
            if first.start > start:
                yield Span(start, first.start), True
            start = first.end

    def _put(self, gap: Span) -> None:
        skipped = self._gigantic_in(gap)
        if not skipped:
            self._store(gap)
            return
        self._gigantic -= skipped.size // PUD_SIZE
        for rest in (Span(gap.start, skipped.start), Span(skipped.end, gap.end)):
            if rest.size >= self._search.image_size:
                self._store(rest)

    def _gigantic_in(self, gap: Span) -> Span:
        """Return the whole GiBs that are left to gigantic pages."""
        start = align_up(gap.start, PUD_SIZE)
        if start >= gap.end:
            return Span(start, start)
        whole = (
            (align_down(gap.end, PUD_SIZE) - start) // PUD_SIZE
            if self._rules.gigantic is GiganticRule.SKIPS_ALL
            else (gap.end - start - 1) // PUD_SIZE
        )
        return Span.sized(start, min(self._gigantic, whole) * PUD_SIZE)

    def _store(self, gap: Span) -> None:
        if self.is_full:
            return
        count = 1 + (gap.size - self._search.image_size) // self._search.alignment
        if not self._rules.wide_counts:
            # int num, v4.14 to v5.9: a count that looks negative is not stored.
            count %= _NARROW
            if not 0 < count < _NARROW // 2:
                return
        self.areas.append(SlotArea(gap.start, count))
