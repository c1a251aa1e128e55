"""The arithmetic of sme_encrypt_kernel(): where the workarea lies and how far it reaches.

The expressions follow v4.14 to v7.3 (see ``kernel/generations.py`` for what differs) and agree
with the kernels' compiled code in every recorded run of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from smecheck.evidence import Step
from smecheck.kernel.constants import (
    EXECUTE_LEN,
    P4D_SIZE,
    PAGE_SIZE,
    PGDIR_SIZE_5LEVEL,
    PMD_SIZE,
    PUD_SIZE,
)
from smecheck.quantity import address_text, size_text
from smecheck.record import record
from smecheck.span import Span, align_up, ceil_div
from smecheck.workarea.page_tables import (
    TableCount,
    count_tables,
    fewest_tables,
    page_aligned_initrd,
)
from smecheck.workarea.placement import Extents

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from smecheck.boot.boot import Initrd
    from smecheck.kernel.generations import GenerationRules

_SME_ENCRYPT_KERNEL = "sme_encrypt_kernel()"


@record
class KernelLayout:
    """The link-time offsets from ``_text`` that the arithmetic needs."""

    end_offset: int
    """``_end`` minus ``_text``."""
    workarea_offset: int | None
    """The section's start minus ``_text``; ``None`` for the after-end scheme."""

    @property
    def kernel_size(self) -> int:
        """What is encrypted in place: up to ``_end`` rounded up to 2 MiB."""
        return align_up(self.end_offset, PMD_SIZE)


@record
class Reach:
    """The extents for one combination of generation, paging and initrd."""

    extents: Extents
    base: int | None
    """Physical ``_text``; ``None`` where the extents are offsets from it."""
    layout: KernelLayout
    rules: GenerationRules
    levels: int
    initrd: Initrd
    area: PageTableArea
    count: TableCount

    @property
    def steps(self) -> tuple[Step, ...]:
        """The derivation. It is worded for whoever asks: most reaches are only compared."""
        return tuple(_steps(self))


@record
class PageTableArea:
    """What the kernel allows for page tables, in bytes."""

    for_kernel: int
    """Kernel, and workarea up to its page tables; counted twice."""
    for_initrd: int
    """Counted twice; 0 where no initrd is encrypted."""
    for_workarea: int

    @property
    def size(self) -> int:
        """pgtable_area_len."""
        return PAGE_SIZE + 2 * self.for_kernel + 2 * self.for_initrd + self.for_workarea

    @property
    def length(self) -> int:
        """workarea_len."""
        return EXECUTE_LEN + self.size


def pgtable_calc(length: int, rules: GenerationRules, *, levels: int) -> int:
    """Return the bytes of page tables that the kernel allows for mapping ``length`` bytes.

    Source: sme_pgtable_calc(), v4.14 and v4.15 arch/x86/mm/mem_encrypt.c, v4.17 (Shutemov,
    2018-01-23) arch/x86/mm/mem_encrypt_identity.c.
    """
    top_size = PGDIR_SIZE_5LEVEL if levels == 5 else P4D_SIZE
    entries = (ceil_div(length, top_size) + 1) * PAGE_SIZE if levels == 5 else 0
    entries += (ceil_div(length, P4D_SIZE) + 1) * PAGE_SIZE
    entries += (ceil_div(length, PUD_SIZE) + 1) * PAGE_SIZE
    entries += rules.pte_page_count * PAGE_SIZE
    tables = ceil_div(entries, top_size) * PAGE_SIZE if levels == 5 else 0
    tables += ceil_div(entries, P4D_SIZE) * PAGE_SIZE
    tables += ceil_div(entries, PUD_SIZE) * PAGE_SIZE
    return entries + tables


def reach_at(
    base: int, layout: KernelLayout, rules: GenerationRules, *, levels: int, initrd: Initrd
) -> Reach:
    """Compute the physical extents of the workarea of a kernel whose ``_text`` is at ``base``."""
    encrypted = page_aligned_initrd(initrd.span) if initrd.span and rules.encrypts_initrd else None

    def tables(kernel: Span, workarea: Span) -> TableCount:
        if levels == 5 and not rules.builds_five_levels:
            # 4-level tables walked as five: what is written there is anyone's guess, but no less.
            return fewest_tables(kernel.size, workarea.size, levels=4)
        return count_tables(kernel, workarea, encrypted, levels=levels)

    return _reach(base, layout, rules, levels=levels, initrd=initrd, tables=tables)


def reach_anywhere(
    layout: KernelLayout, rules: GenerationRules, *, levels: int, initrd: Initrd
) -> Reach:
    """Compute the extents as offsets from ``_text``, for a kernel that may lie anywhere.

    ``written_end`` is then the least that is written at any address, with or without an initrd.
    """
    built_levels = levels if rules.builds_five_levels else 4

    def tables(kernel: Span, workarea: Span) -> TableCount:
        return fewest_tables(kernel.size, workarea.size, levels=built_levels)

    return _reach(None, layout, rules, levels=levels, initrd=initrd, tables=tables)


