"""The segments of a load as kexec-tools adds them, one after the other.

kexec-tools, kexec/kexec.c, add_buffer() and add_segment().
"""

from __future__ import annotations

from smecheck.evidence import Step
from smecheck.kernel.constants import PAGE_SIZE
from smecheck.load.candidates import Candidates, ram_ranges
from smecheck.load.holes import Hole, Wanted, find_hole, free_pieces, largest_room
from smecheck.load.placed import Buffer, Placed, nothing_placed
from smecheck.load.request import Refusal
from smecheck.load.segments import Segment, SegmentOrigin, SegmentRole
from smecheck.load.versions import ToolsChange, Version
from smecheck.quantity import address_text, size_text
from smecheck.span import Span, align_up

PREDICTED_FROM = "prediction"
"""What stands for the place in a file of a segment that was predicted."""


class LoadRefused(Exception):
    """kexec would refuse the load here."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.text)
        self.refusal = refusal


class KexecBuffers:
    """The segments so far, and the memory that is left."""

    def __init__(self, candidates: Candidates, window: Span, tools: Version) -> None:
        self.candidates = candidates
        self._ram = ram_ranges(candidates)
        self._window = window
        self._spare = 0 if ToolsChange.COUNTS_LAST_BYTE.is_in(tools) else 1
        self._placed = nothing_placed(candidates, window.start, window.end, self._spare)

    @property
    def segments(self) -> tuple[Segment, ...]:
        """The segments so far, by address."""
        return tuple(sorted(self._placed.segments, key=lambda segment: segment.span.start))

    def add(self, buffer: Buffer) -> Span:
        """Place a buffer where kexec-tools would, and return where that is.

        Raises:
            LoadRefused: there is no room, or what is there already is no good.
        """
        self._placed = self._placed.further(buffer, self._place)
        return self._placed.segments[-1].span

    def _place(self, buffer: Buffer) -> Segment:
        taken = self._taken()
        size = align_up(buffer.size, PAGE_SIZE)
        wanted = Wanted(
            size,
            max(buffer.alignment, PAGE_SIZE),
            Span(buffer.lowest, max(buffer.lowest, buffer.end)) & self._window,
            buffer.from_top,
        )
        hole = self._hole(wanted, taken)
        if hole is None:
            pieces = free_pieces(self._ram.spans, taken)
            raise LoadRefused(
                Refusal(
                    f"Could not find a free area of memory of {size:#x} bytes... "
                    "locate_hole failed",
                    size,
                    largest_room(pieces, wanted),
                    buffer.role.value,
                )
            )
        span = Span.sized(hole.start, size)
        steps = (
            Step("memsz", size, _size_formula(buffer), buffer.source),
            Step("hole", hole.piece.start, f"free memory {hole.piece}", self.candidates.source),
            Step("start", span.start, _start_formula(hole.piece, wanted), _LOCATE_HOLE),
        )
        return self._segment(buffer.role, buffer.content, span, steps)

    def _hole(self, wanted: Wanted, taken: list[Span]) -> Hole | None:
        """Look for room; ranges that lie in order are looked at one by one, up to the first fit."""
        spare, ram = self._spare, self._ram.spans
        if not self._ram.in_order:
            return find_hole(free_pieces(ram, taken), wanted, spare=spare)
        first, after = self._ram.reached_by(wanted.within)
        for span in reversed(ram[first:after]) if wanted.from_top else ram[first:after]:
            if span.end - span.start < wanted.size:
                continue
            inside = [other for other in taken if other.start in span]
            hole = find_hole(free_pieces((span,), inside), wanted, spare=spare)
            if hole is not None:
                return hole
        return None

    def add_at(self, role: SegmentRole, content: int | None, span: Span, source: str) -> None:
        """Put a segment where it must be, such as a part of an ELF file; an empty one is left out.

        Raises:
            LoadRefused: that is not a place for a segment.
        """
        if not span:
            return
        if span.start % PAGE_SIZE:
            text = f"Base address: {span.start:#x} is not page aligned"
            raise LoadRefused(Refusal(text, span.size, None, role.value))
        kept = Span.sized(span.start, align_up(span.size, PAGE_SIZE))
        steps = (
            Step("memsz", kept.size, f"page_align({address_text(span.size)})", source),
            Step("start", kept.start, "where the file says", source),
        )
        segment = self._segment(role, content, kept, steps)
        self._placed = Placed((*self._placed.segments, segment))

    def in_order(self) -> tuple[Segment, ...]:
        """Return the segments by address.

        Raises:
            LoadRefused: two of them overlap.
        """
        self._taken()
        return self.segments

    def _segment(
        self, role: SegmentRole, content: int | None, span: Span, steps: tuple[Step, ...]
    ) -> Segment:
        if not self._is_valid(span):
            text = f"Invalid memory segment {span.start:#x} - {span.end - 1:#x}"
            raise LoadRefused(Refusal(text, span.size, None, role.value))
        kept = content if content is None else min(content, span.size)
        return Segment(
            role=role,
            span=span,
            buffer_size=kept,
            origin=SegmentOrigin.PREDICTED,
            where=PREDICTED_FROM,
            derivation=steps,
        )

    def _is_valid(self, span: Span) -> bool:
        """Return whether a range of RAM holds it, or two that share a byte (valid_memory_range)."""
        if not self._window.covers(span):
            return False
        places = self._ram.holding(span.start)
        return any(_reach(self.candidates, place).covers(span) for place in places)

    def _taken(self) -> list[Span]:
        """Return what the segments take, by address; refuse the load where two of them overlap."""
        taken = [segment.span for segment in self.segments]
        end = 0
        for span in taken:
            if end > span.start:
                raise LoadRefused(
                    Refusal(f"Overlapping memory segments at {end:#x}; sort_segments failed")
                )
            end = span.end
        return taken


_LOCATE_HOLE = "kexec-tools, kexec/kexec.c, locate_hole()"


def _reach(candidates: Candidates, index: int) -> Span:
    """Return a range of RAM, with the next one where its last byte is the other's first."""
    span = candidates.ranges[index].span
    if index + 1 < len(candidates.ranges):
        following = candidates.ranges[index + 1]
        if following.is_ram and span.end - 1 == following.span.start:
            return Span(span.start, following.span.end)
    return span


def _size_formula(buffer: Buffer) -> str:
    return f"page_align({address_text(buffer.size)})"


def _start_formula(piece: Span, wanted: Wanted) -> str:
    room = piece & wanted.within
    if wanted.from_top:
        return (
            f"align_down({address_text(room.end)} - {address_text(wanted.size)}, "
            f"{address_text(wanted.alignment)}): the highest hole that holds "
            f"{size_text(wanted.size)}{wanted.limits}"
        )
    return (
        f"align_up({address_text(room.start)}, {address_text(wanted.alignment)}): the lowest hole "
        f"that holds {size_text(wanted.size)}{wanted.limits}"
    )
