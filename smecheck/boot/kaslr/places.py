"""Where KASLR may put the kernel of this boot, for every variant that it may have.

The evidence is put together by the kind of boot; then the slots are searched. What follows for the
boot is here too: the places that can be at all, and the one that stands for the others.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from smecheck.boot.boot import Boot, UnpackRules
from smecheck.boot.crash_memory import premise_of_areas
from smecheck.boot.decompressor import landing
from smecheck.boot.early_boot import EFI_STUB_LOADER_TYPE, KEXEC_LOADER_TYPE, EarlyBoot
from smecheck.boot.kaslr.around_first_boot import first_boot
from smecheck.boot.kaslr.around_kexec_boot import kexec_boot
from smecheck.boot.kaslr.decompressor_copy import payload_place
from smecheck.boot.kaslr.search import KaslrKernel, SlotSearch, search_slots
from smecheck.boot.kaslr.slots import KaslrRules, KaslrSweep, PossibleBases
from smecheck.boot.kaslr.variants import kaslr_variants
from smecheck.evidence import Fact, Known, Unknown, value_of
from smecheck.kernel.facts import KernelFacts
from smecheck.kernel.identity import version_of
from smecheck.kernel.image import KernelImage
from smecheck.load.segments import SegmentList, SegmentRole
from smecheck.quantity import address_text, count_text, size_text
from smecheck.record import field_names, record, replace
from smecheck.remembered import remembered

if TYPE_CHECKING:
    from smecheck.case import Located


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
    def searches(self) -> tuple[SlotSearch, ...]:
        """What the likeliest variant finds, then what others do."""
        return (self.search, *(search for _, search in self.alternatives))


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
    if isinstance(boot.cmdline, Unknown):
        bounds.append(f"the command line is not known ({boot.cmdline.reason})")
        boot = replace(boot, cmdline=Known("", "assumed"))
    if isinstance(boot.five_levels, Unknown):
        boot = replace(boot, five_levels=Known(True, "the limit is the higher one"))
    boots = _with_input(image, facts, boot)
    if isinstance(boots, Unknown):
        return boots
    premises: list[str] = []
    found: list[tuple[str, SlotSearch]] = []
    for rules in variants.rules:
        for where, candidate in boots.value:
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
    premises.append(f"KASLR positions are computed by the rules of {variants.origin}")
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
    image: KernelImage, facts: KernelFacts, boot: EarlyBoot
) -> Fact[tuple[tuple[str, EarlyBoot], ...]]:
    """Return the boot with the place of the payload; two of them where only bounds are known."""
    if isinstance(boot.input, Known):
        return Known((("", boot),), boot.input.origin)
    if isinstance(boot.output, Unknown):
        return Unknown(f"where the kernel is unpacked is not known: {boot.output.reason}")
    anywhere = tuple(_anywhere(image, boot))
    is_low = boot.loader_type not in (KEXEC_LOADER_TYPE, EFI_STUB_LOADER_TYPE)
    place = payload_place(image, facts.image_size)
    if isinstance(place, Unknown):
        return Unknown(f"the decompressor's own range is not known: {place.reason}")
    bounds = sorted({place.value.lowest, place.value.highest}, reverse=True)
    there = tuple(_past(boot, boot.output.value, bounds, place.value.origin))
    return Known((*there, *anywhere) if is_low else (*anywhere, *there), place.value.origin)


def _past(
    boot: EarlyBoot, output: int, bounds: list[int], origin: str
) -> Iterator[tuple[str, EarlyBoot]]:
    for distance in bounds:
        points = ["the kernel is unpacked at LOAD_PHYSICAL_ADDR"] if boot.output_is_assumed else []
        if len(bounds) > 1:
            points.append(f"the payload begins {size_text(distance)} past that address")
        yield " and ".join(points), replace(boot, input=Known(output + distance, origin))


def _anywhere(image: KernelImage, boot: EarlyBoot) -> Iterator[tuple[str, EarlyBoot]]:
    """Yield the boot without a range that is avoided for the decompressor, if nothing shows it."""
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


_STUB_PLACES_SINCE = (6, 6)
"""a1b87d54f4e4 and its series: the EFI stub unpacks the kernel itself (efi_random_alloc())."""


@record
class KaslrAnswer:
    """The places, and whether the kernel may stay where it is although there are some."""

    places: Places
    may_stay: str | None
    """Why it may stay; ``None`` where it cannot."""


@remembered
def ask(located: Located) -> Fact[KaslrAnswer]:
    """Return where KASLR may put the kernel, or which fact is missing."""
    boot = located.boot
    if located.load is not None and boot.path.by_kexec:
        early = _of_load(located, located.load)
    elif located.early is not None or not boot.path.by_kexec:
        early = first_boot(located)
    else:
        return Unknown("no load is known: no segments were given")
    if isinstance(boot.paging, Known) and isinstance(early.five_levels, Unknown):
        early = replace(early, five_levels=Known(boot.paging.value == 5, boot.paging.origin))
    return _answer(located, early)


def _of_load(located: Located, segments: SegmentList) -> EarlyBoot:
    early = kexec_boot(located, segments, is_efi=_is_efi(located))
    kernel = segments.of(SegmentRole.KERNEL)
    output: Fact[int] = Unknown(f"no segment of {segments.source} is known to be the kernel")
    if kernel:
        output = landing(kernel[0].span.start, located.rules)
    given = located.early
    if given is None:
        return replace(early, output=output)
    return replace(
        early,
        srat=given.srat,
        five_levels=given.five_levels,
        output=given.output if isinstance(given.output, Known) else output,
        input=given.input,
    )


def _is_efi(located: Located) -> Fact[bool]:
    """Return whether the running kernel was started by EFI, and so may hand its run time on."""
    early, log = located.early, located.log
    if early is not None and isinstance(early.is_efi, Known):
        return early.is_efi
    boot = log.boot if log is not None else None
    if boot is not None and (boot.efi_map or boot.efi_runtime_map or boot.efi_tables):
        return Known(True, f"{log.source if log else ''} mentions EFI")
    if boot is not None and boot.begins and boot.is_up:
        return Known(False, "the kernel log does not mention EFI")
    return Unknown("whether kexec hands EFI run time services over is not known (--boot-params)")


def _answer(located: Located, early: EarlyBoot) -> Fact[KaslrAnswer]:
    may_stay, bound = None, None
    if isinstance(early.efi, Unknown):
        release = version_of(located.image.release)
        if early.loader_type == EFI_STUB_LOADER_TYPE and (
            release is None or release >= _STUB_PLACES_SINCE
        ):
            return Unknown("the EFI stub of v6.6 and later places the kernel itself")
        if isinstance(early.e820, Unknown):
            return Unknown(early.e820.reason)
        if located.load is not None:
            # On an EFI machine there are no slots: the kernel stays.
            may_stay = early.efi.reason
        else:
            bound = f"the e820 table stands for the EFI memory map: {early.efi.reason}"
        early = replace(early, efi=Known(None, "the e820 table is searched"))
    if isinstance(located.boot.kaslr, Unknown):
        may_stay = located.boot.kaslr.reason
    is_on = value_of(located.boot.kaslr) is True
    places = possible_places(located.image, located.facts, located.rules, early, is_on=is_on)
    if isinstance(places, Unknown):
        return places
    value = places.value
    load = located.load
    if load is not None:
        premise = premise_of_areas(located.boot, load, located.host)
        premises = value.premises if premise is None else (*value.premises, premise)
        value = replace(value, premises=premises)
    if bound is not None:
        value = replace(value, bounds=(bound, *value.bounds))
    return Known(KaslrAnswer(value, may_stay), places.origin)


def possible_bases(located: Located) -> Fact[PossibleBases]:
    """Return where KASLR may put the kernel or leave it, or which fact is missing.

    What bounds the search from above only (an unknown range that is avoided) leaves more places,
    so an address that is none of them is none in truth.
    """
    answer = ask(located)
    if isinstance(answer, Unknown):
        return answer
    places = answer.value.places
    unmoved = places.boot.output
    if places.boot.output_is_assumed:
        unmoved = Unknown("where the boot loader put it is not known")
    bases = PossibleBases(
        tuple(search.slots for search in places.searches),
        unmoved,
        answer.value.may_stay is not None,
    )
    return Known(bases, answer.origin)


def at_a_slot(boot: Boot, kaslr: KaslrSweep) -> Boot:
    """Return the boot with the kernel where KASLR may put it, or where it surely stays."""
    count = kaslr.slots.count
    if count == 0:
        return _staying(boot, kaslr)
    if kaslr.may_stay is not None:
        return boot
    colliding = kaslr.collisions.by_rule if kaslr.collisions is not None else ()
    example = colliding[0].lowest if colliding else kaslr.slots.lowest
    if example is None:
        return boot
    what = "a colliding one" if colliding else "the lowest"
    chosen = f"KASLR chooses {address_text(example)}, one of {count_text(count, 'position')}"
    positions = count_text(count, "possible KASLR position")
    return replace(
        boot,
        kernel_base=Known(example, f"{what} of {positions}"),
        base_is_certain=False,
        base_condition=chosen,
    )


def _staying(boot: Boot, kaslr: KaslrSweep) -> Boot:
    """Return the boot with the kernel where it is unpacked."""
    why = f"KASLR is on, but {kaslr.slots.reason}: the kernel stays where it is unpacked"
    if isinstance(boot.kernel_base, Known):
        base = Known(boot.kernel_base.value, f"{boot.kernel_base.origin}; {why}")
        return replace(boot, kernel_base=base, base_is_certain=True)
    if isinstance(kaslr.unmoved, Unknown):
        return replace(boot, kernel_base=Unknown(f"{why}; {kaslr.unmoved.reason}"))
    base = Known(kaslr.unmoved.value, f"{kaslr.unmoved.origin}; {why}")
    return replace(boot, kernel_base=base, base_is_certain=True)
