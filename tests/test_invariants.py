"""The invariants of every report find what they are for, and are asked of every report."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from commandline import environment
from invariants import broken
from recorded import kernel, segment_list

import smecheck.analysis
from smecheck.analysis import analyze
from smecheck.answer import Basis, Report, Verdict
from smecheck.asked import BootRequest, Switch, asked_by_options
from smecheck.case import Case
from smecheck.read.machine.iomem import parse_iomem
from smecheck.record import replace
from smecheck.span import Span

OLD, NEW = kernel("5.0-old"), kernel("6.1.0-56-amd64")
MACHINE = parse_iomem("00000000-00000fff : Reserved\n00001000-7ffdffff : System RAM\n", "iomem")


def report(boot_params: int, sme: Switch = Switch.AUTO, init_size: int = 0xD41000) -> Report:
    load = segment_list(
        kernel=Span.sized(0x10000000, init_size), boot_params=Span.sized(boot_params, 0x4000)
    )
    request = asked_by_options(cmdline="nokaslr mem_encrypt=on", sme=sme)
    return analyze(Case(OLD, request, load, MACHINE))


CLEAR, HIT = report(0x20000000), report(0x10D51000)
SURE = report(0x10D51000, Switch.ON)
OFF = report(0x10D51000, Switch.OFF)
STRANGE = report(0x20000000, init_size=0xD42000)
PROVEN = analyze(Case(NEW, BootRequest()))


def without_conditions(found: Report) -> Report:
    return replace(found, findings=tuple(replace(f, condition=None) for f in found.findings))


FALSIFIED: dict[str, tuple[Report, dict[str, Any]]] = {
    "clear beside an error": (HIT, {"verdict": Verdict.CLEAR, "basis": Basis.MACHINE}),
    "clear without a load": (CLEAR, {"segments": None}),
    "clear without memory": (CLEAR, {"memory": None}),
    "clear without facts": (CLEAR, {"basis": Basis.PARTIAL}),
    "a collision of nothing": (CLEAR, {"verdict": Verdict.COLLISION}),
    "not applicable, SME not off": (CLEAR, {"verdict": Verdict.NOT_APPLICABLE}),
    "not applicable, and a finding": (OFF, {"findings": HIT.findings}),
    "certain without SME": (HIT, {"findings": without_conditions(HIT).findings}),
    "conditional with SME": (SURE, {"findings": HIT.findings}),
    "a headline without SME": (HIT, {"headline": SURE.headline}),
    "a next step without SME": (HIT, {"next_step": SURE.next_step}),
    "a proof beside a contradiction": (STRANGE, {"proof": PROVEN.proof}),
    "a collision beside a contradiction": (STRANGE, {"verdict": Verdict.COLLISION}),
    "proven without a proof": (PROVEN, {"proof": None}),
    "proven for a load that it does not cover": (CLEAR, {"proof": PROVEN.proof}),
    "no word of the compiled code": (CLEAR, {"assumptions": ()}),
    "no next step": (CLEAR, {"next_step": ""}),
}


@pytest.mark.parametrize("found", [CLEAR, HIT, SURE, OFF, STRANGE, PROVEN])
def test_they_hold(found: Report) -> None:
    assert list(broken(found)) == []


@pytest.mark.parametrize("what", FALSIFIED)
def test_each_is_missed_where_it_does_not_hold(what: str) -> None:
    found, changes = FALSIFIED[what]
    assert list(broken(replace(found, **changes)))


def test_they_are_asked_of_every_report_made_here() -> None:
    for make in (smecheck.analysis.analyze, smecheck.analysis.answer):
        assert hasattr(make, "__wrapped__")


def test_they_are_asked_of_every_report_of_a_program_that_is_started() -> None:
    asked = "import smecheck.analysis as a; print(hasattr(a.analyze, '__wrapped__'))"
    done = subprocess.run(
        [sys.executable, "-c", asked], env=environment(), capture_output=True, check=True
    )
    assert done.stdout == b"True\n"
