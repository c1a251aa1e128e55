"""What happens to a segment in the mapped part of the workarea, written or not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from smecheck.checks import needs
from smecheck.checks.finding import Bearing, Effect, Severity
from smecheck.checks.forbidden import Forbidden, Part, met
from smecheck.checks.rule import (
    OWN_SECTION,
    SME_OFF_NOW,
    Observation,
    rule,
    segment_party,
)
from smecheck.kernel.constants import PAGE_SIZE, PMD_SIZE
from smecheck.kernel.generations import GENERATION_RULES
from smecheck.load.segments import SegmentRole
from smecheck.quantity import size_text
from smecheck.span import Span, SpanSet
from smecheck.workarea.page_tables import page_aligned_initrd, partial_frames

if TYPE_CHECKING:
    from smecheck.case import Located, Resolved


def _frames_shared_with_initrd(located: Located) -> Iterator[Forbidden]:
    """Forbid to map the 2 MiB frames that an initrd covers in part."""
    if not any(GENERATION_RULES[g].encrypts_initrd for g in located.facts.generations):
        return
    for segment in located.neighbours:
        is_unnamed = segment.role is SegmentRole.OTHER and located.boot.initrd.size > 0
        if segment.role is SegmentRole.INITRD or is_unnamed:
            numbers = partial_frames(page_aligned_initrd(segment.span))
            frames = SpanSet(Span.sized(number * PMD_SIZE, PMD_SIZE) for number in numbers)
            yield Forbidden(segment.role.value, Part.MAPPED, frames, segment)


@rule(
    "SME003",
    "the initrd loses its encryption bit",
    Severity.ERROR,
    passed="initrd keeps its encryption bit",
    brief="loses its encryption bit",
    effect=Effect.COLLISION,
    needs=(needs.places, needs.segments),
    forbids=_frames_shared_with_initrd,
    remedy=SME_OFF_NOW + OWN_SECTION,
)
def initrd_loses_encryption(resolved: Resolved) -> Iterator[Observation]:
    """The workarea's decrypted mapping replaces that of an initrd in the same 2 MiB frame.

    The workarea is mapped with 2 MiB entries without the C bit, up to a 2 MiB boundary: 4 MiB, of
    which little more than half is written. An initrd that covers such a frame only in part was
    mapped there with 4 KiB entries; they are replaced, and that part of the initrd is "encrypted"
    through a mapping that does not encrypt. The kernel later reads plain bytes as encrypted ones:
    "Initramfs unpacking failed". Frames that the initrd covers completely keep their bit. Seen in
    the page tables of a v5.0 kernel; garbling those pages showed that it dies of this.

    Passes: an initrd at 0x11000000, where the mapped part ends, or one of whole 2 MiB frames.
    Fails: an initrd of 2 MiB at 0x10fff000: its first page.
    Sources: arch/x86/mm/mem_encrypt_identity.c, sme_map_range_decrypted(), v5.0;
    experiments old-l-c-2g-mmC and old-l-c-2g-mmC-garble (docs/evidence.md).
    """
    for forbidden, hit in met(resolved, _frames_shared_with_initrd):
        if forbidden.segment is None:
            continue
        lost = hit & page_aligned_initrd(forbidden.segment.span)
        certain = forbidden.segment.role is SegmentRole.INITRD
        yield Observation(
            message=f"{size_text(lost.size)} of the initrd share a 2 MiB frame with the mapped "
            "workarea: they stay unencrypted and are read as encrypted",
            span=lost,
            other=segment_party(forbidden.segment),
            condition=None if certain else "this unnamed segment is the initrd",
        )


@rule(
    "SME010",
    "a segment lies in the mapped, unwritten part of the workarea",
    Severity.NOTE,
    passed="no segment in the mapped part",
    brief="is mapped, not written",
    bearing=Bearing.MAPPED_PART,
    needs=(needs.places, needs.segments),
    remedy="nothing to do for this load; the next load may place it lower",
)
def neighbour_in_mapped_part(resolved: Resolved) -> Iterator[Observation]:
    """A segment other than the initrd lies where the workarea is mapped but not written.

    boot_params, purgatory and the like are not encrypted in place, so a decrypted mapping does them
    no harm; kernels with such neighbours came up in every run. It is harmless, but only by luck.

    Passes: purgatory at 0x11000000, where the mapped part ends.
    Fails: purgatory at 0x10fff000, written to 0x10e07000 (a note).
    Sources: experiments of docs/evidence.md in which kernels with such neighbours came up.
    """
    extents = resolved.extents
    if extents is None:
        return
    reached = extents.written_end if resolved.placement.written_is_exact else extents.worst_end
    unwritten = Span(min(reached, extents.mapped_end), extents.mapped_end)
    for segment in resolved.neighbours:
        hit = unwritten & segment.span
        if hit and segment.role is not SegmentRole.INITRD:
            yield Observation(
                message=f"{size_text(hit.size)} of {segment.role.value} are mapped but not "
                f"written, {_distance(hit.start - reached)} what is written",
                span=hit,
                other=segment_party(segment),
            )


@rule(
    "SME019",
    "the initrd does not begin on a page",
    Severity.WARNING,
    passed="initrd begins on a page",
    brief="does not begin on a page",
    needs=(needs.initrd_place,),
    remedy="load the initrd at a page boundary",
)
def unaligned_initrd(resolved: Resolved) -> Iterator[Observation]:
    """The initrd's start is not a multiple of 4 KiB.

    __sme_map_range_pte() puts the physical address into the page-table entry as it is, so its low
    bits become flags. Every loader that is known keeps the initrd page-aligned; the kernel does not
    check it.

    Passes: an initrd at 0x20000000.
    Fails: one at 0x20000001.
    Sources: arch/x86/mm/mem_encrypt_identity.c (since v6.16 arch/x86/boot/startup/sme.c),
    __sme_map_range_pte(), v5.0 to v7.3.
    """
    initrd = resolved.boot.initrd
    if initrd.span is not None and initrd.span.start % PAGE_SIZE:
        yield Observation(
            message="the low bits of the initrd's address become flags of its page-table entries",
            span=initrd.span,
        )


def _distance(size: int) -> str:
    return f"{size_text(size)} past" if size else "directly after"


RULES = (initrd_loses_encryption, neighbour_in_mapped_part, unaligned_initrd)
