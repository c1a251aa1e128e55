"""Where KASLR may put the kernel of this boot: the evidence for it, by the kind of boot."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smecheck.asked import Path
from smecheck.boot.crash_memory import premise_of_areas
from smecheck.boot.decompressor import landing
from smecheck.boot.early_boot import EFI_STUB_LOADER_TYPE, EarlyBoot
from smecheck.boot.kaslr.around_first_boot import first_boot
from smecheck.boot.kaslr.around_kexec_boot import kexec_boot
from smecheck.boot.kaslr.places import Places, possible_places
from smecheck.boot.kaslr.variants import release_of
from smecheck.evidence import Fact, Known, Unknown
from smecheck.load.segments import SegmentList, SegmentRole
from smecheck.record import record, replace

if TYPE_CHECKING:
    from smecheck.case import Located

_STUB_PLACES_SINCE = (6, 6)
"""a1b87d54f4e4 and its series: the EFI stub unpacks the kernel itself (efi_random_alloc())."""


@record
class KaslrAnswer:
    """The places, and whether the kernel may stay where it is although there are some."""

    places: Places
    may_stay: str | None
    """Why it may stay; ``None`` where it cannot."""


def ask(located: Located) -> Fact[KaslrAnswer]:
    """Return where KASLR may put the kernel, or which fact is missing."""
    boot = located.boot
    if located.load is not None and boot.path is not Path.FIRST_BOOT:
        early = _of_load(located, located.load)
    elif located.early is not None or boot.path is Path.FIRST_BOOT:
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
    """Tell whether the running kernel was started by EFI, and so may hand its run time on."""
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
        release = release_of(located.image)
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
    is_on = isinstance(located.boot.kaslr, Known) and located.boot.kaslr.value
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
