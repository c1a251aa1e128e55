"""Whether KASLR is a question at all, and if so, what came of the sweep over its places.

What is not needed for that is not imported: most boots have nokaslr, or no load that is known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from smecheck.asked import BootRequest, Path
from smecheck.evidence import Fact, Known, Unknown

if TYPE_CHECKING:
    from smecheck.boot.kaslr.possible_bases import PossibleBases
    from smecheck.boot.kaslr.question import KaslrQuestion
    from smecheck.boot.kaslr.slots import KaslrSweep


def bases_of_kaslr(asked: BootRequest, question: KaslrQuestion) -> Fact[PossibleBases] | None:
    """Return where KASLR may put the kernel, where the user says that it runs at one place."""
    kaslr = question.setting.boot.kaslr
    if asked.load_address is None or (isinstance(kaslr, Known) and not kaslr.value):
        return None
    from smecheck.boot.kaslr.possible_bases import possible_bases

    return possible_bases(question)


def places_of_kaslr(asked: BootRequest, question: KaslrQuestion) -> Fact[KaslrSweep]:
    """Return where KASLR may put the kernel and what it meets there, or why that is no question."""
    boot = question.setting.boot
    if isinstance(boot.kaslr, Known) and not boot.kaslr.value:
        return Unknown(f"KASLR is off ({boot.kaslr.origin})")
    if asked.load_address is not None:
        return Unknown("--load-address says where the kernel runs")
    if question.early is None and question.load is None and boot.path is not Path.FIRST_BOOT:
        return Unknown("no load is known")
    from smecheck.checks.kaslr_variants import swept

    return swept(question)
