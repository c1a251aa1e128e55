"""The matrix of starts: enough places, initrds and page tables to distinguish any other arithmetic.

A number that depends on where things lie, in the kernel's code or in ours, changes at the borders
of the frames that tables of each level map. So kernels, workareas and initrds are put inside such
frames, up to their borders and across them; initrds begin and end on and off 2 MiB borders. One
number has no effect until it passes a multiple of 2 MiB: the length. Initrds of just the size at
which it does are among the starts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from smecheck.boot.boot import Initrd
from smecheck.emulation.entry_map import LOADER_AREA, EntryKind, entry_map
from smecheck.emulation.start import Start
from smecheck.kernel.constants import (
    P4D_SIZE,
    PAGE_SIZE,
    PMD_SIZE,
    PUD_SIZE,
)
from smecheck.record import record
from smecheck.span import Span, SpanSet, align_down, align_up
from smecheck.workarea.arithmetic import reach_anywhere

if TYPE_CHECKING:
    from collections.abc import Iterator

    from smecheck.kernel.generations import GenerationRules
    from smecheck.workarea.arithmetic import KernelLayout

_MIB = 1 << 20
_GIB = 1 << 30

_QUICK = 5
"""Of the starts of the full matrix, each one that the short matrix has."""

_C_BIT = 47
_HIGH_C_BIT = 51
"""AMD family 17h and 19h: where the CPUs that exist have it."""

_FAR_AWAY = 1 << 40
"""Where an initrd lies that is too large to lie anywhere else."""


@record
class Ground:
    """What the starts are made for: offsets from ``_text`` and what the code can."""

    layout: KernelLayout
    image_size: int
    """End of what is unpacked."""
    lowest: int
    """The physical address that the kernel was linked for."""
    rules: GenerationRules
    """How the kernel's generation sizes its workarea."""
    levels: tuple[int, ...]
    """4, and 5 if the code builds five levels."""
    mapped_end: int
    """End of the workarea with a small initrd."""

    @property
    def workarea(self) -> int:
        """Where the workarea begins."""
        offset = self.layout.workarea_offset
        return self.layout.kernel_size if offset is None else offset

    @property
    def middle(self) -> int:
        """A place inside the kernel."""
        return align_down(self.layout.kernel_size // 2, PMD_SIZE)


def full_matrix(ground: Ground) -> tuple[Start, ...]:
    """Return every start of the default matrix; the first is the plainest."""
    first, *others = _starts(ground)
    return (first, *_edges_of_the_length(ground), *others)


def short_matrix(ground: Ground) -> tuple[Start, ...]:
    """Return a part of it for a quick check: every place and every initrd, each a few times.

    A kernel across the border of two top-level entries is among them with every initrd: a call
    for one entry alone can be missed nowhere else.
    """
    first, *others = _starts(ground)
    some = (
        start
        for number, start in enumerate(others)
        if number % _QUICK == 0 or _is_across_entries(ground, start)
    )
    return (first, *_edges_of_the_length(ground), *some)


def _is_across_entries(ground: Ground, start: Start) -> bool:
    kernel = Span.sized(start.base, ground.layout.kernel_size)
    return start.levels == 4 and len(kernel.frames(P4D_SIZE)) > 1


def _starts(ground: Ground) -> Iterator[Start]:
    """Yield a start for each place, initrd and number of levels, the tables taking turns."""
    kinds = tuple(EntryKind)
    for row, base in enumerate(_bases(ground)):
        initrds = _initrds(ground, base, row) if ground.rules.encrypts_initrd else [None]
        for column, initrd in enumerate(initrds):
            for levels in ground.levels:
                turn = row + 2 * column + 3 * (levels - 4)
                yield from _first_possible(ground, base, initrd, levels, kinds, turn)


def _first_possible(
    ground: Ground,
    base: int,
    initrd: Span | None,
    levels: int,
    kinds: tuple[EntryKind, ...],
    turn: int,
) -> Iterator[Start]:
    for kind in (*kinds[turn % len(kinds) :], *kinds):
        start = _start(ground, base, initrd, levels, kind)
        if start is not None:
            yield start
            return


def _start(
    ground: Ground, base: int, initrd: Span | None, levels: int, kind: EntryKind
) -> Start | None:
    workarea = Span(base + ground.workarea, base + ground.mapped_end)
    entries = entry_map(
        kind,
        kernel=Span.sized(base, ground.layout.end_offset),
        image=Span.sized(base, ground.image_size),
        around=SpanSet([workarea, *([initrd] if initrd else [])]),
    )
    if entries is None:
        return None
    high = levels == 5 and kind in (EntryKind.EFI_STUB, EntryKind.KEXEC_GIGANTIC)
    return Start(base, levels, _HIGH_C_BIT if high else _C_BIT, entries, initrd)


def _bases(ground: Ground) -> tuple[int, ...]:
    """Return where the kernel is put, each a multiple of 2 MiB."""
    at_border = -ground.workarea
    """Where the workarea begins exactly on a border."""
    across = at_border - PMD_SIZE
    """Where the border runs through the workarea."""
    return (
        ground.lowest,
        align_up(ground.lowest, PUD_SIZE) + PUD_SIZE + at_border,
        2 * PUD_SIZE - ground.middle,
        2 * PUD_SIZE + across,
        5 * _GIB + 1010 * _MIB,
        64 * _GIB + 2 * _MIB,
        P4D_SIZE + at_border,
        P4D_SIZE - ground.middle,
        P4D_SIZE + across,
        3 * P4D_SIZE + 254 * _MIB,
    )


def _initrds(ground: Ground, base: int, row: int) -> Iterator[Span | None]:
    """Yield the initrds for a kernel at ``base``: those that fit beside it.

    What takes more than one table of 2 MiB entries takes the longest to run; some rows have it.
    """
    large = Span.sized(4 * _GIB + 8 * _MIB, _GIB + 40 * _MIB + 5)
    end = base + ground.mapped_end
    taken = SpanSet([Span(base, end), LOADER_AREA])
    candidates = (
        Span.sized(0x7FF_F000, 1),
        Span.sized(0x4000_3000, 0x5003),
        Span.sized(0x3456_7000, 30 * _MIB + 123),
        Span.sized(0x7000_0000, 16 * _MIB),
        Span.sized(0x3FE0_0000, PMD_SIZE + 1),
        *([large] if row % 3 == 0 else []),
        Span.sized(P4D_SIZE - 10 * _MIB, 30 * _MIB),
        Span.sized(P4D_SIZE + 777 * PAGE_SIZE, 6 * _MIB),
        Span.sized(end, 5 * _MIB + 7),
        Span(max(base - 12 * _MIB, 0), base),
    )
    yield None
    for initrd in candidates:
        if initrd.size and not taken.overlaps(initrd):
            yield initrd


def _edges_of_the_length(ground: Ground) -> Iterator[Start]:
    """Yield starts with the largest initrd up to which the length fits, and with one page more.

    The kernel is below its first 1 GiB border, so that no table has to be added for the workarea.
    """
    base = ground.lowest
    kernel = Span.sized(base, ground.layout.end_offset)
    kind = EntryKind.KERNEL_ALONE
    entries = entry_map(kind, kernel=kernel, image=kernel, around=SpanSet())
    if not ground.rules.encrypts_initrd or entries is None:
        return
    for levels in ground.levels:
        most = _largest_initrd(ground, levels)
        if len(Span(base, base + ground.mapped_end + PMD_SIZE).frames(PUD_SIZE)) == 1:
            for size in (most, most + PAGE_SIZE):
                initrd = Span.sized(_FAR_AWAY, size)
                yield Start(base, levels, _C_BIT, entries, initrd, until_tables=True)


def _largest_initrd(ground: Ground, levels: int) -> int:
    """Return the size of the largest initrd with which no more is mapped than with a small one."""

    def fits(pages: int) -> bool:
        initrd = Initrd(None, pages * PAGE_SIZE, "")
        reach = reach_anywhere(ground.layout, ground.rules, levels=levels, initrd=initrd)
        return reach.extents.mapped_end == ground.mapped_end

    low, high = 1, 1 << 20
    while fits(high):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low * PAGE_SIZE
