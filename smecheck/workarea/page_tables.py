"""How many page-table pages sme_encrypt_kernel() really writes, and when that number is exact.

The code maps the kernel, the initrd and the workarea twice (encrypted in place of the identity
mapping, and decrypted at an offset), with 2 MiB entries wherever it can. Each table it needs is
one page, taken upwards from the end of the execution area. The rule was confirmed by running the
compiled functions of v5.0, v5.0 with the RFC, 6.1, 6.12 and 7.3 kernels in an emulator, in all
applicable runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from smecheck.kernel.constants import P4D_SIZE, PAGE_SIZE, PGDIR_SIZE_5LEVEL, PMD_SIZE, PUD_SIZE
from smecheck.record import record
from smecheck.span import Span, align_up

if TYPE_CHECKING:
    from collections.abc import Iterable


@record
class TableCount:
    """The tables of the new page-table tree, as many as are written to the workarea."""

    pmd_tables: int
    """1 GiB frames, twice."""
    pud_tables: int
    """512 GiB frames, twice."""
    p4d_tables: int
    """256 TiB frames, twice; 0 with four levels."""
    pte_tables: int
    """2 MiB frames that the initrd covers partly, twice."""

    @property
    def pages(self) -> int:
        """All of them and the one top-level table."""
        return 1 + self.pmd_tables + self.pud_tables + self.p4d_tables + self.pte_tables

    @property
    def formula(self) -> str:
        """The sum in numbers."""
        return (
            f"1 PGD + {self.p4d_tables} P4D + {self.pud_tables} PUD + {self.pmd_tables} PMD "
            f"+ {self.pte_tables} PTE tables"
        )


def count_tables(kernel: Span, workarea: Span, initrd: Span | None, *, levels: int) -> TableCount:
    """Count the tables for the three physical ranges.

    Args:
        kernel: from ``_text`` to ``_end`` rounded up to 2 MiB.
        workarea: the mapped extent.
        initrd: page-aligned at its end, or ``None`` where it is not encrypted through the workarea.
        levels: 4 or 5, of the tables that the code builds.
    """
    ranges = [kernel, workarea, *([initrd] if initrd else [])]
    return TableCount(
        pmd_tables=2 * _frame_count(ranges, PUD_SIZE),
        pud_tables=2 * _frame_count(ranges, P4D_SIZE),
        p4d_tables=2 * _frame_count(ranges, PGDIR_SIZE_5LEVEL) if levels == 5 else 0,
        pte_tables=2 * len(partial_frames(initrd)) if initrd else 0,
    )


def fewest_tables(kernel_size: int, workarea_size: int, *, levels: int) -> TableCount:
    """Count the tables that are needed wherever the kernel lies, an initrd or not.

    The kernel and the workarea after it are one range; the fewest frames are touched where it
    begins on a frame's border.
    """
    whole = Span(0, kernel_size + workarea_size)
    return count_tables(whole, whole, None, levels=levels)


def partial_frames(span: Span) -> frozenset[int]:
    """Return the numbers of the 2 MiB frames that ``span`` covers only in part: two at most."""
    partial = set()
    if span.start % PMD_SIZE:
        partial.add(span.start // PMD_SIZE)
    if span.end % PMD_SIZE:
        partial.add(span.end // PMD_SIZE)
    return frozenset(partial)


def page_aligned_initrd(initrd: Span) -> Span:
    """Return the range that is encrypted for an initrd: its end rounded up, its start as it is."""
    return Span(initrd.start, align_up(initrd.end, PAGE_SIZE))


def _frame_count(spans: Iterable[Span], frame_size: int) -> int:
    """Count the frames that the spans touch, each once."""
    count = end = 0
    touched = [(span.start // frame_size, -(-span.end // frame_size)) for span in spans if span]
    for first, after in sorted(touched):
        count += max(after - max(first, end), 0)
        end = max(end, after)
    return count
