"""Who owns the workarea: nobody, the kernel, or the kernel by luck."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from smecheck.checks import needs
from smecheck.checks.finding import Bearing, Severity
from smecheck.checks.rule import Observation, rule
from smecheck.evidence import Known
from smecheck.load.segments import SegmentRole
from smecheck.quantity import address_text, size_text
from smecheck.span import Span
from smecheck.workarea.placement import Owner
from smecheck.workarea.proof import room_to_grow

if TYPE_CHECKING:
    from smecheck.case import Resolved

_COVER_THE_SECTION = (
    "make sure that the section is in the payload, so that init_size covers it: PROGBITS, inside "
    "the last LOAD; until then boot the loaded kernel with SME off"
)


@rule(
    "SME007",
    "nobody owns the workarea",
    Severity.ERROR,
    passed="workarea is reserved for the kernel",
    brief="unreserved workarea memory",
    bearing=Bearing.OWNER,
    needs=(needs.distances, needs.owner),
    after=("SME026",),
    remedy="use a kernel with .init.scratch (v5.3 and later, or a backport of e1bfa87399e3), or "
    "boot the loaded kernel with SME off",
)
def nobody_owns_it(resolved: Resolved) -> Iterator[Observation]:
    """Part of the workarea lies in memory that no loader reserves for the kernel.

    Whether something else lies there is then a matter of the machine, the loader and the size of
    the initrd. Without a machine this is an error: it is what a gate on kernel builds must stop.
    With a machine it is a warning beside the machine's own verdict.

    Passes: init_size 0x1000000 of a kernel whose workarea is mapped to _text + 0x1000000.
    Fails: init_size 0xfff000, one page less.
    Sources: arch/x86/boot/header.S, init_size; arch/x86/boot/compressed/misc.c, needed_size, v5.0
    to v7.3; e1bfa87399e3 and c603a309cc75 (v5.3), which made the section.
    """
    placement = resolved.placement
    if placement.owner is not Owner.NOBODY or placement.offsets is None:
        return
    placed_by_load = resolved.segments is not None and resolved.extents is not None
    machine_known = (
        resolved.memory is not None or placed_by_load or resolved.not_predicted is not None
    )
    init_size = resolved.image.header.init_size
    kernel = resolved.segments.of(SegmentRole.KERNEL) if resolved.segments is not None else ()
    if kernel and resolved.extents and not resolved.kernel_moved:
        base_now = resolved.extents.in_place.end - placement.offsets.in_place.end
        reserved = max(0, max(segment.span.end for segment in kernel) - base_now)
    else:
        reserved = (
            init_size.value if isinstance(init_size, Known) else placement.offsets.in_place.end
        )
    unowned = Span(
        min(max(reserved, placement.offsets.start), placement.offsets.mapped_end),
        placement.offsets.mapped_end,
    )
    base = resolved.boot.kernel_base
    yield Observation(
        severity=Severity.WARNING if machine_known else Severity.ERROR,
        message=f"_text + {address_text(unowned.start)} to _text + {address_text(unowned.end)} "
        f"are unreserved: {placement.owner_reason}",
        span=unowned.moved(base.value) if isinstance(base, Known) else None,
        remedy=_COVER_THE_SECTION if placement.scheme.rules.is_section else "",
    )


@rule(
    "SME008",
    "the workarea is safe by luck",
    Severity.WARNING,
    passed="workarea is not safe by luck alone",
    brief="safe by luck",
    static=True,
    needs=(needs.distances, needs.owner),
    after=("SME026", "SME023"),
    remedy="check every build of this kernel, or move to one with .init.scratch",
)
def safe_by_luck(resolved: Resolved) -> Iterator[Observation]:
    """A kernel of the after-end scheme whose init_size happens to reach over the workarea.

    init_size is made for the decompressor; where its payload is large (many relocations) it exceeds
    the kernel by enough to cover the workarea. The next build may lose that: by a smaller payload
    (another compressor, fewer relocations), or by a kernel that grows where the payload does not
    (.bss, .brk). The finding says how far ``_end`` may move with the same init_size; it is rounded
    up to 2 MiB, so growth within its frame changes nothing.


    Passes: a kernel with .init.scratch, which needs no luck.
    Fails: a v5.0 kernel whose init_size reaches over the workarea.
    Sources: arch/x86/boot/header.S, ZO_INIT_SIZE, v5.0.
    """
    placement, init_size = resolved.placement, resolved.image.header.init_size
    by_luck = placement.owner in (Owner.KERNEL_SEGMENT, Owner.INIT_SIZE)
    if not placement.scheme.rules.follows_end or not by_luck:
        return
    offsets, loses_it = placement.offsets, ""
    if offsets is not None and isinstance(init_size, Known):
        margin = init_size.value - offsets.mapped_end
        if margin >= 0:
            loses_it = (
                f"; the next build may lose that: with an init_size {size_text(margin + 1)} "
                "smaller, or, at the same init_size, with an _end more than "
                f"{size_text(room_to_grow(offsets, margin))} higher"
            )
    yield Observation(
        message=f"nothing in the kernel reserves the workarea, but {placement.owner_reason}"
        + loses_it,
    )


RULES = (nobody_owns_it, safe_by_luck)
