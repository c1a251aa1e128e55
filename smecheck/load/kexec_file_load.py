"""Where the running kernel puts the segments of a kexec_file_load.

kernel/kexec_file.c, kexec_add_buffer() and what it calls, v4.14 to v7.3.
"""

from __future__ import annotations

from collections.abc import Iterator

from smecheck.evidence import Step, value_of
from smecheck.kernel.constants import PAGE_SIZE
from smecheck.load.assumptions import Assumptions
from smecheck.load.bzimage_facts import BzImageFacts, bzimage_facts
from smecheck.load.crash_areas import crash_areas
from smecheck.load.elfcorehdr import (
    CPUS,
    HOTPLUG_ASSUMED,
    HOTPLUG_SIZE,
    headers_size,
    refused_for_hotplug,
)
from smecheck.load.hidden_places import handed_over_size, say_what_is_hidden
from smecheck.load.holes import Wanted, largest_room
from smecheck.load.kernel_limits import MORE_THAN_HALF, system_ram, takes_too_much
from smecheck.load.kexec_buffers import PREDICTED_FROM, LoadRefused
from smecheck.load.kexec_load import cmdline_of, is_elf_request, tools_of
from smecheck.load.kexec_options import KexecOptions, options_of_host
from smecheck.load.load_state import cmdline_bytes
from smecheck.load.loading_kernel import RunningKernel, running_kernel, running_purgatory
from smecheck.load.placed import Buffer, nothing_placed
from smecheck.load.request import ADDRESSES, LoadRequest, Prediction, Refusal
from smecheck.load.reservation import NOT_RESERVED, highest, known_iomem, reservations_of
from smecheck.load.runtime_map import runtime_entries
from smecheck.load.segments import Segment, SegmentOrigin, SegmentRole
from smecheck.load.versions import KernelChange, ToolsChange, Version, stated_version
from smecheck.machine.memory import MemoryMap
from smecheck.quantity import address_text, size_text
from smecheck.record import record, replace
from smecheck.remembered import remembered
from smecheck.span import Span, SpanSet, align_down, align_up

_LOCATE = "kernel/kexec_file.c, locate_mem_hole_callback()"


class KernelBuffers:
    """The segments so far, in the order in which the kernel adds them."""

    def __init__(self, ram: tuple[Span, ...], source: str, kernel: Version) -> None:
        """Start a load.

        Args:
            ram: the ranges that may be used, ascending.
            source: where they were read.
            kernel: the running one.
        """
        self._ram = ram
        self._source = source
        self._counts_last = KernelChange.COUNTS_LAST_BYTE.is_in(kernel)
        self._highest_first = KernelChange.FROM_HIGHEST_RANGE.is_in(kernel)
        self._placed = nothing_placed(ram, source, self._counts_last, self._highest_first)

    @property
    def segments(self) -> tuple[Segment, ...]:
        """The segments so far, in the order in which they were added."""
        return self._placed.segments

    def add(self, buffer: Buffer) -> Span:
        """Place a buffer where the kernel would, and return where that is.

        Raises:
            LoadRefused: there is no room.
        """
        self._placed = self._placed.further(buffer, self._place)
        return self._placed.segments[-1].span

    def _place(self, buffer: Buffer) -> Segment:
        wanted = Wanted(
            align_up(buffer.size, PAGE_SIZE),
            max(buffer.alignment, PAGE_SIZE),
            Span(buffer.lowest, ADDRESSES.end),
            buffer.from_top,
        )
        for span in self._in_order(from_top=buffer.from_top):
            start = self._start_in(span, wanted)
            if start is not None:
                return self._segment(buffer, Span.sized(start, wanted.size), span, wanted)
        free = SpanSet(self._ram) - SpanSet(segment.span for segment in self.segments)
        text = "kexec_file_load failed: Cannot assign requested address"
        raise LoadRefused(Refusal(text, wanted.size, largest_room(free, wanted), buffer.role.value))

    def _in_order(self, *, from_top: bool) -> tuple[Span, ...]:
        return self._ram[::-1] if from_top and self._highest_first else self._ram

    def _start_in(self, span: Span, wanted: Wanted) -> int | None:
        if span.size < wanted.size:
            return None
        return self._from_top(span, wanted) if wanted.from_top else self._from_bottom(span, wanted)

    def _from_top(self, span: Span, wanted: Wanted) -> int | None:
        start = span.end - wanted.size - (0 if self._counts_last else 1)
        lowest = max(span.start, wanted.within.start)
        while True:
            # The kernel goes down page by page; the result is the same.
            start = align_down(start, wanted.alignment)
            if start < lowest:
                return None
            hit = self._met(Span.sized(start, wanted.size))
            if hit is None:
                return start
            start = hit.start - wanted.size

    def _from_bottom(self, span: Span, wanted: Wanted) -> int | None:
        start = max(span.start, wanted.within.start)
        while True:
            start = align_up(start, wanted.alignment)
            if start + wanted.size > span.end:
                return None
            hit = self._met(Span.sized(start, wanted.size))
            if hit is None:
                return start
            start = hit.end

    def _met(self, span: Span) -> Span | None:
        return next((one.span for one in self.segments if one.span.overlaps(span)), None)

    def _segment(self, buffer: Buffer, placed: Span, span: Span, wanted: Wanted) -> Segment:
        direction = "highest" if wanted.from_top else "lowest"
        steps = (
            Step("memsz", placed.size, f"page_align({address_text(buffer.size)})", buffer.source),
            Step("hole", span.start, f"the first range that fits, {span}", self._source),
            Step(
                "start",
                placed.start,
                f"the {direction} multiple of {address_text(wanted.alignment)} in it from "
                f"{address_text(wanted.within.start)} on where {size_text(wanted.size)} are free",
                _LOCATE,
            ),
        )
        content = buffer.content if buffer.content is None else min(buffer.content, placed.size)
        return Segment(
            role=buffer.role,
            span=placed,
            buffer_size=content,
            origin=SegmentOrigin.PREDICTED,
            where=PREDICTED_FROM,
            derivation=steps,
        )


