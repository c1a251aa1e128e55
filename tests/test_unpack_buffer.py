"""A load that was really lost: 7.3.4 with cma=128M put its initrd where kernel 2 was unpacked.

Each of these was "clear" or "not applicable" once, and kernel 2 panicked: tests/data/evidence.
"""

from __future__ import annotations

from typing import Any

import pytest
from commandline import call
from recorded import DATA, kernel

from smecheck.analysis import analyze
from smecheck.answer import Basis, Report, Verdict
from smecheck.asked import BootRequest, Switch
from smecheck.boot.unpack_buffer import unpack_buffer
from smecheck.case import Case
from smecheck.checks.finding import Effect, Finding, Severity
from smecheck.evidence import Known
from smecheck.kernel.identity import identify
from smecheck.read.load.segments import read_segments
from smecheck.record import replace
from smecheck.span import Span

FILES = DATA / "evidence" / "captures"
NAME = "k73cloud-2g-bios-nokaslr-exec-s-cma"
LOAD = FILES / f"{NAME}.load.txt"
INITRD = Span(0x7AB39000, 0x7AC35000)
KERNEL = kernel("7.3.4+deb13-cloud-amd64")


def answer(kaslr: Switch, sme: Switch) -> Report:
    request = BootRequest(kaslr=kaslr, sme=sme)
    return analyze(Case(KERNEL, request, read_segments(str(LOAD))))


def losses(report: Report) -> list[Finding]:
    return [finding for finding in report.findings if finding.effect is Effect.LOSS]


@pytest.mark.parametrize("kaslr", Switch)
@pytest.mark.parametrize("sme", Switch)
def test_the_initrd_is_lost_whatever_kaslr_and_sme_do(kaslr: Switch, sme: Switch) -> None:
    report = answer(kaslr, sme)
    assert (report.verdict, report.basis) == (Verdict.COLLISION, Basis.MACHINE)
    (lost,) = losses(report)
    assert (lost.rule, lost.severity, lost.span) == ("SME044", Severity.ERROR, INITRD)
    assert lost.condition is None
    assert report.headline.startswith("initrd lies where the kernel is unpacked")
    assert "workarea" not in report.headline
    assert "kexec -c" in report.next_step
    assert "neither nokaslr nor mem_encrypt=off helps" in report.next_step


def test_where_that_kernel_was_really_unpacked() -> None:
    """It logged memblock_reserve of its own place: 0x77000000."""
    buffer = unpack_buffer(KERNEL, identify(KERNEL), read_segments(str(LOAD)))
    assert isinstance(buffer, Known)
    assert buffer.value.span == Span(0x77000000, 0x7AC39000)
    assert buffer.value.copy.end == buffer.value.span.end
    assert buffer.value.reaches_down_to == buffer.value.copy.start


def test_aligned_the_same_load_loses_nothing() -> None:
    load = read_segments(str(LOAD))
    segments = tuple(
        replace(one, span=Span(one.span.start + 0x100000, one.span.end + 0x100000))
        for one in load.segments
    )
    report = analyze(Case(KERNEL, BootRequest(), replace(load, segments=segments)))
    assert losses(report) == []
    assert report.verdict is Verdict.CLEAR


@pytest.mark.parametrize("words", ["quiet", "nokaslr mem_encrypt=on", "nokaslr mem_encrypt=off"])
def test_advice_is_another_loader_alone(words: str) -> None:
    advice = _advice(words)
    helping = {one["change"] for one in advice if one["verdict"] in ("clear", "not-applicable")}
    assert helping == {
        "load it with kexec_load (kexec -c)",
        "load it with kexec -s --no-cma (after kexec-tools 2.0.32)",
        "start the running kernel without an area for CMA (cma=0)",
    }
    useless = [one for one in advice if "nokaslr" in one["change"] or "mem_enc" in one["change"]]
    assert useless
    assert all(
        "the load as it is cannot be" in one["note"] for one in advice if "load it" in one["change"]
    )
    assert {one["verdict"] for one in useless} == {"collision"}


def _advice(words: str) -> Any:
    arguments = [str(DATA / "kernels" / "7.3.4+deb13-cloud-amd64.yaml"), "--segments", str(LOAD)]
    log = str(FILES / f"{NAME}.dmesg.txt")
    done = call(
        "analyze", *arguments, "--dmesg", log, "--cmdline", words, "--advise", "--format", "json"
    )
    assert done.status == 1
    return done.document["advice"]
