"""A crash kernel must leave the memory of the crashed kernel alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from smecheck.checks import needs
from smecheck.checks.finding import Effect, Severity
from smecheck.checks.forbidden import EVERYWHERE, Forbidden, Part, met
from smecheck.checks.rule import (
    OWN_SECTION,
    SME_OFF_NOW,
    Observation,
    rule,
    segment_party,
)
from smecheck.kernel.constants import HIGH_RESERVATION, PAGE_SIZE
from smecheck.load.segments import SegmentRole
from smecheck.machine.memory import MapKind
from smecheck.quantity import address_text, count_text, size_text
from smecheck.remembered import remembered
from smecheck.span import Span, SpanSet

if TYPE_CHECKING:
    from smecheck.case import Located, Resolved


_PAIR = 2
"""Reservations that there are with crashkernel=…,high."""


def _memory_of_the_crashed_kernel(located: Located) -> Iterator[Forbidden]:
    """Forbid to use what is not the crash kernel's, where that is known."""
    if located.memory is not None and located.crash_memory is not None:
        for part in (Part.TOUCHED, Part.AT_WORST):
            yield Forbidden("outside Crash kernel", part, _all_but(located.crash_memory))


@remembered
def _all_but(crash_memory: SpanSet) -> SpanSet:
    return EVERYWHERE - crash_memory


@rule(
    "SME006",
    "the workarea leaves the crash reservation",
    Severity.ERROR,
    passed="workarea stays in the crash reservation",
    brief="outside the crash reservation",
    effect=Effect.COLLISION,
    phrase="leaves the crash reservation",
    needs=(needs.crash_kernel, needs.places, needs.memory),
    forbids=_memory_of_the_crashed_kernel,
    remedy=SME_OFF_NOW + OWN_SECTION,
)
def past_crash_reservation(resolved: Resolved) -> Iterator[Observation]:
    """The crash kernel writes to memory outside "Crash kernel": the vmcore is corrupted there.

    The memory after the reservation belongs to the kernel that crashed, whose image is to be saved.
    The crash kernel may come up and the dump may look complete; at the physical range of this
    finding it holds page tables and copied kernel text instead.

    Areas of crashkernel=…,cma, which kexec_file_load hands over since v6.17, are not part of that
    vmcore: they may be written.

    Passes: a reservation that ends at 0x10e07000, where the surely written part does.
    Fails: one that ends at 0x10e06000.
    Sources: kexec list, 2019-06-04, "The current SME implementation fails kexec/kdump kernel
    booting"; experiments old-p-* (docs/evidence.md).
    """
    at_worst = "the page tables take more than the fewest pages"
    for forbidden, span in met(resolved, _memory_of_the_crashed_kernel):
        yield _outside(span, at_worst if forbidden.part is Part.AT_WORST else None)


@rule(
    "SME025",
    "the crash kernel is not in the crash reservation",
    Severity.ERROR,
    passed="crash kernel is in the crash reservation",
    brief="outside the crash reservation",
    effect=Effect.CONTRADICTION,
    about_load=True,
    needs=(needs.crash_kernel, needs.segments, needs.memory),
    remedy="give the memory map of the boot in which this crash kernel was loaded",
)
def kernel_outside_reservation(resolved: Resolved) -> Iterator[Observation]:
    """A segment of a crash load lies outside the "Crash kernel" of the memory map.

    kexec -p places segments in the reservation only; of two, as crashkernel=…,high makes them, in
    the high one. Where the map shows it elsewhere, map and load are of different boots or machines,
    and nothing can be concluded from both.

    Passes: a crash kernel whose segments lie inside "Crash kernel".
    Fails: one of which a segment reaches a page out of it; one in the low of two.
    Sources: kernel/kexec_core.c, sanity_check_segment_list(), crashk_res, v5.0 to v7.3;
    arch/x86/kernel/setup.c, later kernel/crash_reserve.c: crashk_low_res is reserved only for a
    crashk_res at or above 4 GiB.
    """
    memory, segments = resolved.memory, resolved.segments
    if memory is None or segments is None or not resolved.boot.path.is_crash:
        return
    regions = memory.crash_kernel
    # A prediction goes by what kexec makes of the map; no kernel makes more than two; a load may be
    # handed areas of crashkernel=…,cma as well.
    is_pair = len(regions) == _PAIR and not segments.predicted and memory.kind is not MapKind.LOAD
    reserved = SpanSet(region.span for region in (regions[-1:] if is_pair else regions))
    low = SpanSet(region.span for region in (regions[:-1] if is_pair else ()))
    outside = [one for one in segments.segments if not reserved.covers(one.span)]
    kernels = [one for one in outside if one.role is SegmentRole.KERNEL]
    # A log may give the ends in whole MiB: the small segments lie near them.
    others = outside if memory.kind is MapKind.IOMEM else []
    if len(reserved):
        for segment in kernels or others:
            which = "the high of the two" if low.covers(segment.span) else "the"
            yield Observation(
                message=f"the {segment.role.value} segment of {segments.source} is not in {which} "
                f"Crash kernel of {memory.source}",
                span=segment.span,
                other=segment_party(segment),
            )


