"""Which variant of choose_random_location() a kernel has: what changed, when, and how that is seen.

Nothing in a kernel image names the variant, so the release does, as a listed assumption. Where it
does not say (a distribution's kernel, a stable update, no release at all), every variant that is
left is computed and the difference is said.
"""

from __future__ import annotations

import itertools
import re
from typing import TypeAlias, assert_never

from smecheck.boot.kaslr.slots import GiganticRule, KaslrRules, LimitRule
from smecheck.evidence import Known
from smecheck.kernel.facts import KernelFacts
from smecheck.kernel.identity import version_of
from smecheck.kernel.image import KernelImage, Scheme
from smecheck.record import record
from smecheck.remembered import remembered

Release: TypeAlias = tuple[int, int]

_NEWEST: Release = (7, 3)
_AFTER_END: tuple[Release, Release] = ((4, 14), (5, 2))
_IN_SECTION: tuple[Release, Release] = ((5, 3), _NEWEST)

_MAINLINE = re.compile(r"(?:\.0)?(?:-rc\d+)?\+?")
"""What follows in a release without updates. Distributions write .0 for whatever update it is."""
_BACKPORTING = re.compile(r"\.(?:el|oe|an|al)\d|\.uek|-default\b")
"""Suffixes of distributions that carry features back into older releases."""


@record
class _Change:
    """One point in which the variants differ."""

    point: str
    since: Release
    in_stable: bool = False
    """It went, or may have gone, into stable updates of older releases."""
    until: Release = (99, 0)
    """The first release without it again."""


CHANGES = (
    _Change("knows_gigantic", (4, 19)),  # 9b912485e0e7, hugepagesz=1G hugepages=
    _Change("filters_srat", (5, 1)),  # 02a3e3cdb7f1, the SRAT's memory only
    _Change("rounds_size", (5, 4), in_stable=True),  # 1869dbe87cb9, needed_size in whole 2 MiB
    _Change("avoids_indirect", (5, 5)),  # b3c72fc9a78e, setup_indirect
    _Change("skips_soft_reserved", (5, 5)),  # 262b45ae3ab4, EFI soft reservation
    _Change("reads_fake_mem", (5, 5), until=(6, 11)),  # 199c84717612 to 37aee82c213d
    # Exact gaps, MAXMEM, lowest limit, whole GiBs, 2047 bytes of the command line: 8d1cf8595860,
    # 451286940d95, 79c2fd2afe55, 76167e5c5457.
    _Change("rewritten", (5, 10)),
    _Change("takes_unaccepted", (6, 5)),  # 745e3ed85f71, unaccepted memory
    _Change("reads_handover", (6, 16)),  # process_kho_entries(), kexec handover
)
"""arch/x86/boot/compressed/kaslr.c and misc.c. v4.14, v4.19, v5.9, v5.10, v6.1, v6.12 and v7.3 were
read and show each change on its side, as do slot lists of v5.0; the release between them is that of
the commit."""

_CONFIG = {
    "skips_soft_reserved": ("CONFIG_EFI_SOFT_RESERVE",),
    "takes_unaccepted": ("CONFIG_UNACCEPTED_MEMORY",),
    "filters_srat": ("CONFIG_MEMORY_HOTREMOVE", "CONFIG_ACPI"),
    "reads_handover": ("CONFIG_KEXEC_HANDOVER",),
}
"""Options without which a point does not apply."""

_USUAL_NODES_SHIFTS = (6, 10)
"""arch/x86/Kconfig, NODES_SHIFT: the default, and that of MAXSMP, as distributions build."""


@record
class Variants:
    """The variants that a kernel may have; never none."""

    rules: tuple[KaslrRules, ...]
    """The likeliest first."""
    origin: str
    """What shows it."""


