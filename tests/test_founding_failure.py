"""Every experiment that reproduced the failure of June 2019, against what really happened.

tests/data/founding: v5.0 kernels kexec'ed with emulated SME; all of RAM compared before and after.
"""

from __future__ import annotations

from typing import Any

import pytest
from recorded import DATA, kernel, load_json, span

from smecheck.analysis import analyze
from smecheck.answer import Basis, Report, Verdict
from smecheck.asked import asked_by_options
from smecheck.boot.boot import SME_IS_ON
from smecheck.case import Case
from smecheck.checks.finding import Severity
from smecheck.evidence import Known
from smecheck.read.load.segments import read_segments
from smecheck.read.machine.iomem import read_iomem
from smecheck.span import Span, SpanSet

EXPERIMENTS = sorted(path.name for path in (DATA / "founding").iterdir() if path.is_dir())
STAYS_PLAIN = {"old-l-c-2g-mmC", "old16-l-c-2g"}
"""Came up, because the emulated encryption is the identity; real hardware would garble the initrd
(which was shown by garbling it: old-l-c-2g-mmC-garble)."""


def result(name: str) -> Any:
    return load_json("founding", name, "result.json")


def report(name: str) -> Report:
    folder = DATA / "founding" / name
    recorded = result(name)
    moved = "nokaslr" not in recorded["cmdline"]
    request = asked_by_options(
        cmdline=recorded["cmdline"],
        load_address=int(recorded["text"], 16) if moved else None,
    )
    return analyze(
        Case(
            kernel(recorded["kernel"]),
            request,
            read_segments(str(folder / "segments.txt")),
            read_iomem(str(folder / "iomem.txt")),
        )
    )


def expected_verdict(name: str) -> Verdict:
    recorded = result(name)
    if "mem_encrypt=off" in recorded["cmdline"]:
        return Verdict.NOT_APPLICABLE
    died = recorded["outcome"] == "DEAD" or name in STAYS_PLAIN
    return Verdict.COLLISION if died else Verdict.CLEAR


def test_all_experiments_are_there() -> None:
    assert len(EXPERIMENTS) == 26


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_verdict_is_the_outcome(name: str) -> None:
    answer = report(name)
    assert answer.verdict is expected_verdict(name)
    errors = [finding for finding in answer.findings if finding.severity is Severity.ERROR]
    assert bool(errors) is (answer.verdict is Verdict.COLLISION)
    if answer.verdict is Verdict.COLLISION:
        assert answer.basis is Basis.MACHINE
        assert any(finding.condition == SME_IS_ON for finding in errors)


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_workarea_lies_where_the_kernel_put_it(name: str) -> None:
    recorded, answer = result(name), report(name)
    assert answer.boot.kernel_base == Known(
        int(recorded["text"], 16),
        answer.boot.kernel_base.origin,  # type: ignore[union-attr]
    )
    assert answer.actual is not None
    extents = answer.actual.extents
    assert extents is not None
    assert extents.start == int(recorded["workarea_start"], 16)
    assert extents.mapped == span(recorded["workarea_mapped"])


@pytest.mark.parametrize("name", [name for name in EXPERIMENTS if result(name)["returned"]])
def test_written_pages_are_the_changed_pages(name: str) -> None:
    recorded, answer = result(name), report(name)
    if answer.verdict is Verdict.NOT_APPLICABLE:
        assert len(recorded["changed"]) == 1  # the stack page in the image, with or without SME
        return
    assert answer.actual is not None
    extents = answer.actual.extents
    assert extents is not None
    assert answer.actual.written_is_exact
    unchanged = recorded["same_content"] or []
    touched = SpanSet(span(pair) for pair in (*recorded["changed"], *unchanged))
    base = int(recorded["text"], 16)
    image = SpanSet([Span(base, extents.in_place.end)])
    live_tables = SpanSet(span(pair) for pair in recorded["live_tables_changed"])
    assert touched - image - live_tables == SpanSet([extents.written])


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_initrd_pages_without_encryption_bit_are_found(name: str) -> None:
    recorded, answer = result(name), report(name)
    lost = SpanSet(f.span for f in answer.findings if f.rule == "SME003" and f.span is not None)
    assert lost == SpanSet(span(pair) for pair in recorded["without_c_bit"])


@pytest.mark.parametrize("name", ["old-l-c-2g", "old-l-s-2g"])
def test_page_tables_beyond_ram_are_found_with_or_without_a_neighbour(name: str) -> None:
    findings = [finding for finding in report(name).findings if finding.rule == "SME004"]
    assert any("triple fault" in finding.message for finding in findings)
    (fault,) = (finding for finding in report(name).findings if finding.rule == "SME020")
    assert fault.span == Span(0x80000000, 0x80200000)
    assert fault.condition == SME_IS_ON


@pytest.mark.parametrize("name", ["old-p-c-1g", "old-p-c-2g", "old-p-s-2g"])
def test_the_vmcore_would_be_wrong_behind_the_reservation(name: str) -> None:
    answer = report(name)
    past = [finding for finding in answer.findings if finding.rule == "SME006"]
    (crash,) = answer.memory.crash_kernel  # type: ignore[union-attr]
    assert [f.span for f in past] == [Span(crash.span.end, crash.span.end + 0x9000)]


def test_lucky_is_proven_and_warned_about() -> None:
    answer = report("lucky-l-c-2g-mmA")
    assert answer.basis is Basis.PROOF
    # The guest's first kernel was another one.
    assert [finding.rule for finding in answer.findings] == ["SME008", "SME021"]


def test_safe_by_a_gap_is_the_machines_answer_and_warned_about() -> None:
    answer = report("old-l-c-2g-edge-out")
    assert answer.basis is Basis.MACHINE
    assert {f.rule: f.severity for f in answer.findings} == {
        "SME007": Severity.WARNING,
        "SME010": Severity.NOTE,
        "SME021": Severity.NOTE,
    }