@rule(
    "SME050",
    "the crash reservation cannot lie there",
    Severity.ERROR,
    passed="crash reservation lies in System RAM",
    brief="no place for a crash reservation",
    effect=Effect.CONTRADICTION,
    about_load=True,
    needs=(needs.crash_kernel, needs.memory),
    remedy="give the memory map, or the kernel log, as the kernel wrote it",
)
def impossible_reservation(resolved: Resolved) -> Iterator[Observation]:
    """The memory map has a crash reservation where no kernel reserves one.

    It is taken from System RAM. A second, low one is reserved only for one that begins at or above
    4 GiB. Where a complete map has it elsewhere, a line of it was changed on its way, or is of
    another boot. Two below 4 GiB are a warning where /proc/iomem has them: kexec goes by the last.

    Passes: a Crash kernel inside System RAM; one at 34 GiB and a low one at 1504 MiB.
    Fails: one that reaches a page past System RAM; two below 4 GiB.
    Sources: arch/x86/kernel/setup.c, reserve_crashkernel() and reserve_crashkernel_low(), later
    kernel/crash_reserve.c, reserve_crashkernel_generic(), v5.0 to v7.3.
    """
    memory = resolved.memory
    if memory is None:
        return
    reserved = memory.crash_kernel
    if memory.complete:
        ram = SpanSet(one.span for one in memory.regions if one.name.startswith("System RAM"))
        log = resolved.log if memory.kind is not MapKind.IOMEM else None
        in_mib = log is not None and any(one.in_mib for one in log.boot.crash_reservations)
        slack = 2 << 20 if in_mib else PAGE_SIZE
        for region in reserved:
            outside = [one for one in SpanSet([region.span]) - ram if one.size >= slack]
            for span in outside[:1]:
                yield Observation(
                    message=f"{memory.where(region)} shows a crash reservation up to "
                    f"{address_text(region.span.end)}, of which {size_text(span.size)} at "
                    f"{address_text(span.start)} are not System RAM",
                    span=span,
                )
    is_of_load = memory.kind is MapKind.LOAD
    if len(reserved) > 1 and reserved[-1].span.start < HIGH_RESERVATION and not is_of_load:
        low, high = reserved[-2:]
        yield Observation(
            message=f"{memory.where(low)} and {memory.where(high)} show two crash reservations "
            "below 4 GiB, where a kernel makes one",
            span=high.span,
            # kexec -p loads into the last one that /proc/iomem shows, whatever it is.
            severity=Severity.WARNING if memory.kind is MapKind.IOMEM else None,
        )


def _outside(span: Span, condition: str | None) -> Observation:
    return Observation(
        message=f"{count_text(len(span.frames(PAGE_SIZE)), 'page')} of memory outside the crash "
        "reservation are overwritten: a captured vmcore is wrong there",
        span=span,
        condition=condition,
    )


RULES = (past_crash_reservation, kernel_outside_reservation, impossible_reservation)
