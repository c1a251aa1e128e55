"""Where the kernel of this boot can run at all: what the user's --load-address is held against."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smecheck.boot.kaslr.ask import ask
from smecheck.boot.kaslr.slots import PossibleBases
from smecheck.evidence import Fact, Known, Unknown

if TYPE_CHECKING:
    from smecheck.case import Located


def possible_bases(located: Located) -> Fact[PossibleBases]:
    """Return where KASLR may put the kernel or leave it, or which fact is missing.

    What bounds the search from above only (an unknown range that is avoided) leaves more places,
    so an address that is none of them is none in truth.
    """
    answer = ask(located)
    if isinstance(answer, Unknown):
        return answer
    places = answer.value.places
    searches = (places.search, *(search for _, search in places.alternatives))
    unmoved = places.boot.output
    if places.boot.output_is_assumed:
        unmoved = Unknown("where the boot loader put it is not known")
    bases = PossibleBases(
        tuple(search.slots for search in searches), unmoved, answer.value.may_stay is not None
    )
    return Known(bases, answer.origin)
