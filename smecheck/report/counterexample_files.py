"""A counterexample as the files that ``analyze`` reads: a resource map and a segment list."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smecheck.evidence import value_of
from smecheck.quantity import address_text

if TYPE_CHECKING:
    from smecheck.load.segments import Segment, SegmentList
    from smecheck.workarea.proven import Counterexample


def counterexample_files(example: Counterexample) -> dict[str, object]:
    """Return it as it is given back to ``analyze``.

    ``iomem`` is the text for ``--iomem``; ``segments``, written to a file as JSON, which is YAML
    too, is for ``--segments``; ``load_address`` is for ``--load-address``.
    """
    return {
        "iomem": "".join(
            # /proc/iomem: the last byte, not the end.
            f"{region.span.start:08x}-{region.span.end - 1:08x} : {region.name}\n"
            for region in example.memory
        ),
        "segments": _segments(example.segments),
        "load_address": address_text(example.load_address),
        "condition": example.condition,
    }


def counterexample_text(example: Counterexample) -> str:
    """Return it in a line: where the kernel runs, and what else the loader may put where."""
    loaded = ", ".join(
        f"{segment.role.value} {segment.span!r}" for segment in example.segments.segments
    )
    condition = f"; if {example.condition}" if example.condition else ""
    return f"the kernel runs at {address_text(example.load_address)}: {loaded}{condition}"


def _segments(segments: SegmentList) -> dict[str, object]:
    cmdline = value_of(segments.cmdline)
    return {
        "schema": "smecheck/segments-v1",
        "cmdline": cmdline,
        "segments": [_segment(segment) for segment in segments.segments],
    }


def _segment(segment: Segment) -> dict[str, object]:
    return {
        "name": segment.role.value,
        "start": address_text(segment.span.start),
        "size": segment.buffer_size or segment.span.size,
    }
