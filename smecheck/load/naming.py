"""Naming the segments that the text of a load leaves unnamed: by their sizes, order and neighbours.

kexec-tools prints no line for the pages it passes in setup_data nor for the parts of a vmlinux ELF,
and a list may come without any other line. What sizes and order do not show stays ``OTHER``: a
segment with a wrong name would be worse than one without.
"""

from __future__ import annotations

from smecheck.evidence import Known
from smecheck.kernel.constants import DEFAULT_PHYSICAL_ALIGN, PAGE_SIZE
from smecheck.kernel.image import KernelImage
from smecheck.load.segments import Loader, Segment, SegmentRole
from smecheck.record import replace
from smecheck.span import align_up

_RNG_SEED_SIZE = 16 + 32
"""kexec-tools 2.0.25 (6cd3e94), setup_rng_seed(): a setup_data header and 32 bytes of seed."""

_EFI_SETUP_DATA_SIZE = 16 + 96
"""kexec-tools, struct efi_setup_data after a setup_data header."""

_EFI_ENTRY_SIZE = 40
"""kexec-tools, efi_mem_descriptor_t."""

_SETUP_DATA_HEADER = 16
_E820_ENTRY_SIZE = 20
_E820_EXT_LIMIT = _SETUP_DATA_HEADER + 2048 * _E820_ENTRY_SIZE
"""kexec-tools, MAX_MEMORY_RANGES."""

_PURGATORY_LIMIT = 0x10000
"""kexec-tools' purgatory is 0x9000 bytes, the kernel's own 0x5000 or 0x6000."""

_BOOT_PARAMS_SIZES = range(0x1000, 0x21000)
"""The zero page or up to 256 setup sectors, then the command line."""

_CRASH_ALIGN = 0x400
"""kexec-tools, load_crashdump_segments(): sizes of elfcorehdr and backup are multiples of it."""

_ELFCOREHDR_MINIMUM = 0x4000
_BACKUP_LIMIT = 640 << 10
_INITRD_BASE = 0x1000000
"""kexec-tools, bzImage and ELF: no initrd below 16 MiB."""

_ZERO_BYTES = 8
"""v5.4 arch/x86/kernel/crash.c, crash_zero_bytes: all that kexec_file_load puts into a backup."""

_KERNEL_MINIMUM = 2 << 20

_CMA_ALIGN = 1 << 20
"""kernel/dma/contiguous.c, CONFIG_CMA_ALIGNMENT: kexec_file_load asks for 2**8 pages by default."""

_PAGES = {SegmentRole.RNG_SEED, SegmentRole.SETUP_DATA, SegmentRole.EFI_MEMMAP}
"""What kexec-tools places bottom-up, page next to page."""


def name_segments(
    segments: tuple[Segment, ...], loader: Loader | None, image: KernelImage | None
) -> tuple[Segment, ...]:
    """Name those of ``segments``, sorted by address, that sizes and ``image`` distinguish."""
    naming = _Naming(segments)
    by_tools = loader is not None and loader.rules.placed_by_tools
    if by_tools:
        naming.name_setup_data()
    if image is not None:
        naming.name_parts_of_vmlinux(image)
        naming.name_kernel_by_init_size(image)
    if by_tools and naming.has(SegmentRole.KERNEL):
        naming.name_purgatory()
        naming.name_crash_segments()
        naming.name_boot_params()
        naming.name_initrd()
    return tuple(naming.segments)


def name_in_load_order(segments: tuple[Segment, ...]) -> tuple[Segment, ...]:
    """Name the segments of a kexec_file_load, given in the order in which the kernel logged them.

    arch/x86/kernel/kexec-bzimage64.c, bzImage64_load(): backup (up to v5.4) and elfcorehdr of a
    crash kernel, purgatory, boot_params, kernel, initrd.
    """
    index = _kernel_in_load_order(segments)
    if index is None:
        return segments
    roles = {
        index - 2: SegmentRole.PURGATORY,
        index - 1: SegmentRole.BOOT_PARAMS,
        index: SegmentRole.KERNEL,
    }
    if index + 2 == len(segments) and _is_filled(segments[index + 1]):
        roles[index + 1] = SegmentRole.INITRD
    placed = segments[index - 2 :]
    for early, segment in enumerate(segments[: index - 2]):
        if segment.buffer_size == _ZERO_BYTES and segment.span.size <= _BACKUP_LIMIT:
            roles[early] = SegmentRole.BACKUP
        elif _is_elfcorehdr(segment, placed) and SegmentRole.ELFCOREHDR not in roles.values():
            roles[early] = SegmentRole.ELFCOREHDR
    return tuple(
        _named(segment, roles.get(place, SegmentRole.OTHER))
        for place, segment in enumerate(segments)
    )


