"""The kernel itself, and what is encrypted in place with it, against the segments."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from smecheck.checks import needs
from smecheck.checks.finding import Effect, Severity
from smecheck.checks.forbidden import Part, met, neighbours_in
from smecheck.checks.rule import Observation, rule, segment_party
from smecheck.evidence import Known
from smecheck.quantity import address_text, size_text
from smecheck.span import Span

if TYPE_CHECKING:
    from smecheck.case import Resolved


_IN_THE_IMAGE = neighbours_in(Part.IMAGE)


@rule(
    "SME005",
    "a segment is encrypted in place with the kernel",
    Severity.ERROR,
    passed="no segment encrypted in place",
    brief="is encrypted in place",
    effect=Effect.COLLISION,
    needs=(needs.places, needs.segments),
    forbids=_IN_THE_IMAGE,
    remedy="keep the rest of the 2 MiB frame after _end free: load a bzImage, whose init_size "
    "usually covers it, or move the segment",
)
def segment_in_slack(resolved: Resolved) -> Iterator[Observation]:
    """A segment lies between ``_end`` and the next 2 MiB boundary, or in the image itself.

    The kernel is encrypted in place in whole 2 MiB frames, in both schemes, so whatever shares its
    last frame is encrypted with it. boot_params and the command line are read unencrypted later:
    they are garbage then. An initrd is encrypted twice. What lies further up, where the kernel is
    unpacked, is lost without SME too: SME044.

    Passes: boot_params directly after init_size of the kernel segment.
    Fails: boot_params at 0x10bff000, with _end at 0x10a16000: the same 2 MiB frame.
    Sources: arch/x86/mm/mem_encrypt_identity.c (since v6.16 arch/x86/boot/startup/sme.c),
    kernel_end = ALIGN(_end, PMD_SIZE), v4.14 to v7.3; Documentation/arch/x86/boot.rst, init_size.
    """
    extents = resolved.extents
    if extents is None:
        return
    for forbidden, met_span in met(resolved, _IN_THE_IMAGE):
        if forbidden.segment is None:
            continue
        image = Span(met_span.start, max(met_span.start, extents.in_place.start))
        for what, span in (("the kernel image", image), ("its last 2 MiB frame", extents.in_place)):
            hit = span & met_span
            if hit:
                yield Observation(
                    message=f"{size_text(hit.size)} of {forbidden.segment.role.value} lie in "
                    f"{what}",
                    span=hit,
                    other=segment_party(forbidden.segment),
                )


@rule(
    "SME018",
    "the kernel does not run where it is loaded",
    Severity.WARNING,
    about_load=True,
    passed="kernel runs where it is loaded",
    brief="runs elsewhere than loaded",
    needs=(needs.segments, needs.places),
    remedy="load it at or above pref_address, aligned to kernel_alignment (kexec-tools 2.0.30 do, "
    "and kernels since v6.9 but for a CMA area)",
)
def kernel_leaves_its_segment(resolved: Resolved) -> Iterator[Observation]:
    """The decompressor moves the kernel away from its segment, over memory that nobody reserved.

    A relocatable kernel runs at its load address rounded up to kernel_alignment, but never below
    LOAD_PHYSICAL_ADDR; one that is not relocatable always runs there. kexec-tools before 2.0.30 and
    kexec_file_load before v6.9 (43b1d3e68ee7) may load lower; since v6.17 kexec_file_load uses an
    area for contiguous memory, where there is one, and aligns to 1 MiB there. SME044 says what is
    lost then.

    Passes: a kernel loaded at pref_address, 0x1000000.
    Fails: one loaded at 0xe00000, which runs at 0x1000000.
    Sources: arch/x86/boot/compressed/head_64.S, the target of the decompression, v4.14 to v7.3;
    43b1d3e68ee7 (v6.9); kernel/kexec_file.c, kexec_alloc_contig(), v6.17.
    """
    boot = resolved.boot
    if not isinstance(boot.load_address, Known) or not isinstance(boot.kernel_base, Known):
        return
    if resolved.kernel_moved or boot.load_address.value == boot.kernel_base.value:
        return
    yield Observation(
        message=f"the kernel is loaded at {address_text(boot.load_address.value)} and runs at "
        f"{address_text(boot.kernel_base.value)}: {boot.kernel_base.origin}",
    )


RULES = (segment_in_slack, kernel_leaves_its_segment)
