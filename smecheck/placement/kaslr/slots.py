"""All slots of a boot: the parts of the search put together."""

from __future__ import annotations

from smecheck.evidence import Fact, Known, Unknown
from smecheck.model.early_boot import EarlyBoot
from smecheck.model.kaslr import KaslrRules, SlotArea, Slots
from smecheck.placement.cmdline import has_word
from smecheck.placement.constants import PMD_SIZE
from smecheck.placement.kaslr.avoid import Avoided, avoided_ranges
from smecheck.placement.kaslr.options import early_options, kernel_text
from smecheck.placement.kaslr.regions import searched_regions
from smecheck.placement.kaslr.scan import Search, find_areas
from smecheck.record import record
from smecheck.span import Span, align_up

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
    avoided: tuple[Avoided, ...]
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
    five_levels = isinstance(boot.five_levels, Known) and boot.five_levels.value
    options = early_options(text, rules, five_levels=five_levels)
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
        SlotSearch(Slots(areas, kernel.alignment, size, reason), avoided, minimum, options.limit),
        regions.origin,
    )
