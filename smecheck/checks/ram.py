"""The workarea must be memory, and memory that the page tables at entry reach."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from smecheck.checks import needs
from smecheck.checks.finding import Effect, Party, Severity
from smecheck.checks.forbidden import EVERYWHERE, Forbidden, Part, met
from smecheck.checks.rule import OWN_SECTION, Observation, rule
from smecheck.kernel.constants import EXECUTE_LEN, PUD_SIZE
from smecheck.machine.memory import MemoryMap
from smecheck.quantity import address_text, size_text
from smecheck.remembered import remembered
from smecheck.span import Span, SpanSet, align_down
from smecheck.workarea.placement import Extents

if TYPE_CHECKING:
    from smecheck.case import Located, Resolved


def _what_is_no_ram(located: Located) -> Iterator[Forbidden]:
    """Forbid to use what is neither System RAM nor, most likely, memory."""
    if located.memory is not None:
        outside = _outside_ram(located.memory)
        for part in (Part.TOUCHED, Part.AT_WORST):
            yield Forbidden("no System RAM", part, outside)


@remembered
def _outside_ram(memory: MemoryMap) -> SpanSet:
    return EVERYWHERE - memory.system_ram - memory.ram_buffer


@rule(
    "SME004",
    "the workarea is not System RAM",
    Severity.ERROR,
    passed="workarea is System RAM",
    brief="workarea is not System RAM",
    effect=Effect.COLLISION,
    phrase="is not all System RAM",
    needs=(needs.places, needs.memory),
    forbids=_what_is_no_ram,
    remedy="at once: boot it with mem_encrypt=off, or load it lower in memory (kexec --mem-max); "
    "for good: " + OWN_SECTION,
)
def workarea_outside_ram(resolved: Resolved) -> Iterator[Observation]:
    """Part of the workarea, or of what is encrypted in place before it, is not System RAM.

    The page tables are built 0x202000 past the workarea's start. If that is not memory, or not
    mapped at entry, the kernel takes a page fault without a handler: a triple fault, before a
    single byte was copied. It happens with the default layout of kexec -l, which puts the kernel
    at the top of RAM, even where no segment lies above it. A part that is only mapped, not
    written, does no harm by itself. "RAM buffer" is most likely memory: a warning.

    Passes: System RAM up to 0x10e07000: what follows is only mapped (a note).
    Fails: System RAM up to 0x10e06000, one page less than is written.
    Sources: arch/x86/mm/mem_encrypt_identity.c, sme_encrypt_kernel(), execute_end;
    arch/x86/kernel/head_64.S, no exception handler yet, v5.0; arch/x86/kernel/e820.c, "RAM buffer",
    v5.0 to v7.3.
    """
    extents, memory = resolved.extents, resolved.memory
    if extents is None or memory is None:
        return
    exact, missed = resolved.placement.written_is_exact, list(met(resolved, _what_is_no_ram))
    for forbidden, span in missed:
        if forbidden.part is Part.TOUCHED:
            yield _finding(span, memory, _consequence(span, extents), Severity.ERROR)
    written = Span(extents.in_place.start, max(extents.in_place.start, extents.written_end))
    for span in SpanSet([written]) & memory.ram_buffer - memory.system_ram:
        yield _finding(
            span,
            memory,
            "it is left free as memory that firmware may have taken, or mem= hides it",
            Severity.WARNING,
            condition="it is not backed by memory",
        )
    for forbidden, span in missed:
        if forbidden.part is Part.AT_WORST:
            yield _finding(
                span,
                memory,
                "written at worst",
                Severity.ERROR,
                condition="the page tables take more than the fewest pages",
            )
    reached = extents.written_end if exact else extents.worst_end
    unwritten = Span(min(reached, extents.mapped_end), extents.mapped_end)
    for span in SpanSet([unwritten]) & _outside_ram(memory):
        yield _finding(span, memory, "mapped, not written: no harm", Severity.NOTE)


@rule(
    "SME020",
    "the page tables at entry do not reach the workarea",
    Severity.ERROR,
    passed="workarea mapped at entry",
    brief="not mapped at entry",
    effect=Effect.COLLISION,
    phrase="is not mapped at entry",
    needs=(needs.entry_tables,),
    faults_at_entry=True,
    remedy="at once: boot it with mem_encrypt=off, or load it lower in memory (kexec --mem-max); "
    "for good: " + OWN_SECTION,
)
def not_mapped_at_entry(resolved: Resolved) -> Iterator[Observation]:
    """Mapping the workarea takes a page table, and its place is not mapped: a triple fault.

    sme_encrypt_kernel() maps the workarea in the page tables that it finds. Where a 1 GiB frame of
    it has no table yet, it builds one 0x202000 past the workarea's start. If that place is not
    mapped either, the kernel dies before a single byte was copied. The kernel's own frames are
    always mapped, so this takes a workarea that begins or continues in another 1 GiB frame.

    Which tables those are depends on the boot. kexec maps System RAM and the segments (and ACPI
    and EFI tables, which makes it conditional where they may lie in that frame). Up to v5.9 a
    decompressor that moves a kernel maps the image, the command line and boot_params; since v5.10
    it always builds its own tables. startup_32() maps 0 to 4 GiB. A section that is in the file was
    unpacked where it is, so it is mapped. The compiled code of v5.0 and 6.1 faulted in each of the
    recorded runs whose tables did not reach, and in no other.

    Passes: a kernel at 0x3f000000 whose workarea lies in the same 1 GiB frame.
    Fails: one at 0x3f200000 whose workarea reaches over 0x40000000, where there is no memory, or
    where KASLR put it there.
    Sources: sme_prepare_pgd(), v5.0 to v7.3; init_pgtable(), arch/x86/kernel/machine_kexec_64.c;
    arch/x86/boot/compressed/kaslr_64.c, initialize_identity_maps(), v5.0, and ident_map_64.c since
    v5.10; cc31744a2945, 8570978ea030.
    """
    tables = resolved.placement.tables
    if tables is None:
        return
    for span in tables.unreached:
        yield Observation(
            message=f"{size_text(span.size)} of the workarea lie in the 1 GiB frame at "
            f"{address_text(align_down(span.start, PUD_SIZE))}, which {tables.tables} do not map: "
            "the kernel faults before it writes anything",
            span=span,
            condition=tables.condition,
        )


def _consequence(span: Span, extents: Extents) -> str:
    if span.end > extents.start + EXECUTE_LEN:
        return "the page tables would be built there: a triple fault before anything is printed"
    if span.start < extents.start:
        return "it is encrypted in place with the kernel"
    return "it is surely written"


def _finding(
    span: Span, memory: MemoryMap, what: str, severity: Severity, *, condition: str | None = None
) -> Observation:
    region = memory.innermost(span.start)
    if condition is None and region is None and not memory.complete:
        condition = f"{memory.source}, a fragment of a map, is not missing System RAM there"
    return Observation(
        severity=severity,
        message=f"{size_text(span.size)} of the workarea are not System RAM "
        f"({memory.name_at(span.start)}): {what}",
        span=span,
        other=Party(region.name, region.span) if region else None,
        condition=condition,
        remedy="nothing to do" if severity is Severity.NOTE else "",
    )


RULES = (workarea_outside_ram, not_mapped_at_entry)
