"""Reading a range of memory from a YAML description: a start, and either a size or an end."""

from __future__ import annotations

from smecheck.quantity import address_text
from smecheck.read.yaml.fields import Fields
from smecheck.read.yaml.nodes import integer
from smecheck.span import Span

SPAN_KEYS = ("start", "size", "end")
_ADDRESSES_END = 1 << 64


def span_of(item: Fields) -> Span | None:
    """Read a range; ``None`` if it is wrong."""
    start = item.need("start", integer)
    size = size_of(item, start)
    return None if start is None or size is None else Span.sized(start, size)


def size_of(item: Fields, start: int | None) -> int | None:
    """Read the size of a range from ``start`` on; ``None`` if it is wrong."""
    size, end = item.get("size", integer), item.get("end", integer)
    if "size" in item and "end" in item:
        item.problem("end", "both size and end are given; leave one out")
    elif "size" not in item and "end" not in item:
        item.problem("size", "'size' is missing (or 'end', the address after the last byte)")
    elif size == 0:
        item.problem("size", "the size is 0; leave it out if nothing is there")
    elif start is not None and size is not None and start + size > _ADDRESSES_END:
        item.problem("size", f"the end {start + size:#x} lies beyond the 64 bits of an address")
    elif start is not None and end is not None and end <= start:
        item.problem("end", f"end {address_text(end)} is not above start {address_text(start)}")
    elif start is not None and end is not None:
        return end - start
    else:
        return size
    return None
