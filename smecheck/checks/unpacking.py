"""What lies where the kernel is unpacked is lost, whatever SME and KASLR do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, assert_never

from smecheck.boot.unpack_buffer import unpack_buffer
from smecheck.checks import needs
from smecheck.checks.finding import Effect, Severity
from smecheck.checks.rule import Observation, consequence_of, joined, rule, segment_party
from smecheck.evidence import Known
from smecheck.load.segments import Loader, Segment, SegmentRole
from smecheck.quantity import size_text
from smecheck.span import Span

if TYPE_CHECKING:
    from smecheck.boot.unpack_buffer import UnpackBuffer
    from smecheck.case import Resolved
    from smecheck.kernel.facts import KernelFacts
    from smecheck.kernel.image import KernelImage
    from smecheck.load.segments import SegmentList

_USELESS = "neither nokaslr nor mem_encrypt=off helps"


@rule(
    "SME044",
    "a segment lies where the kernel is unpacked",
    Severity.ERROR,
    passed="nothing where the kernel is unpacked",
    brief="is unpacked over",
    effect=Effect.LOSS,
    about_load=True,
    needs=(needs.segments, needs.unpack_buffer),
    after=("SME022",),
    remedy="load it so that the kernel segment begins at a multiple of kernel_alignment, at or "
    f"above pref_address, and init_size is reserved for it; {_USELESS}",
)
def segment_in_unpack_buffer(resolved: Resolved) -> Iterator[Observation]:
    """A segment lies in the init_size bytes that the decompressor takes for itself.

    It rounds its load address up to kernel_alignment, but never below LOAD_PHYSICAL_ADDR, and
    copies itself, with the compressed kernel, to the end of the init_size bytes from there on. It
    does so before KASLR chooses a place and long before SME is looked for, so neither of them
    matters. Only what lies before that copy is spared where KASLR moves the kernel away.

    Loaders reserve init_size from the load address on. All of it is the kernel's where that address
    is aligned. kexec_file_load since v6.17 loads into a CMA area (cma=) that is aligned to less;
    kexec_file_load before v6.9 and kexec-tools before 2.0.30 load below pref_address where they
    must; the 32-bit loader of kexec-tools before 2.0.30 reserves the size of the file only. Up to
    smecheck 0.1, SME005 reported this.

    Passes: boot_params at 0x10d41000, where init_size of a kernel loaded at 0x10000000 ends.
    Fails: boot_params there, and the kernel loaded at 0x0ff00000: it is unpacked from 0x10000000 on
    all the same.
    Sources: arch/x86/boot/compressed/head_64.S, startup_64, "Copy the compressed kernel to the end
    of our buffer", v4.14 to v7.3; a guest of 7.3.4 with cma=128M that lost its initrd so
    (docs/evidence.md).
    """
    segments = resolved.segments
    found = unpacked_in(resolved.image, resolved.facts, segments)
    if segments is None or found is None:
        return
    moves = resolved.kernel_moved
    stays = resolved.boot.base_is_certain and not moves
    parts: list[tuple[Span, str | None]] = [(found.span if stays else found.copy, None)]
    if not stays:
        down_to = found.reaches_down_to
        unsure = "the compressed kernel is as long as it can be"
        parts.append((Span(down_to, found.copy.start), unsure))
        if not moves:
            parts.append((Span(found.span.start, down_to), resolved.boot.base_condition))
    named = bool(segments.of(SegmentRole.PURGATORY))
    for segment in resolved.neighbours:
        for span, condition in parts:
            hit = span & segment.span
            if hit:
                yield _lost(resolved, segment, hit, joined(condition, _if_unnamed(segment, named)))


def unpacked_in(
    image: KernelImage, facts: KernelFacts, segments: SegmentList | None
) -> UnpackBuffer | None:
    """Return where the kernel of a load is unpacked, if that is known."""
    if segments is None:
        return None
    buffer = unpack_buffer(image, facts, segments)
    return buffer.value if isinstance(buffer, Known) else None


def _lost(resolved: Resolved, segment: Segment, hit: Span, condition: str | None) -> Observation:
    loader = resolved.boot.loader
    what = (
        f"{size_text(hit.size)} of {segment.role.value} lie where the kernel is unpacked, before "
        "KASLR chooses and with SME or without (formerly SME005)"
    )
    if segment.role is SegmentRole.PURGATORY:
        return Observation(
            message=f"{what}: harmless, it has run by then",
            span=hit,
            other=segment_party(segment),
            condition=condition,
            severity=Severity.NOTE,
        )
    return Observation(
        message=f"{what}: {consequence_of(segment.role)}",
        span=hit,
        other=segment_party(segment),
        condition=condition,
        remedy=_load_otherwise(loader.value) if isinstance(loader, Known) else "",
    )


def _load_otherwise(loader: Loader) -> str:
    """Say how a load by that system call keeps the segments out of there."""
    match loader:
        case Loader.KEXEC_FILE_LOAD:
            how = (
                "load it with kexec_load (kexec -c), which aligns the kernel; or with "
                "kexec_file_load of a kernel since v6.9 that has no CMA area (cma=)"
            )
        case Loader.KEXEC_LOAD:
            how = (
                "load it with kexec-tools 2.0.30 or later, which reserve init_size from "
                "pref_address on"
            )
        case _:
            assert_never(loader)
    return f"{how}; {_USELESS}"


def _if_unnamed(segment: Segment, purgatory_is_named: bool) -> str | None:
    if segment.role is SegmentRole.OTHER and not purgatory_is_named:
        return "this unnamed segment is not purgatory"
    return None


RULES = (segment_in_unpack_buffer,)
