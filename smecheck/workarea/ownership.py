"""To whom the memory of the workarea belongs: the point in which the two schemes differ."""

from __future__ import annotations

from smecheck.boot.boot import Boot, UnpackRules
from smecheck.boot.decompressor import landing
from smecheck.evidence import Fact, Known, Unknown, value_of
from smecheck.load.segments import SegmentList, SegmentRole
from smecheck.quantity import address_text, size_text
from smecheck.span import SpanSet
from smecheck.workarea.placement import Extents, Owner
from smecheck.workarea.proven import Reservations


def moved_by_kaslr(boot: Boot, rules: UnpackRules) -> bool:
    """Return whether the kernel is known to run elsewhere than its segment puts it."""
    if isinstance(boot.kernel_base, Unknown):
        return False
    if isinstance(boot.load_address, Unknown):
        # A boot loader's choice that is not known; KASLR hardly ever chooses the same.
        return not boot.path.by_kexec and value_of(boot.kaslr) is True
    if boot.load_address.value == boot.kernel_base.value:
        return False
    unmoved = landing(boot.load_address.value, rules)
    return not (isinstance(unmoved, Known) and unmoved.value == boot.kernel_base.value)


def owner_by_load(extents: Extents, segments: SegmentList) -> tuple[Owner, str]:
    """Say whether the kernel's own segments cover the workarea's physical ``extents``."""
    kernel = segments.of(SegmentRole.KERNEL)
    if not kernel:
        return Owner.UNKNOWN, f"no segment of {segments.source} is known to be the kernel"
    end = max(segment.span.end for segment in kernel)
    if SpanSet(segment.span for segment in kernel).covers(extents.mapped):
        margin = end - extents.mapped_end
        return Owner.KERNEL_SEGMENT, (
            f"the kernel segment ends at {address_text(end)}, {size_text(margin)} past the mapped "
            "end"
        )
    return Owner.NOBODY, (
        f"the kernel segment ends at {address_text(end)}, "
        f"{size_text(extents.mapped_end - end)} short of the mapped end"
    )


def owner_by_image(
    offsets: Extents, reserved: Reservations, *, by_kaslr: bool
) -> tuple[Owner, str]:
    """Say whether what loaders reserve for the image covers the workarea.

    Args:
        offsets: the extents relative to ``_text``.
        reserved: what loaders reserve for the image.
        by_kaslr: physical KASLR chose the place: its needed_size counts, not init_size.
    """
    size: Fact[int] = reserved.needed_size if by_kaslr else reserved.init_size
    is_bound = reserved.payload_is_bound if by_kaslr else reserved.init_size_is_bound
    name = "needed_size" if by_kaslr else "init_size"
    if isinstance(size, Unknown):
        return Owner.UNKNOWN, f"{name} is not known: {size.reason}"
    value = f"{name}{' of at least' if is_bound else ''} {address_text(size.value)}"
    margin = size.value - offsets.mapped_end
    if margin >= 0:
        return Owner.INIT_SIZE, (
            f"{value} ends {size_text(margin)} past the mapped end ({size.origin})"
        )
    return Owner.UNKNOWN if is_bound else Owner.NOBODY, (
        f"{value} ends {size_text(-margin)} short of the mapped end ({size.origin})"
    )
