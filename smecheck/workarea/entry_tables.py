"""The page tables in force when the workarea is set up, and whether they let it be mapped.

sme_encrypt_kernel() maps the workarea in the tables it finds. Where a 1 GiB frame of it has no
table yet, it takes one from the workarea itself, 0x202000 past its start. If that place is mapped
already, one more page is written for each such table. If not, the kernel takes a page fault without
a handler: a triple fault, before a single byte was copied.

Which tables those are depends on the boot, and not all of them are known. Every possibility that is
left open is looked at.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from smecheck.evidence import Known, Unknown, value_of
from smecheck.kernel.constants import (
    EXECUTE_LEN,
    P4D_SIZE,
    PAGE_SIZE,
    PGDIR_SIZE_5LEVEL,
    PMD_SIZE,
    PUD_SIZE,
)
from smecheck.load.segments import SegmentList, SegmentRole
from smecheck.record import record, replace
from smecheck.span import Span, SpanSet, align_down
from smecheck.workarea.ownership import moved_by_kaslr
from smecheck.workarea.placement import TablesAtEntry

if TYPE_CHECKING:
    from smecheck.case import Located

_ISA_SPACE = Span(0, 1 << 20)
_STARTUP_32 = Span(0, 4 << 30)
_FIRMWARE_TABLES = ("acpi", "reserved")
"""How resources begin in which ACPI and EFI tables lie, which newer kernels map for kexec."""


@record
class EntryTables:
    """One set of page tables that may be in force at entry."""

    name: str
    least: SpanSet
    """What they surely map, in whole 2 MiB frames."""
    most: SpanSet | None
    """Nothing outside of this is mapped; ``None`` where no bound is known."""
    if_no_more: str | None
    """What it takes for ``least`` to be all; ``None`` where facts are missing to say that."""


_STARTUP_32_TABLES = EntryTables("startup_32()'s page tables", SpanSet([_STARTUP_32]), None, None)
"""arch/x86/boot/compressed/head_64.S: 0 to 4 GiB in 2 MiB pages, to which KASLR adds."""

_OF_FIRST_BOOT = [
    _STARTUP_32_TABLES,
    EntryTables("the page tables of a 64-bit boot loader", SpanSet(), None, None),
]
"""Loaders that enter in 64-bit mode bring their own: the firmware's map all memory, but what KASLR
builds from there on, up to v5.9, is less, and where boot_params and the command line lie is not
known."""


@record
class Meeting:
    """What happens when the workarea is mapped in a set of tables."""

    added: int
    """Tables that are taken out of the workarea."""
    faults: bool
    """The first of them would be written where nothing is mapped."""
    unreached: SpanSet
    """The parts of the workarea in 1 GiB frames without a table."""


def _enters_32bit(located: Located) -> bool:
    """Return whether kexec was asked to enter the kernel at startup_32()."""
    host, segments = located.host, located.segments
    if host is None or not host.kexec_options:
        return False
    loader = value_of(segments.loader) if segments is not None else None
    if loader is not None and not loader.rules.may_enter_32bit:
        return False
    from smecheck.load.kexec_options import options_of_host

    return options_of_host(host).enters_32bit


def meet(mapped: SpanSet, workarea: Span, *, levels: int) -> Meeting:
    """Map ``workarea`` frame by frame in tables that map ``mapped``.

    Source: sme_prepare_pgd() and sme_populate_pgd_large(), arch/x86/mm/mem_encrypt_identity.c,
    v4.17 to v7.3: a table is added where an entry of an upper level is missing; entries that are
    there, of 2 MiB or of 1 GiB, are kept.

    Args:
        mapped: what the tables map, in whole 2 MiB frames.
        workarea: what is to be mapped.
        levels: 4 or 5, of the tables.
    """
    wanted = SpanSet([workarea.aligned_out(PMD_SIZE)])
    added = 0
    for frame_size in (PUD_SIZE, P4D_SIZE, *([PGDIR_SIZE_5LEVEL] if levels == 5 else [])):
        missing = _frames(wanted, frame_size) - _frames(mapped, frame_size)
        added += missing.size // frame_size
    unreached = wanted - _frames(mapped, PUD_SIZE)
    first_new = next((span.start for span in unreached), None)
    # Frames below the first that takes a table have been mapped by then.
    new_tables = Span.sized(align_down(workarea.start + EXECUTE_LEN, PMD_SIZE), PMD_SIZE)
    faults = (
        first_new is not None and first_new <= new_tables.start and not mapped.covers(new_tables)
    )
    return Meeting(added, faults, unreached)


def tables_at_entry(
    located: Located,
    image: Span,
    workarea: Span,
    *,
    levels: tuple[int, ...],
    unpacked: Span,
    may_build_own: bool,
) -> TablesAtEntry:
    """Say what mapping the workarea takes, and whether the kernel survives it.

    Args:
        located: the boot, the load and the machine.
        image: from ``_text`` to ``_end``, physical.
        workarea: what is to be mapped.
        levels: of the tables: 4, 5, or both where that is not known.
        unpacked: what a decompressor surely maps of the kernel, as far as that is known.
        may_build_own: the decompressor may be one that always builds tables of its own.
    """
    if image.aligned_out(PUD_SIZE).covers(workarea):
        return reached("no further page tables are written")
    own = SpanSet([image.aligned_out(PMD_SIZE)])
    possible = _possible_tables(located, unpacked, may_build_own=may_build_own)
    outcomes = [_outcome(tables, own, workarea, count) for tables in possible for count in levels]
    if not outcomes:
        return _unknown("the page tables that the decompressor builds for KASLR map only the image")
    may_fault = [outcome for outcome in outcomes if outcome.unreached]
    if not may_fault:
        return _agreed(outcomes)
    first = may_fault[0]
    if may_fault == outcomes and all(outcome.condition is None for outcome in outcomes):
        return first
    condition = first.condition or f"{first.tables} are in force"
    return replace(first, condition=condition)


def _agreed(outcomes: list[TablesAtEntry]) -> TablesAtEntry:
    """Return what all possible tables come to, where none of them makes the kernel fault."""
    unknown = next((o for o in outcomes if isinstance(o.added, Unknown)), None)
    if unknown is not None:
        return unknown
    if len({value_of(outcome.added) for outcome in outcomes}) > 1:
        return _unknown("the page tables that are possible at entry lack different ones")
    return outcomes[0]


def reached(why: str) -> TablesAtEntry:
    """Return that all of the workarea can be mapped without a table from itself."""
    return TablesAtEntry(Known(0, why), SpanSet(), None, why)


def _unknown(why: str) -> TablesAtEntry:
    return TablesAtEntry(Unknown(why), SpanSet(), None, why)


def _outcome(tables: EntryTables, own: SpanSet, workarea: Span, levels: int) -> TablesAtEntry:
    """Map the workarea in these tables: in the least that they map, and in the most."""
    least = meet(tables.least | own, workarea, levels=levels)
    if least.added == 0:
        return reached(f"{tables.name} reach all of it")
    most = None if tables.most is None else meet(tables.most | own, workarea, levels=levels)
    if not least.faults:
        if most is not None and most.added == least.added:
            why = f"{tables.name} reach the place of the tables that are added"
            return TablesAtEntry(Known(least.added, why), SpanSet(), None, tables.name)
        return _unknown(f"{tables.name} may not reach all of it")
    if most is not None and most.faults:
        return _fault(tables, least, None)
    if tables.if_no_more is None:
        return _unknown(f"{tables.name} may not reach all of it")
    return _fault(tables, least, tables.if_no_more)


def _fault(tables: EntryTables, met: Meeting, condition: str | None) -> TablesAtEntry:
    why = f"{tables.name} do not reach it: the kernel faults before it writes anything"
    return TablesAtEntry(Unknown(why), met.unreached, condition, tables.name)


def _possible_tables(located: Located, unpacked: Span, *, may_build_own: bool) -> list[EntryTables]:
    boot, segments = located.boot, located.segments
    if not boot.path.by_kexec:
        return _OF_FIRST_BOOT
    if located.without_decompressor:
        return [_of_kexec(located)]
    enters_32bit = _enters_32bit(located)
    if moved_by_kaslr(boot, located.rules) and not enters_32bit:
        return [_of_decompressor(unpacked, segments, "KASLR chose the place")]
    if not boot.base_is_certain:
        return []
    if enters_32bit:
        return [_STARTUP_32_TABLES]
    if may_build_own:
        why = "the decompressor builds tables of its own (v5.10)"
        return [_of_kexec(located), _of_decompressor(unpacked, segments, why)]
    return [_of_kexec(located)]


def _of_kexec(located: Located) -> EntryTables:
    """Return what kexec maps: memory and segments (machine_kexec_64.c, init_pgtable()).

    With 1 GiB pages a kernel before cc31744a2945 maps a whole GiB where it is asked for a part of
    one; the change was backported, so it may or may not. Newer kernels map ACPI tables as well, and
    those of EFI, whose place no memory map shows: they may lie wherever it says "Reserved".

    Whether that kernel and machine have 1 GiB pages decides nothing: a 1 GiB frame has a table or
    an entry of its own as soon as any part of it is mapped.
    """
    spans = [_ISA_SPACE]
    if located.segments is not None:
        spans += [segment.span for segment in located.segments.segments]
    memory = located.memory
    if memory is not None:
        spans += memory.system_ram
    if memory is None or not memory.complete:
        return EntryTables("kexec's page tables", _frames(SpanSet(spans), PMD_SIZE), None, None)
    firmware = (
        region.span
        for region in memory.regions
        # What is nested lies in RAM, or is a bus's.
        if region.depth == 0 and region.name.lower().startswith(_FIRMWARE_TABLES)
    )
    return EntryTables(
        "kexec's page tables",
        least=_frames(SpanSet(spans), PMD_SIZE),
        most=_frames(SpanSet([*spans, *firmware]), PUD_SIZE),
        if_no_more="kexec maps no ACPI or EFI table in that 1 GiB frame",
    )


def _of_decompressor(unpacked: Span, segments: SegmentList | None, condition: str) -> EntryTables:
    """Return what a decompressor maps in tables of its own.

    arch/x86/boot/compressed/kaslr_64.c, add_identity_map(), v4.14 to v5.9, which builds them where
    KASLR moves the kernel: itself, boot_params, the command line and needed_size at the new place.
    Since v5.10 (ident_map_64.c) always, and 2 MiB wherever it faults, as it does over all of
    output_len.
    """
    spans = [unpacked]
    if segments is not None:
        # The decompressor ends with its buffer; how far down it reaches is not counted on.
        kernel = segments.of(SegmentRole.KERNEL)
        spans += [Span(segment.span.end - PAGE_SIZE, segment.span.end) for segment in kernel]
        spans += [segment.span for segment in segments.of(SegmentRole.BOOT_PARAMS)]
    return EntryTables(
        "the decompressor's page tables",
        least=_frames(SpanSet(spans), PMD_SIZE),
        most=None,
        if_no_more=f"{condition} and nothing else of the boot lies in that frame",
    )


def _frames(spans: SpanSet, frame_size: int) -> SpanSet:
    return SpanSet(span.aligned_out(frame_size) for span in spans)
