"""The arithmetic against what the kernels' own compiled code did, run by run."""

from __future__ import annotations

from typing import Any

import pytest
from recorded import load_json, segment_list

from smecheck.analysis import analyze
from smecheck.asked import BootRequest, Paging, Switch
from smecheck.case import Case
from smecheck.evidence import Unknown
from smecheck.kernel.image import KernelImage, KernelKind, SetupHeader
from smecheck.span import Span, align_up
from smecheck.workarea.placement import Placement

KERNELS = ("5.0-old", "6.1.0-56-cloud-amd64", "7.3.4+deb13-cloud-amd64")
CASES = [
    pytest.param(name, number, case, id=f"{name}-{number}")
    for name in KERNELS
    for number, case in enumerate(load_json("machine-code", f"{name}.json")["cases"])
]


def image(name: str) -> KernelImage:
    symbols = load_json("machine-code", f"{name}.json")["symbols"]
    unknown = Unknown("a symbol list alone")
    return KernelImage(
        source=name,
        kind=KernelKind.VMLINUX,
        release=unknown,
        build_id=unknown,
        symbols={symbol: int(value, 16) for symbol, value in symbols.items()}
        | ({"mem_encrypt_identity.c": 0} if name == "5.0-old" else {}),
        symbols_complete=True,
        sections=(),
        sections_complete=False,
        loads=(),
        header=SetupHeader(),
        config={},
        sme_text=unknown,
    )


def placed(name: str, base: int, initrd: Span, *, la57: bool) -> Placement:
    segments = segment_list(
        kernel=Span.sized(base, 0x1000), **({"initrd": initrd} if initrd else {})
    )
    request = BootRequest(
        load_address=base,
        kaslr=Switch.OFF,
        sme=Switch.ON,
        paging=Paging.FIVE if la57 else Paging.FOUR,
    )
    actual = analyze(Case(image(name), request, segments)).actual
    assert actual is not None
    return actual


@pytest.mark.parametrize(("name", "number", "case"), CASES)
def test_extents(name: str, number: int, case: dict[str, Any]) -> None:
    base = int(case["base"], 16)
    initrd = Span.sized(*(int(value, 16) for value in case["initrd"]))
    placement = placed(name, base, initrd, la57=case["la57"])
    extents = placement.extents
    assert extents is not None
    assert extents.start == int(case["start"], 16)
    assert extents.worst_end == extents.start + int(case["length"], 16)
    assert extents.mapped_end == int(case["end"], 16)
    # An initrd over the kernel or the workarea cannot be on a machine; the code runs wild there.
    impossible = initrd.overlaps(Span(base, extents.mapped_end))
    # v5.0 builds 4-level tables even under LA57: what it writes then follows no rule.
    lawless = case["la57"] and name == "5.0-old"
    if not impossible and not lawless:
        # Tables that the current ones lacked come on top; tests/test_entry_tables.py counts them.
        added = case["tables_added"] * 0x1000
        assert extents.written_end + added == int(case["max_written"], 16)
    elif not impossible:
        assert extents.written_end <= int(case["max_written"], 16)
    assert not (lawless and placement.written_is_exact)
    if placement.written_is_exact and not impossible and case["variant"] != "empty":
        # "empty" maps nothing at entry, not even the kernel: no machine starts so.
        assert extents.written_end == int(case["max_written"], 16)


def test_no_case_was_lost() -> None:
    assert len(CASES) == 380


@pytest.mark.parametrize(("record", "paging"), [("4level", Paging.FOUR), ("la57", Paging.FIVE)])
def test_first_initrd_that_leaves_the_section(record: str, paging: Paging) -> None:
    limits = load_json("machine-code", "overflow-6.1.json")[record]
    length = int(limits["first_overflowing_initrd_len"], 16)
    for size, key in ((length - 0x1000, "at_limit"), (length, "past_limit")):
        initrd = Span.sized(0x100000000, size)
        placement = placed(KERNELS[1], 0x1000000, initrd, la57=paging is Paging.FIVE)
        extents = placement.extents
        assert extents is not None
        start, end, workarea_len = (int(value, 16) for value in limits[key])
        assert (extents.start, extents.mapped_end) == (start, end)
        assert extents.worst_end == start + workarea_len


@pytest.mark.parametrize("number", range(12))
def test_very_large_initrds(number: int) -> None:
    case = load_json("machine-code", "overflow-6.1.json")["big"][number]
    initrd = Span.sized(*(int(value, 16) for value in case["initrd"]))
    extents = placed(KERNELS[1], 0x1000000, initrd, la57=False).extents
    assert extents is not None
    assert extents.worst_end == extents.start + int(case["length"], 16)
    assert extents.mapped_end == align_up(extents.worst_end, 0x200000)
    assert extents.written_end == int(case["max_written"], 16)