_LOAD = "arch/x86/kernel/kexec-bzimage64.c, bzImage64_load()"
_CRASH = "arch/x86/kernel/crash.c, crash_load_segments()"

_ABOVE_VECTORS = 0x3000
_KERNEL_BASE = 0x100000
_INITRD_BASE = 0x1000000
"""MIN_PURGATORY_ADDR, MIN_BOOTPARAM_ADDR; MIN_KERNEL_LOAD_ADDR; MIN_INITRD_LOAD_ADDR."""

_ONLY_64BIT = Refusal("Kexec2 syscall does not support 16bit or 32bit entry yet")
"""kexec-tools, kexec-bzImage64.c, bzImage64_load_file()."""

_BOOT_PARAMS_SIZE = 4096
_ELFCOREHDR_WORD = 30
"""MAX_ELFCOREHDR_STR_LEN."""

_SETUP_DATA_HEADER = 16
_EFI_DATA = 96
_SEED = 32
_GRANULE = 16

_EFI_DESCRIPTOR = 48

_LOW_MEMORY_END = 1 << 20
_BACKUP_END = 640 << 10
_ZEROES = 8
"""crash_zero_bytes: all that is loaded into a backup."""


@record
class _Load:
    request: LoadRequest
    running: RunningKernel
    assumptions: Assumptions
    memory: MemoryMap
    image: BzImageFacts

    @property
    def kernel(self) -> Version:
        """The release of the running kernel, which places."""
        return self.running.version


def predict_kexec_file_load(request: LoadRequest, assumptions: Assumptions) -> Prediction:
    """Predict the segments that the running kernel would load, or how it would refuse to.

    Raises:
        NotPredictable: a fact is missing.
    """
    if is_elf_request(request):
        refusal = _by_kernel("Exec format error", "no bzImage", request, assumptions)
        return _refused(refusal, request, assumptions)
    options = options_of_host(request.host)
    for text in _not_for_file_load(options, request):
        assumptions.say(f"{text} does not count: the running kernel places, not kexec-tools")
    request = replace(request, cmdline=cmdline_of(request, options, assumptions))
    image = bzimage_facts(request.image, assumptions)
    running = running_kernel(request, assumptions)
    kernel = running.version
    load = _Load(request, running, assumptions, known_iomem(request, assumptions), image)
    say_what_is_hidden(request, kernel, assumptions)
    ram = _candidates(load)
    if not ram and request.mode.is_crash:
        return _refused(NOT_RESERVED, request, assumptions)
    refusal_at_once = _refused_at_once(load)
    if refusal_at_once is not None:
        return _refused(refusal_at_once, request, assumptions)
    buffers = KernelBuffers(ram, load.memory.source, kernel)
    failed = None
    cmdline = request.cmdline
    try:
        cmdline = _place(load, buffers)
    except LoadRefused as error:
        failed = error.refusal
    if failed is None and takes_too_much(buffers.segments, load.memory):
        failed = _by_kernel("Invalid argument", MORE_THAN_HALF, request, assumptions)
    ordered = tuple(sorted(buffers.segments, key=lambda segment: segment.span))
    return assumptions.prediction(ordered, failed, cmdline)


