"""The map of what a crash kernel may run in, against the loop that kexec-tools has for it."""

from __future__ import annotations

from hypothesis import example, given, settings
from hypothesis import strategies as st

from smecheck.load.crash_map import CrashRange, UsableMap
from smecheck.machine.firmware import E820Type

PLACES = st.integers(0, 40)


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


@settings(max_examples=400)
@given(
    st.lists(st.tuples(PLACES, PLACES), max_size=4), st.lists(PLACES, max_size=16), st.booleans()
)
@example([(5, 8)], [5, 5], False).via("a range that cutting left empty, where another begins")
def test_many_are_inserted_as_one_after_the_other(
    there: list[tuple[int, int]], borders: list[int], is_broken: bool
) -> None:
    one, other = UsableMap((2, 0, 25)), UsableMap((2, 0, 25))
    for start, end in there:
        if start < end:
            assert one.add(start, end, E820Type.RESERVED) == other.add(
                start, end, E820Type.RESERVED
            )
    borders = borders if is_broken else sorted(borders)
    ranges = tuple(
        CrashRange(start, end, E820Type.ACPI)
        for start, end in zip(borders[::2], borders[1::2], strict=False)
    )
    one.add_all(ranges)
    for added in ranges:
        other.add(added.start, added.end, added.type)
    assert one.ranges == other.ranges


def test_there_is_room_for_so_many() -> None:
    one, other = UsableMap((2, 0, 25)), UsableMap((2, 0, 25))
    ranges = tuple(CrashRange(n * 4, n * 4 + 2, E820Type.ACPI) for n in range(1100))
    for usable in (one, other):
        assert usable.add(0x10000, 0x20000, E820Type.RAM)
        assert usable.add(7, 9, E820Type.RESERVED)
    one.add_all(ranges)
    for added in ranges:
        other.add(added.start, added.end, added.type)
    assert one.ranges == other.ranges
    assert len(one.ranges) == 1024