def name_elfcorehdr(segments: tuple[Segment, ...], address: int | None) -> tuple[Segment, ...]:
    """Name the segment at the ``address`` that the command line gives for elfcorehdr."""
    return tuple(
        _named(segment, SegmentRole.ELFCOREHDR) if segment.span.start == address else segment
        for segment in segments
    )


def name_entered(segments: tuple[Segment, ...], entry: int | None) -> tuple[Segment, ...]:
    """Name purgatory, where the segment that is entered first is as small as purgatory is."""
    if entry is None or any(segment.role is SegmentRole.PURGATORY for segment in segments):
        return segments
    return tuple(
        _named(segment, SegmentRole.PURGATORY)
        if entry in segment.span and segment.span.size <= _PURGATORY_LIMIT
        else segment
        for segment in segments
    )


def _kernel_in_load_order(segments: tuple[Segment, ...]) -> int | None:
    """Return the index of the kernel: the only large segment that is kept larger than its file."""
    named = [i for i, segment in enumerate(segments) if segment.role is SegmentRole.KERNEL]
    found = named or [i for i, segment in enumerate(segments) if _looks_like_kernel(segment)]
    # In an area for contiguous memory (v6.17) it is aligned to less.
    found = found or [i for i, one in enumerate(segments) if _looks_like_kernel(one, _CMA_ALIGN)]
    return found[0] if len(found) == 1 and found[0] >= 2 else None


def _looks_like_kernel(segment: Segment, alignment: int = DEFAULT_PHYSICAL_ALIGN) -> bool:
    return (
        segment.role is SegmentRole.OTHER
        and segment.span.start % alignment == 0
        and segment.span.size >= _KERNEL_MINIMUM
        and _has_room(segment)
    )


def _is_elfcorehdr(segment: Segment, placed: tuple[Segment, ...]) -> bool:
    """Return whether it is searched bottom-up, as elfcorehdr is; an IMA or key buffer is not."""
    below = all(segment.span.end <= other.span.start for other in placed)
    return below and bool(segment.buffer_size) and _content_pages(segment) == segment.buffer_size


def _named(segment: Segment, role: SegmentRole) -> Segment:
    return replace(segment, role=role) if segment.role is SegmentRole.OTHER else segment


def _content_pages(segment: Segment) -> int:
    return align_up(segment.buffer_size or 0, PAGE_SIZE)


def _is_filled(segment: Segment) -> bool:
    """Return whether the segment is its content, rounded up to pages."""
    return bool(segment.buffer_size) and _content_pages(segment) == segment.span.size


def _has_room(segment: Segment) -> bool:
    """Return whether pages after the content are kept, too."""
    return segment.buffer_size is not None and _content_pages(segment) < segment.span.size


