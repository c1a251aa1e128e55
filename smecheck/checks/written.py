"""The workarea is written over a segment: surely, or in the worst case."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from smecheck.checks import needs
from smecheck.checks.finding import Effect, Severity
from smecheck.checks.forbidden import Forbidden, Part, met, neighbours_in
from smecheck.checks.rule import (
    OWN_SECTION,
    SME_OFF_NOW,
    Observation,
    consequence_of,
    rule,
    segment_party,
)
from smecheck.kernel.constants import COPY_BUFFER_OFFSET, EXECUTE_LEN, PAGE_SIZE, PMD_SIZE
from smecheck.kernel.generations import GENERATION_RULES
from smecheck.load.segments import Segment, SegmentRole
from smecheck.quantity import count_text, size_text
from smecheck.span import Span, SpanSet

if TYPE_CHECKING:
    from smecheck.case import Located, Resolved

_LIVE_TABLES_SIZE = 32 * PAGE_SIZE
"""arch/x86/include/asm/boot.h, BOOT_PGT_SIZE: 17 pages in v5.0, 32 in v6.12 and v7.3, at the very
end of the decompressor's image; they are in use while the workarea is set up."""


def _under_what_is_written(located: Located) -> Iterator[Forbidden]:
    """Forbid to write over segments, and over the page tables of a decompressor while in use."""
    yield from neighbours_in(Part.WRITTEN)(located)
    for segment in located.segments.of(SegmentRole.KERNEL) if located.segments else ():
        tables = SpanSet([_live_tables(segment)])
        yield Forbidden(
            "page tables of the decompressor", Part.WRITTEN, tables, segment, if_moved=True
        )


@rule(
    "SME001",
    "the workarea is written over a segment",
    Severity.ERROR,
    passed="no segment under the written workarea",
    brief="is overwritten",
    effect=Effect.COLLISION,
    needs=(needs.places, needs.segments),
    forbids=_under_what_is_written,
    remedy=SME_OFF_NOW + OWN_SECTION,
)
def written_over_segment(resolved: Resolved) -> Iterator[Observation]:
    """The surely written extent meets a segment that kexec loaded.

    sme_encrypt_kernel() writes a stack page, a copy of its routine, a 2 MiB copy buffer and its
    page tables to the workarea before the kernel reads boot_params, the command line or the initrd.
    What lay there is lost. In the failure of June 2019, reproduced page for page, an overwritten
    boot_params killed the kernel before any console existed, and an overwritten initrd ended in
    "Unable to mount root fs".

    An initrd that begins inside the copy buffer is damaged further up as well: the first 2 MiB that
    are copied back repeat themselves there. That range is a finding of its own.

    Passes: boot_params at 0x10e07000, where the surely written part ends.
    Fails: boot_params at 0x10e06000, its last page.
    Sources: arch/x86/mm/mem_encrypt_boot.S, sme_encrypt_execute() and __enc_copy, v5.0 to v7.3;
    every page of RAM of guests with emulated SME, compared before and after (docs/evidence.md).
    """
    for forbidden, hit in met(resolved, _under_what_is_written):
        if forbidden.segment is None:
            continue
        if forbidden.if_moved:
            yield _over_live_tables(forbidden.segment, hit)
            continue
        yield _overlap(forbidden.segment, hit, "the written part of the workarea")
        yield from _copied_back_damage(resolved, forbidden.segment)


_AT_WORST = neighbours_in(Part.AT_WORST)


@rule(
    "SME002",
    "the workarea may be written over a segment",
    Severity.ERROR,
    passed="no segment under the worst case",
    brief="may be overwritten",
    effect=Effect.COLLISION,
    needs=(needs.places, needs.segments),
    forbids=_AT_WORST,
    remedy="give what decides the number of page-table pages (--paging, the initrd's place, "
    "--iomem), or treat it as a collision",
)
def worst_case_over_segment(resolved: Resolved) -> Iterator[Observation]:
    """Only the worst case of what can be written meets a segment.

    The kernel computes a length for its page tables that it hardly ever uses up. How many pages it
    really writes follows exactly where generation, paging, initrd and the page tables at entry are
    known; then this rule is silent. Otherwise everything up to the computed length may be written.

    Passes: boot_params at 0x10e2b000, where the computed length ends.
    Fails: boot_params at 0x10e2a000, while the place of the initrd is not known.
    Sources: arch/x86/mm/mem_encrypt_identity.c (since v6.16 arch/x86/boot/startup/sme.c),
    sme_pgtable_calc() and workarea_len, v5.0 to v7.3.
    """
    for forbidden, hit in met(resolved, _AT_WORST):
        if forbidden.segment is not None:
            yield _overlap(
                forbidden.segment,
                hit,
                "the part of the workarea that may be written",
                condition="the page tables take more than the fewest pages",
            )


def _overlap(
    segment: Segment, hit: Span, what: str, *, condition: str | None = None
) -> Observation:
    consequence = consequence_of(segment.role)
    pages = count_text(len(hit.frames(PAGE_SIZE)), "page")
    return Observation(
        message=f"{what} overlaps {pages} of "
        f"{segment.role.value}, {size_text(hit.size)}: {consequence}",
        span=hit,
        other=segment_party(segment),
        condition=condition,
    )


def _copied_back_damage(resolved: Resolved, segment: Segment) -> Iterator[Observation]:
    """Yield what copying the initrd's first 2 MiB back destroys above the written extent.

    Source and destination of the copy overlap, and rep movsb runs upwards
    (arch/x86/mm/mem_encrypt_boot.S, __enc_copy): from the distance between the two on, the first
    bytes repeat. Measured page for page on a v5.0 kernel.
    """
    encrypts = all(GENERATION_RULES[g].encrypts_initrd for g in resolved.facts.generations)
    extents = resolved.extents
    if extents is None or segment.role is not SegmentRole.INITRD or not encrypts:
        return
    buffer = Span(extents.start + COPY_BUFFER_OFFSET, extents.start + EXECUTE_LEN)
    # Chunks of 2 MiB: exactly one begins inside the buffer, which has that size.
    chunk = buffer.start + (segment.span.start - buffer.start) % PMD_SIZE
    if chunk not in segment.span:
        return
    distance = chunk - buffer.start
    repeated = Span.sized(chunk + distance, PMD_SIZE - distance) & segment.span
    for span in SpanSet([repeated]) - SpanSet([extents.written]):
        yield Observation(
            message="the initrd begins inside the copy buffer, so copying its first 2 MiB back "
            f"repeats bytes above the written part too: {size_text(span.size)} more are lost",
            span=span,
            other=segment_party(segment),
        )


def _live_tables(segment: Segment) -> Span:
    """Return where the decompressor that runs in a kernel segment keeps its page tables."""
    end = segment.span.end
    return Span(max(segment.span.start, end - _LIVE_TABLES_SIZE), end)


def _over_live_tables(segment: Segment, hit: Span) -> Observation:
    """Say that they are hit: they are live where KASLR moved the kernel away."""
    return Observation(
        message="the workarea is written where the decompressor keeps its page tables, "
        f"the last {size_text(_LIVE_TABLES_SIZE)} of the kernel segment",
        span=hit,
        other=segment_party(segment),
        condition="the tables in use at that moment are the decompressor's",
    )


RULES = (written_over_segment, worst_case_over_segment)
