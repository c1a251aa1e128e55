"""The load itself: refused, contradictory, or outside memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from smecheck.asked import Path
from smecheck.boot.log_of_boot import another_kernel
from smecheck.checks import needs
from smecheck.checks.finding import Effect, Party, Severity
from smecheck.checks.rule import Observation, rule, segment_party
from smecheck.evidence import Known, Unknown, value_of
from smecheck.kernel.constants import PAGE_SIZE
from smecheck.kernel.image import KernelImage
from smecheck.load.segments import Segment, SegmentList, SegmentOrigin, SegmentRole
from smecheck.load.shown_kernel import base_of_shown_kernel
from smecheck.quantity import address_text, size_text
from smecheck.span import SpanSet, align_up

if TYPE_CHECKING:
    from smecheck.case import Resolved


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
def segments_overlap(resolved: Resolved) -> Iterator[Observation]:
    """Two segments of the load share memory.

    kexec refuses overlapping segments, so a list that has them is wrong, or mixes two loads. Each
    segment is compared with the one below it that reaches furthest.

    Passes: boot_params at 0x10d41000, after a kernel segment that ends there.
    Fails: boot_params at 0x10d40000.
    Sources: kernel/kexec_core.c, sanity_check_segment_list(), v5.0 to v7.3.
    """
    lower: Segment | None = None
    for upper in resolved.segments.segments if resolved.segments else ():
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
def segment_outside_ram(resolved: Resolved) -> Iterator[Observation]:
    """A segment lies, wholly or in part, outside the System RAM of the memory map.

    Either map and segments are not of the same boot, or kexec placed it by the firmware's map,
    which ignores memory that the command line excludes (memmap=, mem=). kexec also uses the first
    page of memory, which /proc/iomem shows as Reserved. A predicted load contradicts nothing: there
    it is a warning that kexec would write to memory that is not RAM for the kernel.

    Passes: boot_params up to 0x7ffe0000, where System RAM ends.
    Fails: boot_params a page further up.
    Sources: kexec/arch/i386/kexec-x86-common.c, get_memory_ranges(), kexec-tools 2.0.25: which
    map kexec places by.
    """
    memory = resolved.memory
    if memory is None or resolved.segments is None:
        return
    ram = memory.system_ram | memory.ram_buffer
    for segment in resolved.segments.segments:
        for span in SpanSet([segment.span]) - ram:
            region = memory.innermost(span.start)
            yield Observation(
                message=f"{size_text(span.size)} of {segment.role.value} are not System RAM "
                f"({memory.name_at(span.start)})",
                span=span,
                other=Party(region.name, region.span) if region else None,
                severity=Severity.WARNING if resolved.segments.predicted else None,
                condition=None
                if memory.complete or region
                else f"{memory.source}, a fragment of a map, is not missing System RAM there",
            )


@rule(
    "SME017",
    "the load was refused",
    Severity.ERROR,
    passed="load was accepted",
    brief="load was refused",
    about_load=True,
    needs=(needs.recorded_load,),
    remedy="load again; until then the previously loaded kernel, or none, is in place",
)
def load_refused(resolved: Resolved) -> Iterator[Observation]:
    """The text of the load says that the kernel, or kexec itself, refused it.

    ``kexec -d`` prints the whole segment list all the same, twice. The placement is that of a load
    with these segments, but this load is not in memory.

    Passes: the output of a load that ended without a word.
    Fails: "kexec_load failed: Cannot assign requested address" below the list.
    Sources: kexec/kexec.c, my_load() and do_kexec_file_load(), kexec-tools 2.0.25.
    """
    segments = resolved.segments
    if segments is not None and segments.refusal is not None:
        yield Observation(
            message=f"kexec rejected the load: {segments.refusal}",
        )


@rule(
    "SME035",
    "kexec would refuse the load",
    Severity.ERROR,
    passed="kexec accepts the load",
    brief="kexec would refuse the load",
    about_load=True,
    needs=(needs.predicted_load,),
    remedy="fix what kexec refuses (a larger crashkernel=, a smaller initrd, a shorter command "
    "line), or give the load itself with --segments",
)
def load_would_be_refused(resolved: Resolved) -> Iterator[Observation]:
    """No load was recorded, and kexec could not place the one in question.

    The message is kexec's own, followed by what did not fit and the largest hole there was where it
    was looked for. Without that load no kernel is in memory: there is nothing that the workarea
    could collide with, and no kernel to boot.

    Passes: a crash kernel of 13 MiB, for which 256 MiB are reserved.
    Fails: the same with an initrd of 300 MiB: "Could not find a free area of memory of 0x12c00000
    bytes".
    Sources: kexec/kexec.c, locate_hole() and main(), kexec-tools 2.0.25; kernel/kexec_file.c,
    kexec_locate_mem_hole(), v6.1 to v7.3.
    """
    segments = resolved.segments
    if segments is not None and segments.refusal is not None:
        loader = value_of(segments.loader)
        name = loader.value if loader is not None else "kexec"
        yield Observation(message=f"{name} would refuse the load: {segments.refusal}")


_MAY_DIFFER = {
    Path.FIRST_BOOT: (Severity.WARNING, "give the kernel that runs there, or --load-address"),
    Path.KDUMP: (
        Severity.WARNING,
        "give the kernel that runs there, if it is also the crash kernel, as it usually is for "
        "kdump",
    ),
    Path.KEXEC: (Severity.NOTE, "nothing to do if this is the kernel that kexec loads"),
}
"""How bad it is that another kernel runs on the machine, and what to do."""


@rule(
    "SME021",
    "another kernel runs on the machine",
    Severity.WARNING,
    passed="running kernel matches this kernel",
    brief="another kernel runs",
    about_load=True,
    needs=(needs.running_kernel,),
    remedy="give the kernel that runs there",
)
def another_kernel_runs(resolved: Resolved) -> Iterator[Observation]:
    """The memory map or the kernel log shows that a kernel other than KERNEL runs.

    For a first boot the map and the log then say nothing of this kernel's place and of its SME. A
    crash kernel usually is the kernel that runs, so that KERNEL may be the wrong file. The kernel
    that kexec loads may well differ: a note there. Compared are the layout that /proc/iomem shows
    and the release that the log begins with.

    Passes: a Kernel bss as far from Kernel code as __bss_start is from _text.
    Fails: one that is a page nearer; "Linux version 5.0.0" beside a kernel 6.12.117.
    Sources: arch/x86/kernel/setup.c, setup_arch(), the resources of the kernel, v5.0 to v7.3.
    """
    severity, remedy = _MAY_DIFFER[resolved.boot.path]
    memory, log, image = resolved.memory, resolved.log, resolved.image
    if memory is not None and memory.first("Kernel code"):
        base = base_of_shown_kernel(memory, image, resolved.facts)
        if isinstance(base, Unknown):
            yield Observation(message=base.reason, severity=severity, remedy=remedy)
    other = another_kernel(log, image) if log is not None else None
    if other is not None:
        own = f", this one is {image.release.value}" if isinstance(image.release, Known) else ""
        yield Observation(
            message=f"another kernel is running there: {other.value} ({other.origin}){own}",
            severity=severity,
            remedy=remedy,
        )


@rule(
    "SME022",
    "the kernel segment is not of this kernel",
    Severity.ERROR,
    passed="kernel segment matches this kernel",
    brief="segment of another kernel",
    effect=Effect.CONTRADICTION,
    about_load=True,
    needs=(needs.segments,),
    remedy="pass the image that was really loaded, or the segment list of this image",
)
def segment_of_another_kernel(resolved: Resolved) -> Iterator[Observation]:
    """A kernel segment does not fit this kernel, or not all of the kernel is loaded.

    kexec reserves init_size, rounded up to a page, for a bzImage; the 32-bit entry before
    kexec-tools 2.0.30 reserves the file's size only. Another size means another build, and what
    holds for this kernel does not hold for the one that was loaded. Without its header, the kernel
    is at least as large as from ``_text`` to ``_end``, and as the payload that its ELF file makes.

    A vmlinux is loaded as it stands: each LOAD at its physical address, with its size in memory,
    and all of them. A bzImage is one segment. A kernel log does not name its segments; if none of
    them has this kernel's size, the load is another kernel's.

    Passes: a kernel segment of init_size, rounded up to a page; one for each LOAD of the vmlinux.
    Fails: one that is a page larger; a second kernel; a vmlinux without its last LOAD; a log whose
    segments all have other sizes.
    Sources: kexec/arch/x86_64/kexec-bzImage64.c, kexec/arch/i386/kexec-bzImage.c and
    kexec/kexec-elf-exec.c, kexec-tools 2.0.25; arch/x86/kernel/kexec-bzimage64.c.
    """
    segments, image = resolved.segments, resolved.image
    if segments is None or segments.predicted:
        return
    kernel = segments.of(SegmentRole.KERNEL)
    if not kernel:
        yield from _no_kernel_in_log(resolved, segments)
    elif resolved.without_decompressor:
        yield from _other_than_the_loads(image, kernel)
    elif len(kernel) > 1:
        yield from _several_kernels(resolved, kernel)
    else:
        yield from _other_size(resolved, segments, kernel[0])


@rule(
    "SME024",
    "the kernel cannot run at the given address",
    Severity.ERROR,
    passed="kernel can run at the given address",
    brief="kernel cannot run there",
    effect=Effect.CONTRADICTION,
    about_load=True,
    needs=(needs.stated_place,),
    remedy="check --load-address, --kaslr and the command line against each other",
)
def impossible_place(resolved: Resolved) -> Iterator[Observation]:
    """--load-address is not an address where this kernel can run in this boot.

    A kernel runs at LOAD_PHYSICAL_ADDR or above, at a multiple of kernel_alignment; one that is not
    relocatable runs at LOAD_PHYSICAL_ADDR only. Without KASLR it runs where the decompressor puts
    the loaded one, a vmlinux that is loaded as it stands where its LOADs say. With KASLR it runs at
    one of the slots, where these are known; where it is not known whether KASLR is on, it may also
    stay where it is loaded.

    Passes: nokaslr, loaded at 0x10000000, and --load-address 0x10000000.
    Fails: the same with --load-address 0x10200000; any kernel at 0x200000, where pref_address is
    0x1000000.
    Sources: arch/x86/boot/compressed/head_64.S and kaslr.c, choose_random_location(), v5.0 to v7.3.
    """
    base = resolved.boot.kernel_base
    if isinstance(base, Unknown) or not resolved.boot.base_is_stated:
        return
    why = _why_not_there(resolved, base.value)
    if why is not None:
        yield Observation(
            message=f"the kernel is said to run at {address_text(base.value)} ({base.origin}), "
            f"but {why}"
        )


def _why_not_there(resolved: Resolved, base: int) -> str | None:
    boot, rules, bases = resolved.boot, resolved.rules, resolved.bases
    lowest = rules.load_physical_address if rules is not None else Unknown("not asked")
    if rules is not None and isinstance(lowest, Known):
        at_lowest = f"LOAD_PHYSICAL_ADDR, {address_text(lowest.value)} ({lowest.origin})"
        if base < lowest.value:
            return f"no kernel runs below {at_lowest}"
        if not rules.relocatable.value and base != lowest.value:
            return f"it is not relocatable and runs at {at_lowest}"
    if rules is not None and base % rules.alignment.value:
        step = rules.alignment
        return f"that is not a multiple of kernel_alignment, {size_text(step.value)}"
    loaded, kaslr = boot.load_address, boot.kaslr
    if resolved.kernel_moved and isinstance(loaded, Known):
        where = f"it is loaded at {address_text(loaded.value)}"
        if resolved.without_decompressor:
            return f"{where}, as a vmlinux, which runs where its LOADs say"
        if isinstance(kaslr, Known) and not kaslr.value:
            return f"{where}, and KASLR is off ({kaslr.origin})"
    if isinstance(bases, Known) and base not in bases.value:
        return f"that is not one of the {bases.value.count} possible KASLR positions"
    return None


def _no_kernel_in_log(resolved: Resolved, segments: SegmentList) -> Iterator[Observation]:
    """Yield that none of the segments of a log can be this kernel."""
    if any(segment.origin is not SegmentOrigin.LOG for segment in segments.segments):
        return
    image, init_size = resolved.image, resolved.image.header.init_size
    sizes = {segment.span.size for segment in segments.segments}
    places = {(segment.span.start, segment.span.size) for segment in segments.segments}
    if places & _places_of_loads(image):
        return
    if isinstance(init_size, Known):
        if not sizes & _sizes_of_this_kernel(image, init_size.value):
            why = f"for this kernel, init_size is {size_text(init_size.value)}"
            yield _no_segment_is_it(segments, why)
        return
    least = max(_least_sizes(resolved), default=0)
    if max(sizes, default=0) < least:
        yield _no_segment_is_it(segments, f"init_size is at least {size_text(least)}")


def _no_segment_is_it(segments: SegmentList, why: str) -> Observation:
    return Observation(
        message=f"none of the {len(segments.segments)} segments of {segments.source} can be the "
        f"kernel: {why}"
    )


def _other_than_the_loads(image: KernelImage, kernel: tuple[Segment, ...]) -> Iterator[Observation]:
    """Yield what of a vmlinux is not loaded as its LOADs say."""
    linked = _places_of_loads(image)
    loaded = {(segment.span.start, segment.span.size) for segment in kernel}
    for segment in kernel:
        if (segment.span.start, segment.span.size) not in linked:
            size = next(size for start, size in linked if start == segment.span.start)
            yield _of_another_kernel(segment, f"the LOAD there has {size_text(size)}")
    starts = {start for start, _ in loaded}
    for start, size in sorted(linked):
        if start not in starts:
            yield Observation(
                message=f"{len(kernel)} kernel segments, and the LOAD at {address_text(start)}, "
                f"{size_text(size)}, is not among them: not all of the vmlinux is loaded"
            )


def _several_kernels(resolved: Resolved, kernel: tuple[Segment, ...]) -> Iterator[Observation]:
    """Yield which of several kernel segments are not this bzImage, which is one."""
    image, init_size = resolved.image, resolved.image.header.init_size
    if not image.loads and isinstance(init_size, Unknown):
        yield Observation(
            message=f"{len(kernel)} kernel segments, and neither the program headers nor the setup "
            "header of this kernel say what it is loaded as",
            condition="they are not the LOADs of this kernel's vmlinux",
            remedy="give the vmlinux, whose LOADs they would be, or the vmlinuz",
        )
        return
    sizes: set[int] = set()
    if isinstance(init_size, Known):
        sizes = _sizes_of_this_kernel(image, init_size.value)
    strangers = [segment for segment in kernel if segment.span.size not in sizes]
    for segment in strangers:
        known = "no LOAD of its vmlinux is there"
        if isinstance(init_size, Known):
            known = f"init_size is {size_text(init_size.value)}"
        yield _of_another_kernel(segment, known)
    if not strangers:
        yield Observation(
            message=f"{len(kernel)} kernel segments, but a bzImage is one",
            span=kernel[1].span,
            other=segment_party(kernel[1]),
        )


def _other_size(
    resolved: Resolved, segments: SegmentList, kernel: Segment
) -> Iterator[Observation]:
    """Yield that the one kernel segment has not the size of this kernel."""
    image, size = resolved.image, kernel.span.size
    init_size, linked = image.header.init_size, _places_of_loads(image)
    if (kernel.span.start, size) in linked:
        yield from _other_than_the_loads(image, (kernel,))
        return
    if isinstance(init_size, Known):
        loaded = segments.init_size
        if size not in _sizes_of_this_kernel(image, init_size.value):
            yield _of_another_kernel(kernel, f"init_size is {size_text(init_size.value)}")
        elif isinstance(loaded, Known) and loaded.value != init_size.value:
            yield Observation(
                message=f"the kernel that was loaded has an init_size of {size_text(loaded.value)} "
                f"({loaded.origin}), this one of {size_text(init_size.value)}",
                span=kernel.span,
                other=segment_party(kernel),
            )
        return
    least = max(_least_sizes(resolved), default=0)
    if size < least:
        yield _of_another_kernel(kernel, f"init_size is at least {size_text(least)}")


def _places_of_loads(image: KernelImage) -> set[tuple[int, int]]:
    """Return where kexec -l puts the parts of the vmlinux, and how much it keeps for each."""
    return {(load.paddr, align_up(load.memsz, PAGE_SIZE)) for load in image.loads if load.memsz}


def _sizes_of_this_kernel(image: KernelImage, init_size: int) -> set[int]:
    """Return what the loaders reserve for this kernel, in whole pages."""
    sizes = {align_up(init_size, PAGE_SIZE)}
    other = image.header.other
    if "file_size" in other:
        # arch/x86/boot/header.S: setup_sects counts 512-byte sectors after the first; 0 means 4.
        setup_size = ((other.get("setup_sects", 4) or 4) + 1) * 512
        sizes.add(align_up(max(other["file_size"] - setup_size, 0), PAGE_SIZE))
    return sizes


def _least_sizes(resolved: Resolved) -> Iterator[int]:
    text, end = resolved.facts.text, resolved.facts.end
    if isinstance(text, Known) and isinstance(end, Known):
        yield end.value - text.value
    if isinstance(resolved.reserved.init_size, Known):
        yield resolved.reserved.init_size.value


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
    impossible_place,
)