class _Naming:
    """A load whose segments get their names one kind after the other."""

    def __init__(self, segments: tuple[Segment, ...]) -> None:
        self.segments = list(segments)

    def has(self, role: SegmentRole) -> bool:
        """Return whether a segment of that role is known."""
        return any(segment.role is role for segment in self.segments)

    def name_setup_data(self) -> None:
        """Name the pages that kexec-tools places from 1 MiB upwards, last of all."""
        for segment in self._unnamed():
            if segment.span.size == PAGE_SIZE and segment.buffer_size == _RNG_SEED_SIZE:
                self._name(segment, SegmentRole.RNG_SEED)
            elif segment.span.size == PAGE_SIZE and segment.buffer_size == _EFI_SETUP_DATA_SIZE:
                self._name(segment, SegmentRole.SETUP_DATA)
        # Neither length nor place is enough for the next two: a part of a vmlinux may share them.
        parts_have_lines = self.has(SegmentRole.KERNEL) and self.has(SegmentRole.BOOT_PARAMS)
        for segment in self._unnamed():
            size = segment.buffer_size or 0
            is_small = _is_filled(segment) and size <= _E820_EXT_LIMIT
            if not is_small or not (parts_have_lines or self._neighbours(segment) & _PAGES):
                continue
            if size % _EFI_ENTRY_SIZE == 0 and self.has(SegmentRole.SETUP_DATA):
                self._name(segment, SegmentRole.EFI_MEMMAP)
            elif size % _E820_ENTRY_SIZE == _SETUP_DATA_HEADER:
                self._name(segment, SegmentRole.E820_EXT)

    def name_parts_of_vmlinux(self, image: KernelImage) -> None:
        """Name the parts of a vmlinux ELF, which are loaded where their program headers say."""
        parts = {
            (load.paddr, align_up(load.memsz, PAGE_SIZE)) for load in image.loads if load.memsz
        }
        for segment in self._unnamed():
            if (segment.span.start, segment.span.size) in parts:
                self._name(segment, SegmentRole.KERNEL)

    def name_kernel_by_init_size(self, image: KernelImage) -> None:
        """Name the kernel of a bzImage: both system calls keep init_size for it."""
        init_size = image.header.init_size
        if self.has(SegmentRole.KERNEL) or not isinstance(init_size, Known):
            return
        size = align_up(init_size.value, PAGE_SIZE)
        found = [segment for segment in self._unnamed() if segment.span.size == size]
        # An initrd of just that size is nowhere as well aligned, but by chance.
        if len(found) > 1:
            found = [one for one in found if _looks_like_kernel(one)]
        if len(found) == 1:
            self._name(found[0], SegmentRole.KERNEL)

    def name_purgatory(self) -> None:
        """Name kexec-tools' purgatory: the one small segment that has a bss."""
        if self.has(SegmentRole.PURGATORY):
            return
        found = [
            segment
            for segment in self._unnamed()
            if segment.span.size <= _PURGATORY_LIMIT
            and _has_room(segment)
            and (segment.buffer_size or 0) % _CRASH_ALIGN
        ]
        if len(found) == 1:
            self._name(found[0], SegmentRole.PURGATORY)

    def name_crash_segments(self) -> None:
        """Name elfcorehdr and backup, which kexec-tools stacks on top of purgatory."""
        for role, below, sizes in (
            (SegmentRole.ELFCOREHDR, SegmentRole.PURGATORY, (_ELFCOREHDR_MINIMUM, 1 << 20)),
            (SegmentRole.BACKUP, SegmentRole.ELFCOREHDR, (PAGE_SIZE, _BACKUP_LIMIT)),
        ):
            ends = {segment.span.end for segment in self.segments if segment.role is below}
            found = [
                segment
                for segment in self._unnamed()
                if segment.span.start in ends
                and sizes[0] <= segment.span.size <= sizes[1]
                and (segment.buffer_size or 1) % _CRASH_ALIGN == 0
            ]
            if len(found) == 1 and not self.has(role):
                self._name(found[0], role)

    def name_boot_params(self) -> None:
        """Name what is placed right after purgatory: below it (bzImage) or above it (ELF)."""
        if self.has(SegmentRole.BOOT_PARAMS):
            return
        found = [
            segment
            for segment in self._unnamed()
            if segment.buffer_size in _BOOT_PARAMS_SIZES
            and _is_filled(segment)
            and SegmentRole.PURGATORY in self._neighbours(segment)
        ]
        if len(found) == 1:
            self._name(found[0], SegmentRole.BOOT_PARAMS)

    def name_initrd(self) -> None:
        """Name the initrd: the one segment that is left where all others are known."""
        left = self._unnamed()
        if self.has(SegmentRole.INITRD) or not self.has(SegmentRole.BOOT_PARAMS):
            return
        if len(left) == 1 and _is_filled(left[0]) and left[0].span.start >= _INITRD_BASE:
            self._name(left[0], SegmentRole.INITRD)

    def _unnamed(self) -> list[Segment]:
        return [segment for segment in self.segments if segment.role is SegmentRole.OTHER]

    def _name(self, segment: Segment, role: SegmentRole) -> None:
        self.segments[self.segments.index(segment)] = replace(segment, role=role)

    def _neighbours(self, segment: Segment) -> set[SegmentRole]:
        """Return the roles of the segments that touch ``segment``."""
        span = segment.span
        return {
            other.role
            for other in self.segments
            if other.span.end == span.start or other.span.start == span.end
        }
