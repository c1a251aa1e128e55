"""The load itself: refused, contradictory, or outside memory."""

from __future__ import annotations

from collections.abc import Iterator

from smecheck.asked import Path
from smecheck.boot.resolve import is_elf_load
from smecheck.boot.running import running_kernel
from smecheck.checks import needs
from smecheck.checks.finding import Effect, Party, Severity
from smecheck.checks.rule import Observation, Situation, rule, segment_party
from smecheck.evidence import Known, Unknown, value_of
from smecheck.kernel.constants import PAGE_SIZE
from smecheck.kernel.image import KernelImage
from smecheck.load.segments import Segment, SegmentRole
from smecheck.quantity import address_text, size_text
from smecheck.span import SpanSet, align_up


@rule(
    "SME015",
    "two segments overlap",
    Severity.ERROR,
    passed="segments do not overlap",
    brief="overlaps another segment",
    about_load=True,
    needs=(needs.segments,),
    remedy="check the segment list: kexec refuses such a load",
)
def segments_overlap(situation: Situation) -> Iterator[Observation]:
    """Two segments of the load share memory.

    kexec refuses overlapping segments, so a list that has them is wrong, or of two loads. Each
    segment is held against the one below it that reaches furthest.

    Passes: boot_params at 0x10d41000, behind a kernel segment that ends there.
    Fails: boot_params at 0x10d40000.
    Sources: kernel/kexec_core.c, sanity_check_segment_list(), v5.0 to v6.12.
    """
    lower: Segment | None = None
    for upper in situation.segments.segments if situation.segments else ():
        shared = lower.span & upper.span if lower else None
        if lower and shared:
            yield Observation(
                message=f"{lower.role.value} and {upper.role.value} share {size_text(shared.size)}",
                span=shared,
                other=segment_party(upper),
            )
        if lower is None or upper.span.end > lower.span.end:
            lower = upper


@rule(
    "SME016",
    "a segment is not in System RAM",
    Severity.ERROR,
    passed="segments are in System RAM",
    brief="is not in System RAM",
    effect=Effect.CONTRADICTION,
    about_load=True,
    needs=(needs.segments, needs.memory),
    remedy="check that the memory map and the segments are of the same boot of the same machine",
)
def segment_outside_ram(situation: Situation) -> Iterator[Observation]:
    """A segment lies, wholly or in part, outside the System RAM of the memory map.

    Either map and segments are not of the same boot, or kexec placed it by the firmware's map,
    which ignores memory that the command line excludes (memmap=, mem=). kexec also uses the first
    page of memory, which /proc/iomem shows as Reserved. A predicted load contradicts nothing: there
    it is a warning that kexec would write to memory that the kernel does not take for its own.

    Passes: boot_params up to 0x7ffe0000, where System RAM ends.
    Fails: boot_params a page further up.
    Sources: kexec/arch/i386/kexec-x86-common.c, get_memory_ranges(), kexec-tools 2.0.25: which
    map kexec places by.
    """
    memory = situation.memory
    if memory is None or situation.segments is None:
        return
    ram = memory.system_ram | memory.ram_buffer
    for segment in situation.segments.segments:
        for span in SpanSet([segment.span]) - ram:
            region = memory.innermost(span.start)
            yield Observation(
                message=f"{size_text(span.size)} of {segment.role.value} are not System RAM "
                f"({memory.name_at(span.start)})",
                span=span,
                other=Party(region.name, region.span) if region else None,
                severity=Severity.WARNING if situation.segments.predicted else None,
                condition=None
                if memory.complete or region
                else f"{memory.source}, a fragment of a map, leaves out no System RAM there",
            )


