"""Whether KASLR is a question at all, and if so, what came of the sweep over its places.

What is not needed for that is not imported: most boots have nokaslr, or no load that is known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from smecheck.asked import BootRequest, Path
from smecheck.evidence import Fact, Known, Unknown
from smecheck.record import replace

if TYPE_CHECKING:
    from smecheck.boot.early_boot import EarlyBoot
    from smecheck.boot.kaslr.question import KaslrQuestion
    from smecheck.boot.kaslr.slots import KaslrSweep
    from smecheck.load.segments import SegmentList


def boot_asked_about(
    asked: BootRequest, load: SegmentList | None, early: EarlyBoot | None, *, asks_for_load: bool
) -> BootRequest:
    """Return what the user says; boot_params without a load are those of the boot asked about.

    Where a load is asked about, one that was not recorded, they are those of the running kernel.
    """
    if early is None or load is not None or asked.path is not None or asks_for_load:
        return asked
    return replace(asked, path=Path.FIRST_BOOT)


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
