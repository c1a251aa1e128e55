"""Finding room for a segment: the lowest or the highest hole of memory that holds it.

kexec-tools, kexec/kexec.c, locate_hole(), and the kernel, kernel/kexec_file.c, locate_mem_hole_*(),
differ in what they look through and in which order; what a fitting place is, is the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from smecheck.load.request import ADDRESSES
from smecheck.quantity import address_text
from smecheck.record import record
from smecheck.span import Span, align_down, align_up


@record
class Wanted:
    """Room that is wanted."""

    size: int
    """Bytes, whole pages."""
    alignment: int
    within: Span
    """Where it must lie, whole."""
    from_top: bool
    """At the highest place that there is, not at the lowest."""

    @property
    def limits(self) -> str:
        """Say where it must lie, for a derivation: `` from 0x1000000 on``."""
        if self.within == ADDRESSES:
            return ""
        if self.within.end == ADDRESSES.end:
            return f" from {address_text(self.within.start)} on"
        return f" within {self.within}"


@record
class Hole:
    """Room that was found."""

    start: int
    piece: Span
    """The free memory it was cut from."""


def free_pieces(ram: Iterable[Span], taken: Sequence[Span]) -> list[Span]:
    """Return what ``taken``, in ascending order, leaves of ``ram``, in the order of ``ram``.

    kexec-tools goes through both lists once: what was taken from one range is not taken from a
    later one that overlaps it.
    """
    pieces = []
    index = 0
    for span in ram:
        start, end = span.start, span.end
        first = index
        while index < len(taken) and taken[index].start < end:
            if start < taken[index].start:
                pieces.append(Span(start, taken[index].start))
            start = taken[index].end
            index += 1
        if index == first:
            pieces.append(span)
        elif start < end:
            pieces.append(Span(start, end))
    return pieces


def room_in(piece: Span, wanted: Wanted) -> Span | None:
    """Return the part of ``piece`` that may be used: cut to limits, its start aligned."""
    start = align_up(max(piece.start, wanted.within.start), wanted.alignment)
    end = min(piece.end, wanted.within.end)
    return Span(start, end) if start < end else None


def find_hole(pieces: Sequence[Span], wanted: Wanted, *, spare: int = 0) -> Hole | None:
    """Return the first fitting place, from the first piece on or from the last one down.

    Args:
        pieces: free memory.
        wanted: what is looked for.
        spare: bytes at the end of a piece that are not used: 1 for a program that takes the address
            of the last byte for the end.
    """
    least = wanted.size + spare
    for piece in reversed(pieces) if wanted.from_top else pieces:
        room = room_in(piece, wanted)
        if room is not None and room.size >= least:
            highest = align_down(room.end - least, wanted.alignment)
            return Hole(highest if wanted.from_top else room.start, piece)
    return None


def largest_room(pieces: Iterable[Span], wanted: Wanted) -> Span | None:
    """Return the largest part of any piece that might have been used; the lowest of several."""
    rooms = [room for piece in pieces if (room := room_in(piece, wanted)) is not None]
    return max(rooms, key=lambda room: (room.size, -room.start), default=None)
