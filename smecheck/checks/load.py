"""The load itself: refused, contradictory, or outside memory."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from smecheck.checks.rule import Observation, Situation, rule, segment_party
from smecheck.evidence import Known, Unknown
from smecheck.model.boot import Path
from smecheck.model.finding import Party, Severity
from smecheck.model.segments import SegmentRole
from smecheck.placement.running import running_kernel
from smecheck.quantity import size_text
from smecheck.span import SpanSet


@rule(
    "SME015",
    "two segments overlap",
    Severity.ERROR,
    about_load=True,
    remedy="check the segment list: kexec refuses such a load",
)
def segments_overlap(situation: Situation) -> Iterator[Observation]:
    """Two segments of the load share memory.

    kexec refuses overlapping segments, so a list that has them is wrong, or of two loads.
    """
    segments = situation.segments.segments if situation.segments else ()
    for lower, upper in pairwise(segments):
        shared = lower.span & upper.span
        if shared:
            yield Observation(
                message=f"{lower.role.value} and {upper.role.value} share {size_text(shared.size)}",
                span=shared,
                other=segment_party(upper),
            )


@rule(
    "SME016",
    "a segment is not in System RAM",
    Severity.ERROR,
    about_load=True,
    remedy="check that the memory map and the segments are of the same boot of the same machine",
)
def segment_outside_ram(situation: Situation) -> Iterator[Observation]:
    """A segment lies, wholly or in part, outside the System RAM of the memory map.

    Either map and segments are not of the same boot, or kexec placed it by the firmware's map,
    which ignores memory that the command line excludes (memmap=, mem=). kexec also uses the first
    page of memory, which /proc/iomem shows as Reserved.
    """
    memory = situation.memory
    if memory is None or situation.segments is None:
        return
    for segment in situation.segments.segments:
        for span in SpanSet([segment.span]) - memory.system_ram:
            name = memory.what_is_at(span)
            yield Observation(
                message=f"{size_text(span.size)} of {segment.role.value} are not System RAM "
                f"({name})",
                span=span,
                other=Party(name, span),
                condition=None
                if memory.complete
                else f"{memory.source}, a fragment of a map, leaves out no System RAM there",
            )


@rule(
    "SME017",
    "the load was refused",
    Severity.ERROR,
    about_load=True,
    remedy="load again; until then the kernel that was loaded before, or none, is in place",
)
def load_refused(situation: Situation) -> Iterator[Observation]:
    """The text of the load says that the kernel, or kexec itself, refused it.

    ``kexec -d`` prints the whole segment list all the same, twice. What is said of the placement
    holds for a load with these segments; this one is not in memory.
    """
    if situation.segments is not None and situation.segments.refusal is not None:
        yield Observation(
            message=f"the load is not in memory: {situation.segments.refusal}",
        )


@rule(
    "SME021",
    "another kernel runs on the machine",
    Severity.WARNING,
    about_load=True,
    remedy="give the kernel that runs there, or --load-address",
)
def another_kernel_runs(situation: Situation) -> Iterator[Observation]:
    """The memory map shows a running kernel whose layout is not that of the kernel in hand.

    For a first boot the map then tells nothing of this kernel's place. The kernel that kexec loads
    may well differ from the running one, so it is no finding there.
    """
    if situation.memory is None or situation.boot.path is not Path.FIRST_BOOT:
        return
    base = running_kernel(situation.memory, situation.image, situation.facts)
    if isinstance(base, Unknown) and situation.memory.first("Kernel code"):
        yield Observation(message=base.reason)


@rule(
    "SME022",
    "the kernel segment does not fit the kernel",
    Severity.WARNING,
    about_load=True,
    remedy="check that the segments are of a load of this very kernel",
)
def segment_does_not_fit(situation: Situation) -> Iterator[Observation]:
    """The kernel segment's size is not the init_size of the kernel in hand.

    kexec reserves init_size, rounded up to a page, for a bzImage. Another size means another build,
    or a loader that reserves the file's size only (the 32-bit entry before kexec-tools 2.0.30).
    """
    segments, init_size = situation.segments, situation.image.header.init_size
    if segments is None or not isinstance(init_size, Known):
        return
    kernel = segments.of(SegmentRole.KERNEL)
    if len(kernel) == 1 and not 0 <= kernel[0].span.size - init_size.value < 0x1000:
        yield Observation(
            message=f"the kernel segment has {size_text(kernel[0].span.size)}, "
            f"the kernel's init_size is {size_text(init_size.value)}",
            span=kernel[0].span,
        )


RULES = (
    segments_overlap,
    segment_outside_ram,
    load_refused,
    another_kernel_runs,
    segment_does_not_fit,
)