def _place(load: _Load, buffers: KernelBuffers) -> str:
    """Add all segments in the kernel's order; return the command line of the new kernel."""
    image, cmdline = load.image, load.request.cmdline
    if load.request.mode.is_crash:
        header = _add_crash_segments(load, buffers)
        cmdline = f"elfcorehdr={header.start:#x} {cmdline}"
    purgatory = running_purgatory(load.running, load.request, load.assumptions)
    buffers.add(
        Buffer(
            SegmentRole.PURGATORY,
            purgatory.content or None,
            purgatory.size,
            _LOAD,
            lowest=_ABOVE_VECTORS,
        )
    )
    size = _parameters_size(load)
    buffers.add(Buffer(SegmentRole.BOOT_PARAMS, size, size, _LOAD, lowest=_ABOVE_VECTORS))
    lowest = _KERNEL_BASE
    if KernelChange.ABOVE_PREF_ADDRESS.is_in(load.kernel):
        lowest = max(lowest, image.pref_address)
    buffers.add(
        Buffer(
            SegmentRole.KERNEL,
            image.content,
            image.memory_size,
            f"{_LOAD}; init_size and kernel_alignment of the setup header",
            alignment=image.alignment,
            lowest=lowest,
        )
    )
    initrd = load.request.initrd_size
    if initrd:
        buffers.add(Buffer(SegmentRole.INITRD, initrd, initrd, _LOAD, lowest=_INITRD_BASE))
    return cmdline


def _add_crash_segments(load: _Load, buffers: KernelBuffers) -> Span:
    """Add backup (up to v5.4) and elfcorehdr, upwards; return where elfcorehdr is."""
    if not KernelChange.NO_BACKUP.is_in(load.kernel):
        source = _backup_source(load.memory)
        if source:
            buffers.add(
                Buffer(
                    SegmentRole.BACKUP,
                    _ZEROES,
                    source.size,
                    f"{_CRASH}; low memory {source}",
                    from_top=False,
                )
            )
    content, kept = _elfcorehdr_sizes(load)
    return buffers.add(Buffer(SegmentRole.ELFCOREHDR, content, kept, _CRASH, from_top=False))


@remembered
def _backup_source(memory: MemoryMap) -> Span:
    low = Span(0, _BACKUP_END)
    return next((span & low for span in system_ram(memory) if span & low), Span(0, 0))


def _elfcorehdr_sizes(load: _Load) -> tuple[int, int]:
    """Return the bytes of the ELF headers and what is kept for them."""
    host = load.request.host
    cpus = load.assumptions.take(
        "cpus", host.cpus, CPUS, f"{CPUS} possible CPUs (up to about 65, elfcorehdr takes one page)"
    )
    areas: tuple[Span, ...] = ()
    if KernelChange.CRASH_CMA.is_in(load.kernel):
        areas = value_of(crash_areas(host)) or ()
    low_end = _LOW_MEMORY_END if KernelChange.NO_BACKUP.is_in(load.kernel) else 0
    headers = cpus + 1 + _ranges_to_dump(load.memory, low_end, areas) + 1
    content = align_up(headers_size(headers), PAGE_SIZE)
    if not KernelChange.CRASH_HOTPLUG.is_in(load.kernel):
        return content, content
    size = load.assumptions.take(
        "crash_elfcorehdr_size",
        host.crash_elfcorehdr_size,
        HOTPLUG_SIZE,
        HOTPLUG_ASSUMED,
    )
    return content, max(size, content)


@remembered
def _ranges_to_dump(memory: MemoryMap, low_end: int, areas: tuple[Span, ...]) -> int:
    """Count the ranges that elfcorehdr describes: RAM from ``low_end`` on, but for these areas."""
    reserved = (region.span for region in memory.crash_kernel)
    return len(SpanSet(system_ram(memory)) - SpanSet([*reserved, Span(0, low_end), *areas]))


