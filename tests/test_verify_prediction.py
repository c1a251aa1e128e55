"""What is predicted for a run, against what the kernels' own code was recorded to do.

v5.0 of the after-end scheme is at hand as such records alone; 6.1 and 7.3.4 are held against theirs
as well.
"""

from __future__ import annotations

from typing import Any

import pytest
from recorded import load_json
from test_entry_tables import tables_of
from test_machine_code import image

from smecheck.emulation.entry_map import EntryKind, EntryMap
from smecheck.emulation.prediction import predict
from smecheck.emulation.start import Start
from smecheck.evidence import Known
from smecheck.kernel.generations import GENERATION_RULES
from smecheck.kernel.identity import identify
from smecheck.span import Span, SpanSet
from smecheck.workarea.arithmetic import KernelLayout

KERNELS = ("5.0-old", "6.1.0-56-cloud-amd64", "7.3.4+deb13-cloud-amd64")


def overlapping(case: dict[str, Any]) -> bool:
    kernel = Span(int(case["base"], 16), int(case["end"], 16))
    return initrd_of(case).overlaps(kernel)


def initrd_of(case: dict[str, Any]) -> Span:
    return Span.sized(*(int(value, 16) for value in case["initrd"]))


CASES = [
    pytest.param(name, case, id=f"{name}-{number}")
    for name in KERNELS
    for number, case in enumerate(load_json("machine-code", f"{name}.json")["cases"])
    # v5.0 builds 4-level tables under LA57: what it does then follows no rule. An initrd over the
    # kernel cannot be on a machine.
    if not (case["la57"] and name == "5.0-old") and not overlapping(case)
]


@pytest.mark.parametrize(("name", "case"), CASES)
def test_recorded_runs_are_predicted(name: str, case: dict[str, Any]) -> None:
    facts = identify(image(name))
    assert isinstance(facts.text, Known)
    assert isinstance(facts.end, Known)
    section = facts.section.address - facts.text.value if facts.section else None
    layout = KernelLayout(facts.end.value - facts.text.value, section)
    base, start, end = (int(case[key], 16) for key in ("base", "start", "end"))
    entries = EntryMap(EntryKind.KERNEL_ALONE, tables_of(case | {"in_section": bool(section)}))
    run = Start(base, 5 if case["la57"] else 4, 47, entries, initrd_of(case) or None)
    (generation,) = facts.generations
    figures = predict(run, layout, GENERATION_RULES[generation])
    if case["faults"]:
        assert figures.fault == start + 0x202000
        return
    assert (figures.start, figures.length) == (start, int(case["length"], 16))
    assert (figures.mapped_end, figures.tables_added) == (end, case["tables_added"])
    assert figures.written is not None
    (written,) = figures.written
    assert written == Span(start, int(case["max_written"], 16))


def test_an_initrd_in_the_last_frame_before_a_top_level_entry() -> None:
    """Its frame is mapped up to the border, but the entry that is free is found by its pages.

    As the code of Debian's 5.10.0-32-cloud-amd64 was seen to do, run in the emulator.
    """
    facts = identify(image("5.0-old"))
    (generation,) = facts.generations
    entries = EntryMap(EntryKind.KERNEL_ALONE, SpanSet([Span(0xA5400000, 0xA7C00000)]))
    run = Start(0xA5400000, 4, 47, entries, Span.sized(0x7FFFEE4000, 0xFFF))
    mapped = predict(run, KernelLayout(0x2400000, None), GENERATION_RULES[generation]).mapped
    assert mapped is not None
    (kernel,) = [one for one in mapped if one.physical == 0xA5400000 and not one.encrypted][:1]
    assert kernel.virtual.start == 0x8000000000 + 0xA5400000
