"""The map of what a crash kernel may run in, against the loop that kexec-tools has for it."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from smecheck.load.crash_map import UsableMap
from smecheck.machine.firmware import E820Type

PLACES = st.integers(0, 40)


@settings(deadline=None)
@given(st.lists(st.tuples(PLACES, PLACES), max_size=20))
def test_ranges_are_inserted_as_kexec_tools_does(added: list[tuple[int, int]]) -> None:
    """add_memmap(), kexec/arch/i386/crashdump-x86.c; cut ranges may end before they start."""
    usable = UsableMap((2, 0, 25))
    expected: list[tuple[int, int]] = []
    for start, end in added:
        overlaps = any(one < end and other > start for one, other in expected)
        index = max((n + 1 for n, (_, other) in enumerate(expected) if start >= other), default=0)
        assert usable.add(start, end, E820Type.RESERVED) is not overlaps
        if not overlaps:
            expected.insert(index, (start, end))
        assert [(one.start, one.end) for one in usable.ranges] == expected
