"""Access to the recorded answers under tests/data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from smecheck.evidence import Unknown
from smecheck.kernel.image import KernelImage
from smecheck.load.segments import Segment, SegmentList, SegmentOrigin, SegmentRole
from smecheck.read.kernel.kernel_description import read_kernel_description
from smecheck.span import Span

DATA = Path(__file__).parent / "data"


def load_json(*parts: str) -> Any:
    return json.loads(DATA.joinpath(*parts).read_text())


def kernel(name: str) -> KernelImage:
    """Return a recorded kernel by the name of its description."""
    return read_kernel_description((DATA / "kernels" / f"{name}.yaml").read_text(), f"{name}.yaml")


def span(pair: list[str]) -> Span:
    return Span(int(pair[0], 16), int(pair[1], 16))


def segment_list(**spans: Span) -> SegmentList:
    """Return a load of segments given by role."""
    segments = [
        Segment(SegmentRole(role), where, where.size, SegmentOrigin.DESCRIPTION, f"test: {role}")
        for role, where in spans.items()
    ]
    unknown = Unknown("a test")
    ordered = tuple(sorted(segments, key=lambda segment: segment.span))
    return SegmentList("test", ordered, unknown, unknown, unknown)