def _reach(
    base: int | None,
    layout: KernelLayout,
    rules: GenerationRules,
    *,
    levels: int,
    initrd: Initrd,
    tables: Callable[[Span, Span], TableCount],
) -> Reach:
    """Compute the extents from ``base`` on, or from ``_text`` as 0 where that is not known."""
    origin = base or 0
    kernel = Span(origin, origin + layout.kernel_size)
    start = kernel.end if layout.workarea_offset is None else origin + layout.workarea_offset
    initrd_size = _encrypted_size(initrd) if rules.encrypts_initrd else 0
    area = _area(start + EXECUTE_LEN - origin, initrd_size, rules, levels=levels)
    worst_end = start + area.length
    mapped_end = align_up(worst_end, PMD_SIZE)
    count = tables(kernel, Span(start, mapped_end))
    written_end = start + EXECUTE_LEN + count.pages * PAGE_SIZE
    in_place = Span(origin + layout.end_offset, kernel.end)
    extents = Extents(in_place, start, written_end, worst_end, mapped_end)
    return Reach(
        extents=extents,
        base=base,
        layout=layout,
        rules=rules,
        levels=levels,
        initrd=initrd,
        area=area,
        count=count,
    )


def _area(
    mapped_size: int, initrd_size: int, rules: GenerationRules, *, levels: int
) -> PageTableArea:
    """Compute pgtable_area_len; ``mapped_size`` is execute_end - kernel_start."""
    for_kernel = pgtable_calc(mapped_size, rules, levels=levels)
    for_initrd = pgtable_calc(initrd_size, rules, levels=levels) if initrd_size else 0
    # The kernel passes the sum so far, PGD included, and computes this once.
    so_far = EXECUTE_LEN + PageTableArea(for_kernel, for_initrd, 0).size
    return PageTableArea(for_kernel, for_initrd, pgtable_calc(so_far, rules, levels=levels))


def _steps(reach: Reach) -> Iterator[Step]:
    """Yield how each number follows from those before it."""
    base, extents, count = reach.base, reach.extents, reach.count
    yield from _placing_steps(reach)
    yield from _length_steps(reach)
    yield Step(
        "worst_end",
        extents.worst_end,
        f"workarea_start + workarea_len {address_text(reach.area.length)}",
        f"{_SME_ENCRYPT_KERNEL}, workarea_end before it is aligned",
    )
    yield Step(
        "mapped_end",
        extents.mapped_end,
        f"{address_text(extents.worst_end)} rounded up to 2 MiB",
        f"{_SME_ENCRYPT_KERNEL}, workarea_end = ALIGN(…, PMD_SIZE)",
    )
    yield Step(
        "pgtable_pages",
        count.pages,
        count.formula if base is not None else f"at least {count.formula}",
        "sme_populate_pgd(), sme_populate_pgd_large() and the compiled code's recorded writes",
    )
    yield Step(
        "written_end",
        extents.written_end,
        f"workarea_start + execute_len {address_text(EXECUTE_LEN)} + {count.pages} pages",
        f"{_SME_ENCRYPT_KERNEL}, ppd.pgtable_area begins at execute_end",
    )


def _placing_steps(reach: Reach) -> Iterator[Step]:
    base, layout = reach.base, reach.layout
    from_text = "_text" if base is None else f"kernel_base {address_text(base)}"
    origin = base or 0
    end = origin + layout.end_offset
    yield Step(
        "phys_end" if base is not None else "end_offset",
        end,
        f"{from_text} + (_end - _text) {address_text(layout.end_offset)}",
        "__pa_symbol(_end)",
    )
    yield Step(
        "kernel_end",
        origin + layout.kernel_size,
        f"{address_text(end)} rounded up to 2 MiB",
        f"{_SME_ENCRYPT_KERNEL}, kernel_end = ALIGN(…, PMD_SIZE)",
    )
    formula = "kernel_end"
    if layout.workarea_offset is not None:
        formula = f"{from_text} + (sme_workarea - _text) {address_text(layout.workarea_offset)}"
    source = f"{_SME_ENCRYPT_KERNEL} {reach.rules.scheme.rules.start_source}"
    yield Step("workarea_start", reach.extents.start, formula, source)


def _length_steps(reach: Reach) -> Iterator[Step]:
    area = reach.area
    formula = f"{address_text(PAGE_SIZE)} PGD + 2 * {address_text(area.for_kernel)} for the kernel"
    if area.for_initrd:
        initrd_size = size_text(_encrypted_size(reach.initrd))
        formula += f" + 2 * {address_text(area.for_initrd)} for {initrd_size} of initrd"
    formula += f" + {address_text(area.for_workarea)} for the workarea"
    yield Step("execute_len", EXECUTE_LEN, "2 pages + 2 MiB", f"{_SME_ENCRYPT_KERNEL}, execute_len")
    yield Step(
        "pgtable_area_len",
        area.size,
        formula,
        f"sme_pgtable_calc(), {reach.levels} levels: {reach.rules.source}",
    )
    yield Step(
        "workarea_len",
        area.length,
        f"execute_len {address_text(EXECUTE_LEN)} + pgtable_area_len {address_text(area.size)}",
        f"{_SME_ENCRYPT_KERNEL}, workarea_len",
    )


def _encrypted_size(initrd: Initrd) -> int:
    """Return initrd_len: the end is rounded up to a page, the start is not rounded."""
    if initrd.span:
        return page_aligned_initrd(initrd.span).size
    return align_up(initrd.size, PAGE_SIZE)
