"""The page tables in force when the workarea is set up: which memory they surely reach.

Mapping the workarea takes a new table, out of the workarea itself, for every 1 GiB frame that has
none yet. Where all its frames have one, the number of pages written is exact, and nothing faults.
"""

from __future__ import annotations

from smecheck.evidence import Fact, Known, Unknown
from smecheck.model.boot import Boot, Path
from smecheck.model.memory import MemoryMap
from smecheck.model.placement import Extents
from smecheck.model.segments import SegmentList, SegmentRole
from smecheck.placement.constants import PUD_SIZE
from smecheck.span import Span, SpanSet

_MAPPED_BY_DECOMPRESSOR = (SegmentRole.KERNEL, SegmentRole.BOOT_PARAMS)
"""What a decompressor that moves the kernel maps beside the new place, v4.14 to v5.9: itself,
boot_params and the command line (arch/x86/boot/compressed/kaslr_64.c, add_identity_map())."""


def frames_with_tables(
    base: int, extents: Extents, segments: SegmentList | None, *, moved_by_kaslr: bool
) -> SpanSet:
    """Return the 1 GiB frames that surely have a table, or a 1 GiB entry, at entry.

    The kernel executes from its identity mapping, so every frame that it touches has one, whoever
    built the tables.

    Args:
        base: physical ``_text``.
        extents: of the workarea behind it.
        segments: of the load.
        moved_by_kaslr: the decompressor built new tables for a kernel that it put elsewhere.
    """
    spans = [Span(base, extents.in_place.start)]
    if moved_by_kaslr and segments is not None:
        for role in _MAPPED_BY_DECOMPRESSOR:
            spans += [segment.span for segment in segments.of(role)]
    return SpanSet(span.aligned_out(PUD_SIZE) for span in spans)


def entry_tables_reach(
    extents: Extents,
    boot: Boot,
    segments: SegmentList | None,
    memory: MemoryMap | None,
    *,
    moved_by_kaslr: bool,
) -> Fact[str]:
    """Say why the tables at entry surely reach the mapped workarea, or why that is not known."""
    if isinstance(boot.kernel_base, Unknown):
        return Unknown("where the kernel runs is not known")
    base = boot.kernel_base.value
    if frames_with_tables(base, extents, segments, moved_by_kaslr=False).covers(extents.mapped):
        return Known("it lies in the 1 GiB frames of the kernel itself", "identity mapping")
    if boot.path is Path.FIRST_BOOT:
        return Unknown("the page tables of this boot loader are not known")
    if moved_by_kaslr or not boot.base_is_certain:
        frames = frames_with_tables(base, extents, segments, moved_by_kaslr=moved_by_kaslr)
        if frames.covers(extents.mapped):
            return Known("it lies in 1 GiB frames that the decompressor maps", "decompressor")
        return Unknown("the page tables that the decompressor builds for KASLR map only the image")
    if memory is not None and memory.system_ram.covers(extents.mapped):
        return Known("kexec's page tables map all System RAM", "machine_kexec_64.c, init_pgtable()")
    return Unknown("it begins a 1 GiB frame that kexec's page tables may not map")
