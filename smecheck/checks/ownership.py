"""Who owns the workarea: nobody, the kernel, or the kernel by luck."""

from __future__ import annotations

from collections.abc import Iterator

from smecheck.checks.rule import Observation, Situation, rule
from smecheck.evidence import Known
from smecheck.model.finding import Severity
from smecheck.model.kernel import Scheme
from smecheck.model.placement import Owner
from smecheck.model.segments import SegmentRole
from smecheck.quantity import address_text
from smecheck.span import Span


@rule(
    "SME007",
    "nobody owns the workarea",
    Severity.ERROR,
    remedy="use a kernel with .init.scratch (v5.3 and later, or a backport of e1bfa87399e3), or "
    "keep SME off in the kernel that is loaded",
)
def nobody_owns_it(situation: Situation) -> Iterator[Observation]:
    """Some of the workarea lies in no memory that a loader keeps for the kernel.

    Whether something else lies there is then a matter of the machine, the loader and the size of
    the initrd. Without a machine this is an error: it is what a gate on kernel builds must stop.
    With a machine it is a warning beside the machine's own verdict.
    """
    placement = situation.placement
    if placement.owner is not Owner.NOBODY or placement.offsets is None:
        return
    machine_given = situation.memory is not None or situation.segments is not None
    machine_known = machine_given and situation.extents is not None
    init_size = situation.image.header.init_size
    if situation.segments is not None and situation.extents and not situation.kernel_moved:
        base_now = situation.extents.in_place.end - placement.offsets.in_place.end
        kernel = situation.segments.of(SegmentRole.KERNEL)
        reserved = max(0, max(segment.span.end for segment in kernel) - base_now)
    else:
        reserved = (
            init_size.value if isinstance(init_size, Known) else placement.offsets.in_place.end
        )
    unowned = Span(
        min(max(reserved, placement.offsets.start), placement.offsets.mapped_end),
        placement.offsets.mapped_end,
    )
    base = situation.boot.kernel_base
    yield Observation(
        severity=Severity.WARNING if machine_known else Severity.ERROR,
        message=f"_text + {address_text(unowned.start)} to _text + {address_text(unowned.end)} "
        f"belong to nobody: {placement.owner_reason}",
        span=unowned.moved(base.value) if isinstance(base, Known) else None,
    )


@rule(
    "SME008",
    "the workarea is safe by luck",
    Severity.WARNING,
    remedy="check every build of this kernel, or move to one with .init.scratch",
)
def safe_by_luck(situation: Situation) -> Iterator[Observation]:
    """A kernel of the after-end scheme whose init_size happens to reach over the workarea.

    init_size is made for the decompressor; where its payload is large (many relocations) it exceeds
    the kernel by enough to cover the workarea. Nothing keeps the next build from losing that.
    """
    placement = situation.placement
    by_luck = placement.owner in (Owner.KERNEL_SEGMENT, Owner.INIT_SIZE)
    if placement.scheme is Scheme.AFTER_END and by_luck:
        yield Observation(
            message=f"nothing in the kernel reserves the workarea, but {placement.owner_reason}",
        )


RULES = (nobody_owns_it, safe_by_luck)