def _parameters_size(load: _Load) -> int:
    """Return the bytes of boot_params, command line and all of setup_data, which lie together."""
    host, take = load.request.host, load.assumptions.take
    entries = runtime_entries(host, load.assumptions)
    descriptor = _EFI_DESCRIPTOR
    if entries:
        descriptor = take(
            "efi_descriptor_size",
            host.efi_descriptor_size,
            _EFI_DESCRIPTOR,
            f"an EFI memory descriptor has {_EFI_DESCRIPTOR} bytes",
        )
    cmdline = cmdline_bytes(load.request.cmdline) + _ELFCOREHDR_WORD
    size = align_up(_BOOT_PARAMS_SIZE + cmdline, _GRANULE)
    size += align_up(entries * descriptor, _GRANULE) + _SETUP_DATA_HEADER + _EFI_DATA
    if KernelChange.RNG_SEED.is_in(load.kernel):
        size += _SETUP_DATA_HEADER + _SEED
    if KernelChange.HANDOVER.is_in(load.kernel):
        size += handed_over_size(load.request, size, load.assumptions)
    return size


def _candidates(load: _Load) -> tuple[Span, ...]:
    """Return the ranges that may be used; none where nothing is reserved for a crash kernel."""
    if not load.request.mode.is_crash:
        return system_ram(load.memory)
    # crashk_low_res, the lower of two, is never used (kexec_walk_resources()).
    return highest(reservations_of(load.request, load.memory))


def _not_for_file_load(options: KexecOptions, request: LoadRequest) -> Iterator[str]:
    """Yield what was given and does nothing for kexec_file_load.

    kexec-tools, kexec.c: do_kexec_file_load() looks neither at ``--type`` nor at the window.
    """
    if options.file_type is not None:
        yield f"--type={options.file_type}"
    low, high = options.mem_min is not None, options.mem_max is not None
    if low or request.window.start != ADDRESSES.start:
        yield "--mem-min"
    if high or request.window.end != ADDRESSES.end:
        yield "--mem-max"


def _refused_at_once(load: _Load) -> Refusal | None:
    """Return how kexec-tools, or the kernel before it places anything, refuses the load, if so."""
    request, image, assumptions = load.request, load.image, load.assumptions
    options = options_of_host(request.host)
    if options.hotplug:
        refusal = refused_for_hotplug(request, assumptions)
        if refusal is not None:
            return refusal
    if flag := _unknown_flag(load, options):
        return _by_kernel("Invalid argument", f"it does not know {flag}", request, assumptions)
    if not image.loads_64:
        return _by_kernel("Exec format error", "no 64-bit entry", request, assumptions)
    if options.entry_32bit or options.real_mode:
        return _ONLY_64BIT
    if request.initrd_size == 0:
        # fs/kernel_read_file.c, kernel_read_file(): no file without content.
        return _by_kernel("Invalid argument", "the initrd is empty", request, assumptions)
    length = cmdline_bytes(request.cmdline)
    if length + _ELFCOREHDR_WORD > image.cmdline_size:
        why = (
            f"Kernel command line too long: {length} bytes with its NUL and {_ELFCOREHDR_WORD} for "
            f"elfcorehdr=, cmdline_size is {image.cmdline_size}"
        )
        return _by_kernel("Invalid argument", why, request, assumptions)
    return None


def _unknown_flag(load: _Load, options: KexecOptions) -> str | None:
    """Return the flag that an option asks for and the running kernel does not know, if so."""
    if options.no_cma and not KernelChange.NO_CMA_FLAG.is_in(load.kernel):
        return "the flag of --no-cma before v6.17"
    if options.debug and not KernelChange.DEBUG_FLAG.is_in(load.kernel):
        tools = stated_version(load.request.host.kexec_tools)
        if tools is not None and ToolsChange.DEBUG_FLAG.is_in(tools):
            return "the flag of -d before v6.8"
    return None


def _by_kernel(error: str, why: str, request: LoadRequest, assumptions: Assumptions) -> Refusal:
    """Return what kexec-tools makes of an image or of arguments that the kernel does not take."""
    if not ToolsChange.FALLS_BACK.is_in(tools_of(request, assumptions)):
        return Refusal(f"kexec_file_load failed: {error} ({why})")
    text = f"syscall kexec_file_load not available. (the kernel says {error}: {why})"
    return Refusal(text, falls_back=True)


def _refused(refusal: Refusal, request: LoadRequest, assumptions: Assumptions) -> Prediction:
    return assumptions.prediction((), refusal, request.cmdline)
