"""What smecheck predicts for one start: its arithmetic, as in every other answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smecheck.boot.boot import Initrd
from smecheck.emulation.table_walk import ENTRIES, joined
from smecheck.kernel.constants import (
    EXECUTE_LEN,
    P4D_SIZE,
    PAGE_SIZE,
    PGDIR_SIZE_5LEVEL,
    PMD_SIZE,
)
from smecheck.kernel.verification import Figures, Mapping
from smecheck.span import Span, SpanSet, align_up
from smecheck.workarea.arithmetic import reach_at
from smecheck.workarea.entry_tables import Meeting, meet
from smecheck.workarea.page_tables import page_aligned_initrd

if TYPE_CHECKING:
    from smecheck.emulation.start import Start
    from smecheck.kernel.generations import GenerationRules
    from smecheck.workarea.arithmetic import KernelLayout
    from smecheck.workarea.placement import Extents


def predict(start: Start, layout: KernelLayout, rules: GenerationRules) -> Figures:
    """Return all numbers of the run, or those up to where it will end."""
    span = start.initrd
    initrd = Initrd(span, span.size if span else 0, "the matrix")
    reach = reach_at(start.base, layout, rules, levels=start.levels, initrd=initrd)
    extents = reach.extents
    meeting = meet(start.entries.mapped, extents.mapped, levels=start.levels)
    tables_start = extents.start + EXECUTE_LEN
    if meeting.faults:
        return Figures(fault=tables_start)
    missing = SpanSet([extents.mapped]) - start.entries.mapped
    live_tables = tuple(Mapping(span, span.start, encrypted=False) for span in missing)
    if start.until_tables:
        return Figures(
            tables_start=tables_start,
            length=extents.worst.size,
            mapped_end=extents.mapped_end,
            live_tables=live_tables,
        )
    kernel = Span.sized(start.base, layout.kernel_size)
    encrypted = [kernel]
    if span and rules.encrypts_initrd:
        encrypted.append(page_aligned_initrd(span))
    ranges = [kernel, *map(_mapped_initrd, encrypted[1:])]
    ends = [one.end for one in (*encrypted[1:], extents.mapped)]
    mapped = _mapped(ranges, extents.mapped, _free_entry(ends, start.levels))
    return Figures(
        start=extents.start,
        tables_start=tables_start,
        length=extents.worst.size,
        mapped_end=extents.mapped_end,
        tables_added=meeting.added,
        live_tables=live_tables,
        mapped=mapped,
        mapped_at_end=tuple(one for one in mapped if one.virtual.start == one.physical),
        asked=tuple(encrypted),
        written=_written(extents, meeting),
        encrypted=SpanSet(encrypted),
        unencrypted=SpanSet([extents.mapped]),
    )


def _mapped_initrd(initrd: Span) -> Span:
    """Return what is mapped of an initrd: from within a 2 MiB frame on, at least its rest.

    Source: __sme_map_range(), which maps pages up to ALIGN(vaddr, PMD_SIZE) first.
    """
    return Span(initrd.start, max(initrd.end, align_up(initrd.start, PMD_SIZE)))


def _written(extents: Extents, meeting: Meeting) -> SpanSet:
    # The copy buffer is filled whole: no kernel with SME is smaller than its 2 MiB.
    return SpanSet([Span(extents.start, extents.written_end + meeting.added * PAGE_SIZE)])


def _free_entry(ends: list[int], levels: int) -> int:
    """Return where the first top-level entry begins that is free past all these ends.

    Source: sme_encrypt_kernel(), decrypted_base, of the initrd's pages and the workarea.
    """
    top_size = PGDIR_SIZE_5LEVEL if levels == 5 else P4D_SIZE
    return max((end // top_size + 1) % ENTRIES for end in ends) * top_size


def _mapped(encrypted: list[Span], workarea: Span, offset: int) -> tuple[Mapping, ...]:
    """Return what the new page tables map: everything one to one, and again without the C-bit.

    Args:
        encrypted: the kernel and the initrd, as far as they are mapped.
        workarea: all of it.
        offset: of what is mapped again.
    """
    one_to_one = [(span, True) for span in encrypted] + [(workarea, False)]
    return joined(
        (span.start + distance, span.start, span.size, bit and not distance, True)
        for distance in (0, offset)
        for span, bit in one_to_one
    )
