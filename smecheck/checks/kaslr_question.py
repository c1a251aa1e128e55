"""Whether KASLR is a question at all, and if so, what came of the sweep over its places.

What is not needed for that is not imported: most boots have nokaslr, or no load that is known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from smecheck.evidence import Fact, Known, Unknown, value_of

if TYPE_CHECKING:
    from smecheck.boot.kaslr.slots import KaslrSweep, PossibleBases
    from smecheck.case import Located


def bases_of_kaslr(located: Located) -> Fact[PossibleBases] | None:
    """Return where KASLR may put the kernel, where the user says that it runs at one place."""
    if not located.boot.base_is_stated or value_of(located.boot.kaslr) is False:
        return None
    from smecheck.boot.kaslr.places import possible_bases

    return possible_bases(located)


def places_of_kaslr(located: Located, *, first_only: bool) -> Fact[KaslrSweep]:
    """Return where KASLR may put the kernel and what it meets there, or why that is not a question.

    Args:
        located: the boot that is asked about.
        first_only: whether it is enough to know if there is a place at which something is hit.
    """
    why_not = _no_question(located)
    if why_not is not None:
        return why_not
    from smecheck.checks.kaslr_sweep import swept

    return swept(located, first_only=first_only)


def may_stay(located: Located) -> bool:
    """Return whether KASLR has places to choose from and may leave the kernel where it is."""
    if located.boot.base_is_certain or _no_question(located) is not None:
        return False
    from smecheck.boot.kaslr.places import ask

    answer = value_of(ask(located))
    if answer is None or answer.may_stay is None:
        return False
    return all(search.slots.count for search in answer.places.searches)


def _no_question(located: Located) -> Unknown | None:
    """Say why KASLR is not a question, where it is none."""
    boot = located.boot
    if isinstance(boot.kaslr, Known) and not boot.kaslr.value:
        return Unknown(f"KASLR is off ({boot.kaslr.origin})")
    if boot.base_is_stated:
        return Unknown("--load-address says where the kernel runs")
    if located.early is None and located.load is None and boot.path.by_kexec:
        return Unknown("no load is known")
    return None
