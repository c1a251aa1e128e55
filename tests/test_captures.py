"""Kernels that really booted: the second one's workarea out of the first one's files alone."""

from __future__ import annotations

from typing import Any

import pytest
from recorded import DATA, kernel, load_json, span

from smecheck.analysis import analyze
from smecheck.answer import Basis, Report, Verdict
from smecheck.asked import asked_by_options
from smecheck.case import Case
from smecheck.evidence import value_of
from smecheck.read.load.segments import read_segments
from smecheck.read.machine.iomem import read_iomem
from smecheck.workarea.placement import Owner

CAPTURES = sorted(path.name for path in (DATA / "captures").iterdir() if path.is_dir())
UNMOVED = [name for name in CAPTURES if load_json("captures", name, "result.json")["nokaslr"]]


def result(name: str) -> Any:
    return load_json("captures", name, "result.json")


def report(name: str) -> Report:
    folder = DATA / "captures" / name
    recorded = result(name)
    return analyze(
        Case(
            kernel(recorded["kernel"]),
            asked_by_options(cmdline=recorded["cmdline"]),
            read_segments(str(folder / "segments.txt")),
            read_iomem(str(folder / "iomem.txt")),
        )
    )


def test_all_captures_are_there() -> None:
    assert (len(CAPTURES), len(UNMOVED)) == (12, 9)


@pytest.mark.parametrize("name", UNMOVED)
def test_workarea_of_the_second_kernel(name: str) -> None:
    recorded, answer = result(name), report(name)
    assert value_of(answer.boot.kernel_base) == int(recorded["text"], 16)
    assert answer.boot.base_is_certain
    assert answer.actual is not None
    assert answer.actual.extents is not None
    assert answer.actual.extents.mapped == span(recorded["workarea"])
    assert answer.actual.owner is Owner.KERNEL_SEGMENT


@pytest.mark.parametrize("name", CAPTURES)
def test_every_one_is_clear_by_proof(name: str) -> None:
    answer = report(name)
    assert (answer.verdict, answer.basis) == (Verdict.CLEAR, Basis.PROOF)
    assert answer.findings == ()


@pytest.mark.parametrize("name", sorted(set(CAPTURES) - set(UNMOVED)))
def test_with_kaslr_the_segment_does_not_tell(name: str) -> None:
    answer = report(name)
    assert value_of(answer.boot.kaslr) is True
    assert not answer.boot.base_is_certain
