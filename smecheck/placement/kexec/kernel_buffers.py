"""The segments of a load as the running kernel adds them for kexec_file_load.

kernel/kexec_file.c, kexec_add_buffer() and what it calls, v4.14 to v6.12.
"""

from __future__ import annotations

from smecheck.model.load import ADDRESSES, Refusal
from smecheck.model.placement import Step
from smecheck.model.segments import Segment, SegmentOrigin
from smecheck.placement.constants import PAGE_SIZE
from smecheck.placement.kexec.file_load_rules import KernelChange
from smecheck.placement.kexec.holes import Wanted, largest_room
from smecheck.placement.kexec.kexec_buffers import PREDICTED_FROM, Buffer, LoadRefused
from smecheck.placement.kexec.versions import Version
from smecheck.quantity import address_text, size_text
from smecheck.span import Span, SpanSet, align_down, align_up

_LOCATE = "kernel/kexec_file.c, locate_mem_hole_callback()"


class KernelBuffers:
    """The segments so far, in the order in which the kernel adds them."""

    def __init__(self, ram: list[Span], source: str, kernel: Version) -> None:
        """Start a load.

        Args:
            ram: the ranges that may be used, ascending.
            source: where they were read.
            kernel: the running one.
        """
        self.segments: list[Segment] = []
        self._ram = ram
        self._source = source
        self._kernel = kernel

    def add(self, buffer: Buffer) -> Span:
        """Place a buffer where the kernel would, and return where that is.

        Raises:
            LoadRefused: there is no room.
        """
        wanted = Wanted(
            align_up(buffer.size, PAGE_SIZE),
            max(buffer.alignment, PAGE_SIZE),
            Span(buffer.lowest, ADDRESSES.end),
            buffer.from_top,
        )
        for span in self._in_order(from_top=buffer.from_top):
            start = self._start_in(span, wanted)
            if start is not None:
                placed = Span.sized(start, wanted.size)
                self._append(buffer, placed, span, wanted)
                return placed
        free = SpanSet(self._ram) - SpanSet(segment.span for segment in self.segments)
        text = "kexec_file_load failed: Cannot assign requested address"
        raise LoadRefused(Refusal(text, wanted.size, largest_room(free, wanted), buffer.role.value))

    def _in_order(self, *, from_top: bool) -> list[Span]:
        highest_first = from_top and KernelChange.FROM_HIGHEST_RANGE.is_in(self._kernel)
        return self._ram[::-1] if highest_first else self._ram

    def _start_in(self, span: Span, wanted: Wanted) -> int | None:
        if span.size < wanted.size:
            return None
        return self._from_top(span, wanted) if wanted.from_top else self._from_bottom(span, wanted)

    def _from_top(self, span: Span, wanted: Wanted) -> int | None:
        counts_last = KernelChange.COUNTS_LAST_BYTE.is_in(self._kernel)
        start = span.end - wanted.size - (0 if counts_last else 1)
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

    def _append(self, buffer: Buffer, placed: Span, span: Span, wanted: Wanted) -> None:
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
        self.segments.append(
            Segment(
                buffer.role,
                placed,
                content,
                SegmentOrigin.PREDICTED,
                PREDICTED_FROM,
                steps,
            )
        )
