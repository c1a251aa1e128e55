"""The search for slots: regions and avoided ranges in, areas of slots out.

Source: __process_mem_region(), process_gb_huge_pages() and store_slot_info(),
arch/x86/boot/compressed/kaslr.c. Each area is found in one step, however many slots it holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from smecheck.boot.early_boot import EarlyBoot
from smecheck.boot.kaslr.avoid import Avoided, avoided_ranges
from smecheck.boot.kaslr.early_options import early_options, kernel_text
from smecheck.boot.kaslr.regions import searched_regions
from smecheck.boot.kaslr.slots import GiganticRule, KaslrRules, SlotArea, Slots
from smecheck.evidence import Fact, Known, Unknown, value_of
from smecheck.kernel.cmdline import has_word
from smecheck.kernel.constants import PMD_SIZE, PUD_SIZE
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
        if region.size < search.image_size:
            continue
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


_HIGHEST_MINIMUM = 512 << 20
"""choose_random_location(): min_addr = min(*output, 512UL << 20)."""


@record
class KaslrKernel:
    """What of a kernel the search depends on."""

    needed_size: int
    """max(output_len, ``_end`` - ``_text``), not rounded."""
    alignment: int
    """CONFIG_PHYSICAL_ALIGN, kernel_alignment of the setup header."""
    init_size: int


@record
class SlotSearch:
    """A search and what it met."""

    slots: Slots
    minimum: int
    limit: int


def search_slots(
    kernel: KaslrKernel, boot: EarlyBoot, rules: KaslrRules, *, is_on: bool = False
) -> Fact[SlotSearch]:
    """Return every place where choose_random_location() may put the kernel.

    Args:
        kernel: its sizes.
        boot: what the decompressor finds in memory. Ranges to avoid that are not known are taken
            as not there; memory, command line, ``output`` and ``input`` must be known.
        rules: the variant of the search.
        is_on: KASLR is on whatever the command line says.

    Returns:
        The slots, none where the kernel stays at ``output``; or which fact is missing.
    """
    if isinstance(boot.cmdline, Unknown):
        return Unknown(boot.cmdline.reason)
    if isinstance(boot.output, Unknown):
        return Unknown(boot.output.reason)
    if isinstance(boot.input, Unknown):
        return Unknown(boot.input.reason)
    regions = searched_regions(boot, rules)
    if isinstance(regions, Unknown):
        return Unknown(regions.reason)
    text = kernel_text(boot.cmdline.value, rules)
    five_levels = value_of(boot.five_levels) is True
    options = early_options(text, rules, five_levels)
    output = boot.output.value
    decompressor = Span(boot.input.value, max(boot.input.value, output + kernel.init_size))
    avoided = avoided_ranges(decompressor, boot, text, options, rules)
    size = align_up(kernel.needed_size, PMD_SIZE) if rules.rounds_size else kernel.needed_size
    minimum = align_up(min(output, _HIGHEST_MINIMUM), kernel.alignment)
    search = Search(size, kernel.alignment, minimum, options.limit, options.gigantic_pages)
    areas: tuple[SlotArea, ...] = ()
    if has_word(boot.cmdline.value, "nokaslr") and not is_on:
        reason = "nokaslr is on the command line"
    elif options.gives_up:
        reason = "one memmap= has more than four ranges"
    else:
        areas = find_areas(regions.value.spans, avoided, search, rules)
        reason = f"{'found' if areas else 'there is no room'} in {regions.value.origin}"
    return Known(
        SlotSearch(Slots(areas, kernel.alignment, size, reason), minimum, options.limit),
        regions.origin,
    )
