"""The memory that a crash kernel needs beside what is reserved for it.

Three times the initrd: as it is loaded, unpacked, and what its modules and programs take; so counts
kdumpctl (kdump-utils, ``kdumpctl estimate``). 64 MiB: with SME every DMA goes through swiotlb, of
that size by default (kernel/dma/swiotlb.c, IO_TLB_DEFAULT_SIZE); kdump-utils adds them as well
(kdump-lib.sh, kdump_get_arch_recommend_crashkernel()).
"""

from __future__ import annotations

from smecheck.boot.boot import SmeState
from smecheck.evidence import Known
from smecheck.kernel.identity import identify
from smecheck.load.segments import SegmentRole
from smecheck.support_case.crash_files import crash_initrd
from smecheck.support_case.situation import Situation
from smecheck.support_case.triage_report import Budget

SWIOTLB = 64 << 20


def budget_of(situation: Situation) -> Budget | None:
    """Return the budget; ``None`` where the reservation or the kernel's size is not known."""
    sizes, report = situation.reserved, situation.report
    if not sizes or report is None or not situation.is_about_kdump:
        return None
    kernel, kernel_from = _kernel(situation)
    if not kernel:
        return None
    initrd, initrd_from = _initrd(situation)
    may_encrypt = report.boot.sme is SmeState.ACTIVE or (
        report.boot.sme is SmeState.UNKNOWN and situation.is_sme_running is not None
    )
    return Budget(
        reserved=sum(sizes),
        kernel=kernel,
        initrd=initrd,
        encryption=SWIOTLB if may_encrypt else 0,
        kernel_from=kernel_from,
        initrd_from=initrd_from,
    )


def _kernel(situation: Situation) -> tuple[int, str]:
    report = situation.report
    if report is None:
        return 0, ""
    init_size = report.image.header.init_size
    if isinstance(init_size, Known):
        return init_size.value, init_size.origin
    segments = report.segments
    kernel = segments.of(SegmentRole.KERNEL) if segments is not None else []
    if kernel:
        return sum(one.span.size for one in kernel), "the kernel segment"
    facts = identify(report.image)
    if isinstance(facts.text, Known) and isinstance(facts.end, Known):
        return facts.end.value - facts.text.value, "_end - _text"
    return 0, ""


def _initrd(situation: Situation) -> tuple[int, str]:
    report = situation.report
    if report is not None and report.boot.initrd.size:
        return report.boot.initrd.size, report.boot.initrd.origin
    listed = crash_initrd(situation.evidence)
    if listed is not None:
        return listed.size, f"{listed.member}:{listed.line}"
    return 0, "no initrd is known"
