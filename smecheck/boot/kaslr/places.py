"""All places where KASLR may put this kernel in this boot, for every variant that it may have."""

from __future__ import annotations

from collections.abc import Iterator

from smecheck.boot.boot import UnpackRules
from smecheck.boot.early_boot import EFI_STUB_LOADER_TYPE, KEXEC_LOADER_TYPE, EarlyBoot
from smecheck.boot.kaslr.payload import payload_place
from smecheck.boot.kaslr.search import KaslrKernel, SlotSearch, search_slots
from smecheck.boot.kaslr.slots import KaslrRules, Slots
from smecheck.boot.kaslr.variants import kaslr_variants
from smecheck.evidence import Fact, Known, Unknown
from smecheck.kernel.facts import KernelFacts
from smecheck.kernel.image import KernelImage
from smecheck.quantity import size_text
from smecheck.record import field_names, record, replace


@record
class Places:
    """The slots of one boot: the likeliest variant's, and what others make of it."""

    search: SlotSearch
    alternatives: tuple[tuple[str, SlotSearch], ...]
    """What other variants or bounds find, each with what it is; only where it differs."""
    bounds: tuple[str, ...]
    """What is not known that could only take slots away."""
    premises: tuple[str, ...]
    """What was assumed."""
    boot: EarlyBoot

    @property
    def slots(self) -> Slots:
        """The slots."""
        return self.search.slots


def possible_places(
    image: KernelImage,
    facts: KernelFacts,
    unpack: UnpackRules,
    boot: EarlyBoot,
    *,
    is_on: bool = False,
) -> Fact[Places]:
    """Return where KASLR may put the kernel, or which fact is missing.

    Args:
        image: the kernel, with its setup header.
        facts: what it is.
        unpack: its alignment.
        boot: what the decompressor finds; ``output`` must be known, ``input`` is worked out.
        is_on: KASLR is on whatever the command line says.
    """
    sizes = _sizes(image, facts, unpack)
    if isinstance(sizes, Unknown):
        return Unknown(sizes.reason)
    variants = kaslr_variants(image, facts)
    bounds = list(_bounds(boot, variants.rules[0]))
    premises: list[str] = []
    if isinstance(boot.cmdline, Unknown):
        bounds.append(f"the command line is not known ({boot.cmdline.reason})")
        boot = replace(boot, cmdline=Known("", "assumed"))
    if isinstance(boot.five_levels, Unknown):
        boot = replace(boot, five_levels=Known(True, "the limit is the higher one"))
    boots = list(_with_input(image, facts, boot, premises))
    if not boots:
        return Unknown(premises[0])
    found: list[tuple[str, SlotSearch]] = []
    for rules in variants.rules:
        for where, candidate in boots:
            search = search_slots(sizes.value, candidate, rules, is_on=is_on)
            if isinstance(search, Unknown):
                return search
            same = any(search.value.slots.areas == other.slots.areas for _, other in found)
            if not same:
                found.append((_named(rules, variants.rules[0], where), search.value))
    if boot.output_is_assumed:
        premises.append(
            "where the boot loader put the kernel is not known: the lowest slot is that of "
            "LOAD_PHYSICAL_ADDR, the lowest place there is"
        )
    premises.append(f"the search for slots is that of {variants.origin}")
    return Known(
        Places(found[0][1], tuple(found[1:]), tuple(bounds), tuple(premises), boot),
        boot.source,
    )


def _sizes(image: KernelImage, facts: KernelFacts, unpack: UnpackRules) -> Fact[KaslrKernel]:
    header = image.header
    if isinstance(header.init_size, Unknown):
        return Unknown(f"init_size is not known: {header.init_size.reason}")
    if isinstance(header.output_len, Unknown):
        return Unknown(f"output_len is not known: {header.output_len.reason}")
    size = facts.image_size
    if size is None:
        return Unknown("_end - _text is not known")
    needed = max(header.output_len.value, size)
    return Known(KaslrKernel(needed, unpack.alignment.value, header.init_size.value), "header")


def _with_input(
    image: KernelImage, facts: KernelFacts, boot: EarlyBoot, premises: list[str]
) -> Iterator[tuple[str, EarlyBoot]]:
    """Yield the boot with the place of the payload, twice where only bounds are known."""
    if isinstance(boot.input, Known):
        yield "", boot
        return
    if isinstance(boot.output, Unknown):
        premises.append(f"where the kernel is unpacked is not known: {boot.output.reason}")
        return
    anywhere = list(_anywhere(image, boot))
    loads_low = boot.loader_type not in (KEXEC_LOADER_TYPE, EFI_STUB_LOADER_TYPE)
    if not loads_low:
        yield from anywhere
    place = payload_place(image, facts.image_size)
    if isinstance(place, Unknown):
        premises.append(f"the decompressor's own range is not known: {place.reason}")
        return
    distances = sorted({place.value.lowest, place.value.highest}, reverse=True)
    for distance in distances:
        points = ["the kernel is unpacked at LOAD_PHYSICAL_ADDR"] if boot.output_is_assumed else []
        if len(distances) > 1:
            points.append(f"the payload begins {size_text(distance)} past that address")
        input_place = Known(boot.output.value + distance, place.value.origin)
        yield " and ".join(points), replace(boot, input=input_place)
    if loads_low:
        yield from anywhere


def _anywhere(image: KernelImage, boot: EarlyBoot) -> Iterator[tuple[str, EarlyBoot]]:
    """Yield the boot without a range that is avoided for the decompressor, if nothing tells it."""
    output, init_size = boot.output, image.header.init_size
    if boot.output_is_assumed and isinstance(output, Known) and isinstance(init_size, Known):
        nothing = Known(output.value + init_size.value, "nothing is avoided")
        yield "the boot loader put it elsewhere", replace(boot, input=nothing)


def _bounds(boot: EarlyBoot, rules: KaslrRules) -> Iterator[str]:
    """Yield what is not known and could only take slots away."""
    parts = (
        ("the initrd", boot.initrd),
        ("the command line's place", boot.cmdline_address),
        ("boot_params", boot.boot_params_address),
        ("setup_data", boot.setup_data),
    )
    for name, fact in parts:
        if isinstance(fact, Unknown):
            yield f"{name} is not avoided: {fact.reason}"
    if rules.filters_srat and isinstance(boot.srat, Unknown):
        yield f"slots across the borders of memory nodes are counted: {boot.srat.reason}"


def _named(rules: KaslrRules, first: KaslrRules, where: str) -> str:
    points = [
        f"{name} is {getattr(rules, name)}"
        for name in field_names(rules)
        if getattr(rules, name) != getattr(first, name)
    ]
    return " and ".join([*([where] if where else []), *points])