@rule(
    "SME017",
    "the load was refused",
    Severity.ERROR,
    passed="load was accepted",
    brief="load was refused",
    about_load=True,
    needs=(needs.recorded_load,),
    remedy="load again; until then the kernel that was loaded before, or none, is in place",
)
def load_refused(situation: Situation) -> Iterator[Observation]:
    """The text of the load says that the kernel, or kexec itself, refused it.

    ``kexec -d`` prints the whole segment list all the same, twice. What is said of the placement
    holds for a load with these segments; this one is not in memory.

    Passes: the output of a load that ended without a word.
    Fails: "kexec_load failed: Cannot assign requested address" below the list.
    Sources: kexec/kexec.c, my_load() and do_kexec_file_load(), kexec-tools 2.0.25.
    """
    segments = situation.segments
    if segments is not None and segments.refusal is not None:
        yield Observation(
            message=f"the load is not in memory: {segments.refusal}",
        )


@rule(
    "SME035",
    "kexec would refuse the load",
    Severity.ERROR,
    passed="kexec accepts the load",
    brief="kexec would refuse the load",
    about_load=True,
    needs=(needs.predicted_load,),
    remedy="give kexec what it lacks (a larger crashkernel=, a smaller initrd, a shorter command "
    "line), or the load itself with --segments",
)
def load_would_be_refused(situation: Situation) -> Iterator[Observation]:
    """No load was recorded, and kexec could not place the one that is asked about.

    The message is kexec's own, followed by what did not fit and the largest hole there was where it
    was looked for. Without that load no kernel is in memory: there is nothing that the workarea
    could collide with, and no kernel to boot.

    Passes: a crash kernel of 13 MiB, for which 256 MiB are reserved.
    Fails: the same with an initrd of 300 MiB: "Could not find a free area of memory of 0x12c00000
    bytes".
    Sources: kexec/kexec.c, locate_hole() and main(), kexec-tools 2.0.25; kernel/kexec_file.c,
    kexec_locate_mem_hole(), v6.1 and v6.12.
    """
    segments = situation.segments
    if segments is not None and segments.refusal is not None:
        loader = value_of(segments.loader)
        name = loader.value if loader is not None else "kexec"
        yield Observation(message=f"{name} would refuse the load: {segments.refusal}")


@rule(
    "SME021",
    "another kernel runs on the machine",
    Severity.WARNING,
    passed="running kernel matches this kernel",
    brief="another kernel runs",
    about_load=True,
    needs=(needs.first_boot, needs.memory),
    remedy="give the kernel that runs there, or --load-address",
)
def another_kernel_runs(situation: Situation) -> Iterator[Observation]:
    """The memory map shows a running kernel whose layout is not that of the kernel in hand.

    For a first boot the map then tells nothing of this kernel's place. The kernel that kexec loads
    may well differ from the running one, so it is no finding there.

    Passes: a Kernel bss as far from Kernel code as __bss_start is from _text.
    Fails: one that is a page nearer.
    Sources: arch/x86/kernel/setup.c, setup_arch(), the resources of the kernel, v5.0 to v6.12.
    """
    if situation.memory is None or situation.boot.path is not Path.FIRST_BOOT:
        return
    base = running_kernel(situation.memory, situation.image, situation.facts)
    if isinstance(base, Unknown) and situation.memory.first("Kernel code"):
        yield Observation(message=base.reason)