@remembered
def kaslr_variants(image: KernelImage, facts: KernelFacts) -> Variants:
    """Return the variants that the release, the scheme and the configuration leave."""
    span = _releases(image, facts)
    steps = sorted({change.since for change in CHANGES} | {change.until for change in CHANGES})
    releases = [span.lowest, *(step for step in steps if span.lowest < step <= span.highest)]
    capacities = _capacities(image)
    found: dict[KaslrRules, None] = {}
    for release in releases:
        choices = [_states(change, release, span, image) for change in CHANGES]
        for states in itertools.product(*choices):
            points = dict(zip((change.point for change in CHANGES), states, strict=True))
            for capacity in capacities:
                found[_rules(points, capacity, reads_efi=_has(image, "CONFIG_EFI"))] = None
    return Variants(tuple(found), span.origin)


@record
class _Releases:
    lowest: Release
    highest: Release
    is_mainline: bool
    """It is a release of Linus Torvalds's, without updates."""
    origin: str


def _releases(image: KernelImage, facts: KernelFacts) -> _Releases:
    """Return the oldest and the newest release whose variant the kernel may have."""
    scheme = facts.scheme.value if isinstance(facts.scheme, Known) else None
    release = version_of(image.release)
    if release is not None and isinstance(image.release, Known):
        text = image.release.value
        origin = f"the release {text}"
        rest = text[len(".".join(map(str, release))) :]
        is_current = scheme is not None and scheme.rules.is_current
        carried_back = is_current and release < _IN_SECTION[0]
        if carried_back or _BACKPORTING.search(rest):
            return _Releases(release, max(release, _NEWEST), False, f"{origin}: a distribution's")
        return _Releases(release, release, _MAINLINE.fullmatch(rest) is not None, origin)
    match scheme:
        case Scheme.AFTER_END:
            return _Releases(*_AFTER_END, False, "the scheme: v4.14 to v5.2")
        case Scheme.INIT_SCRATCH:
            return _Releases(*_IN_SECTION, False, "the scheme: since v5.3")
        case Scheme.SME_SECTION | Scheme.NO_SME | Scheme.UNKNOWN | None:
            return _Releases(_AFTER_END[0], _NEWEST, False, "nothing")
        case _:
            assert_never(scheme)


def _states(
    change: _Change, release: Release, span: _Releases, image: KernelImage
) -> tuple[bool, ...]:
    """Return whether the point holds in that release; both where neither is certain."""
    options = _CONFIG.get(change.point, ())
    values = [image.config.get(option) for option in options]
    if any(value is not None and value != "y" for value in values):
        return (False,)
    if not change.since <= release < change.until:
        return (False, True) if change.in_stable and not span.is_mainline else (False,)
    return (True, False) if None in values else (True,)


def _has(image: KernelImage, option: str) -> bool:
    return image.config.get(option, "y") == "y"


def _capacities(image: KernelImage) -> tuple[int, ...]:
    """Return 2 * MAX_NUMNODES, include/linux/numa.h."""
    shift = image.config.get("CONFIG_NODES_SHIFT")
    if shift is not None:
        return (2 << int(shift),) if shift.isdecimal() else (2,)
    if image.config.get("CONFIG_NUMA") not in (None, "y"):
        return (2,)
    return tuple(2 << usual for usual in _USUAL_NODES_SHIFTS)


def _rules(points: dict[str, bool], srat_capacity: int, *, reads_efi: bool) -> KaslrRules:
    rewritten = points["rewritten"]
    if rewritten:
        gigantic = GiganticRule.SKIPS_ALL
    elif points["knows_gigantic"]:
        gigantic = GiganticRule.KEEPS_LAST
    else:
        gigantic = GiganticRule.NOT_KNOWN_TO_IT
    return KaslrRules(
        rounds_size=points["rounds_size"],
        keeps_exact_gap=rewritten,
        limit=LimitRule.LOWEST if rewritten else LimitRule.LAST,
        gigantic=gigantic,
        avoids_indirect=points["avoids_indirect"],
        reads_fake_mem=points["reads_fake_mem"],
        cuts_command_line=rewritten,
        wide_counts=rewritten,
        reads_efi=reads_efi,
        skips_soft_reserved=points["skips_soft_reserved"],
        takes_unaccepted=points["takes_unaccepted"],
        filters_srat=points["filters_srat"],
        reads_handover=points["reads_handover"],
        srat_capacity=srat_capacity if points["filters_srat"] else 0,
    )
