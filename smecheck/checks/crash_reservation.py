"""A crash kernel must leave the memory of the crashed kernel alone."""

from __future__ import annotations

from collections.abc import Iterator

from smecheck.checks.rule import OWN_SECTION, Observation, Situation, rule
from smecheck.model.boot import Path
from smecheck.model.finding import Party, Severity
from smecheck.placement.constants import PAGE_SIZE
from smecheck.span import Span, SpanSet


@rule(
    "SME006",
    "the workarea leaves the crash reservation",
    Severity.ERROR,
    decides=True,
    remedy="at once: mem_encrypt=off on the crash kernel's command line; for good: " + OWN_SECTION,
)
def past_crash_reservation(situation: Situation) -> Iterator[Observation]:
    """The crash kernel writes to memory outside "Crash kernel": the vmcore is corrupted there.

    The memory behind the reservation belongs to the kernel that crashed, whose image is to be
    saved. The crash kernel may come up and the dump may look whole; at the physical range of this
    finding it holds page tables and copied kernel text instead.
    """
    extents, memory = situation.extents, situation.memory
    if extents is None or memory is None or situation.boot.path is not Path.KDUMP:
        return
    if not memory.crash_kernel:
        return
    reserved = SpanSet(region.span for region in memory.crash_kernel)
    nearest = max(
        memory.crash_kernel,
        key=lambda region: region.span.start <= extents.start and region.span.start,
    )
    party = Party(nearest.name, nearest.span)
    surely = Span(extents.in_place.start, extents.written_end)
    for span in SpanSet([surely]) - reserved:
        yield _finding(span, party, None)
    if not situation.placement.written_is_exact:
        rest = Span(extents.written_end, max(extents.written_end, extents.worst_end))
        for span in SpanSet([rest]) - reserved:
            yield _finding(span, party, "the page tables take more than the fewest pages")


def _finding(span: Span, party: Party, condition: str | None) -> Observation:
    pages = len(span.frames(PAGE_SIZE))
    return Observation(
        message=f"{pages} {'page' if pages == 1 else 'pages'} of memory outside the "
        "crash reservation are overwritten: a captured vmcore is wrong there",
        span=span,
        other=party,
        condition=condition,
    )


RULES = (past_crash_reservation,)