@rule(
    "SME022",
    "the kernel segment is not of this kernel",
    Severity.ERROR,
    passed="kernel segment matches this kernel",
    brief="segment of another kernel",
    effect=Effect.CONTRADICTION,
    about_load=True,
    needs=(needs.segments,),
    remedy="give the kernel that was loaded, or the load of this kernel",
)
def segment_of_another_kernel(situation: Situation) -> Iterator[Observation]:
    """The kernel segment's size cannot be that of the kernel in hand.

    kexec reserves init_size, rounded up to a page, for a bzImage; the 32-bit entry before
    kexec-tools 2.0.30 reserves the file's size only. Another size means another build, and what
    holds for this kernel does not hold for the one that was loaded. Without its header, the kernel
    is at least as large as from ``_text`` to ``_end``, and as the payload that its ELF file makes.

    Passes: a kernel segment of init_size, rounded up to a page.
    Fails: one that is a page larger.
    Sources: kexec/arch/x86_64/kexec-bzImage64.c and kexec/arch/i386/kexec-bzImage.c,
    kexec-tools 2.0.25; arch/x86/kernel/kexec-bzimage64.c.
    """
    segments, image = situation.segments, situation.image
    if segments is None or is_elf_load(image, segments):
        return
    kernel = segments.of(SegmentRole.KERNEL)
    if len(kernel) != 1:
        return
    size, init_size = kernel[0].span.size, image.header.init_size
    if isinstance(init_size, Known):
        loaded = segments.init_size
        fits = size in _sizes_of_this_kernel(image, init_size.value)
        if not fits or (isinstance(loaded, Known) and loaded.value != init_size.value):
            yield _of_another_kernel(kernel[0], f"init_size is {size_text(init_size.value)}")
        return
    least = max(_least_sizes(situation), default=0)
    if size < least:
        yield _of_another_kernel(kernel[0], f"init_size is at least {size_text(least)}")


@rule(
    "SME024",
    "the kernel cannot run at the given address",
    Severity.ERROR,
    passed="kernel can run at the given address",
    brief="kernel cannot run there",
    effect=Effect.CONTRADICTION,
    about_load=True,
    needs=(needs.segments, needs.moved_by_kaslr),
    remedy="check --load-address, --kaslr and the command line against each other",
)
def runs_elsewhere_without_kaslr(situation: Situation) -> Iterator[Observation]:
    """KASLR is off, but --load-address is not where the decompressor puts the loaded kernel.

    Without KASLR a kernel runs at its segment's address, aligned, and nowhere else.

    Passes: nokaslr, loaded at 0x10000000, and --load-address 0x10000000.
    Fails: the same with --load-address 0x10200000.
    Sources: arch/x86/boot/compressed/head_64.S and kaslr.c, choose_random_location(), v5.0 to
    v6.12.
    """
    kaslr, base, load_address = (
        situation.boot.kaslr,
        situation.boot.kernel_base,
        situation.boot.load_address,
    )
    if not situation.kernel_moved or not isinstance(kaslr, Known) or kaslr.value:
        return
    if isinstance(base, Known) and isinstance(load_address, Known):
        yield Observation(
            message=f"KASLR is off ({kaslr.origin}), the kernel is loaded at "
            f"{address_text(load_address.value)}, yet it is said to run at "
            f"{address_text(base.value)} ({base.origin})",
        )


def _sizes_of_this_kernel(image: KernelImage, init_size: int) -> set[int]:
    """Return what the loaders reserve for this kernel, in whole pages."""
    sizes = {align_up(init_size, PAGE_SIZE)}
    other = image.header.other
    if "file_size" in other:
        # arch/x86/boot/header.S: setup_sects counts 512-byte sectors behind the first; 0 means 4.
        setup_size = ((other.get("setup_sects", 4) or 4) + 1) * 512
        sizes.add(align_up(max(other["file_size"] - setup_size, 0), PAGE_SIZE))
    return sizes


def _least_sizes(situation: Situation) -> Iterator[int]:
    text, end = situation.facts.text, situation.facts.end
    if isinstance(text, Known) and isinstance(end, Known):
        yield end.value - text.value
    if isinstance(situation.kept.init_size, Known):
        yield situation.kept.init_size.value


def _of_another_kernel(segment: Segment, why: str) -> Observation:
    return Observation(
        message=f"the kernel segment has {size_text(segment.span.size)}, but for this kernel {why}",
        span=segment.span,
        other=segment_party(segment),
    )


RULES = (
    segments_overlap,
    segment_outside_ram,
    load_refused,
    load_would_be_refused,
    another_kernel_runs,
    segment_of_another_kernel,
    runs_elsewhere_without_kaslr,
)
