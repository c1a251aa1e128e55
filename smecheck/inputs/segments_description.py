"""Reading the segments of a kexec load from their description, ``smecheck/segments-v1``."""

from __future__ import annotations

from smecheck.inputs.recorded_load import SEGMENTS_LIMIT
from smecheck.inputs.yaml_fields import Fields, open_description
from smecheck.inputs.yaml_nodes import integer, member, one_line
from smecheck.model.segments import (
    Loader,
    Mode,
    Segment,
    SegmentList,
    SegmentOrigin,
    SegmentRole,
)
from smecheck.placement.constants import PAGE_SIZE
from smecheck.quantity import address_text
from smecheck.span import Span, align_up

SCHEMA = "smecheck/segments-v1"

_KEYS = ("loader", "mode", "cmdline", "segments")
_SEGMENT_KEYS = ("name", "start", "size", "end")
_ADDRESSES_END = 1 << 64


def read_segments_description(text: str, name: str) -> SegmentList:
    """Read the description ``text``, the contents of the file ``name``.

    Raises:
        MalformedInput: it is not YAML, or not such a description.
    """
    fields = open_description(text, name, SCHEMA, _KEYS)
    segments = SegmentList(
        source=name,
        segments=_segments(fields),
        loader=fields.fact("loader", member(Loader)),
        mode=fields.fact("mode", member(Mode)),
        cmdline=fields.fact("cmdline", one_line),
    )
    fields.finish()
    return segments


def _segments(fields: Fields) -> tuple[Segment, ...]:
    given = fields.each("segments", _SEGMENT_KEYS, required=True)
    if len(given) > SEGMENTS_LIMIT:
        fields.problem("segments", f"more than {SEGMENTS_LIMIT} segments; kexec takes 16")
    read = [_segment(item) for item in given[:SEGMENTS_LIMIT]]
    segments = [segment for segment in read if segment is not None]
    return tuple(sorted(segments, key=lambda segment: segment.span))


def _segment(item: Fields) -> Segment | None:
    role = item.need("name", member(SegmentRole))
    start = item.need("start", integer)
    size = _size(item, start)
    if role is None or start is None or size is None:
        return None
    # Whole pages are kept: kexec-tools and the kernel both round a segment's memsz up to them.
    span = Span(start, align_up(start + size, PAGE_SIZE))
    return Segment(role, span, size, SegmentOrigin.DESCRIPTION, item.where)


def _size(item: Fields, start: int | None) -> int | None:
    size, end = item.get("size", integer), item.get("end", integer)
    if "size" in item and "end" in item:
        item.problem("end", "both size and end are given; leave one out")
    elif "size" not in item and "end" not in item:
        item.problem("size", "'size' is missing (or 'end', the address behind the last byte)")
    elif size == 0:
        item.problem("size", "the size is 0; leave the segment out if nothing is there")
    elif start is not None and size is not None and start + size > _ADDRESSES_END:
        item.problem("size", f"the end {start + size:#x} lies beyond the 64 bits of an address")
    elif start is not None and end is not None and end <= start:
        item.problem("end", f"end {address_text(end)} is not above start {address_text(start)}")
    elif start is not None and end is not None:
        return end - start
    else:
        return size
    return None
