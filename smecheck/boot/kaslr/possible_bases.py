"""Where the kernel of this boot can run at all: what the user's --load-address is held against."""

from __future__ import annotations

from smecheck.boot.kaslr.ask import ask
from smecheck.boot.kaslr.question import KaslrQuestion
from smecheck.boot.kaslr.slots import Slots
from smecheck.evidence import Fact, Known, Unknown
from smecheck.record import record


@record
class PossibleBases:
    """All places of ``_text``, by every variant of the search that the kernel may have."""

    slots: tuple[Slots, ...]
    unmoved: Fact[int]
    """Where the kernel stays if KASLR does not move it; where it is not known, that is anywhere."""
    may_stay: bool

    def __contains__(self, address: int) -> bool:
        if any(address in slots for slots in self.slots):
            return True
        if not self.may_stay and all(slots.count for slots in self.slots):
            return False
        return isinstance(self.unmoved, Unknown) or address == self.unmoved.value

    @property
    def count(self) -> int:
        """How many slots there are, by the likeliest variant."""
        return self.slots[0].count


def possible_bases(question: KaslrQuestion) -> Fact[PossibleBases]:
    """Return where KASLR may put the kernel or leave it, or which fact is missing.

    What bounds the search from above only (an unknown range that is avoided) leaves more places,
    so an address that is none of them is none in truth.
    """
    answer = ask(question)
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
