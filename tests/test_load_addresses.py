"""What the proof takes for granted of kexec: an aligned load, and who may load otherwise."""

from __future__ import annotations

import pytest
from recorded import kernel, segment_list

from smecheck.analysis import analyze
from smecheck.answer import Basis, Report, Verdict
from smecheck.asked import BootRequest, Path, Switch, asked_by_options
from smecheck.case import Case
from smecheck.evidence import Known
from smecheck.load.request import Machine
from smecheck.load.segments import Loader, Mode
from smecheck.machine.host import Host
from smecheck.record import replace
from smecheck.span import Span
from smecheck.workarea.proven import Way

NEW = kernel("7.3.4+deb13-cloud-amd64")
INIT_SIZE = 0x3C39000
CMA, BELOW, TOOLS, OLD_32BIT = "CMA area", "before v6.9", "kexec-tools before", "32-bit loader"
ALL = {CMA, BELOW, TOOLS, OLD_32BIT}


def said(request: BootRequest, **facts: object) -> set[str]:
    """Return who is said to load otherwise."""
    known = {n: Known(v, "h") if n != "kexec_options" else v for n, v in facts.items()}
    host = replace(Host(source="h"), **known)
    report = analyze(Case(NEW, request, machine=Machine(host=host) if facts else None))
    assert report.basis is Basis.PROOF
    (text,) = [text for text in report.assumptions if "multiple of kernel_alignment" in text] or [
        ""
    ]
    return {who for who in ALL if who in text.replace(f"{OLD_32BIT} of {TOOLS}", OLD_32BIT)}


FILE = asked_by_options(loader=Loader.KEXEC_FILE_LOAD, mode=Mode.LOAD)
CALL = asked_by_options(loader=Loader.KEXEC_LOAD, mode=Mode.LOAD)


@pytest.mark.parametrize(
    ("request_", "facts", "who"),
    [
        (BootRequest(), {}, ALL),
        (BootRequest(path=Path.FIRST_BOOT), {}, set()),
        (FILE, {}, {CMA, BELOW}),
        (asked_by_options(mode=Mode.CRASH).completed(by=FILE), {}, {BELOW}),
        (FILE, {"kernel_release": "7.3.4"}, {CMA}),
        (FILE, {"kernel_release": "6.12.0"}, set()),
        (FILE, {"kernel_release": "6.1.0"}, {BELOW}),
        (FILE, {"kernel_release": "7.3.4", "cma": False}, set()),
        (FILE, {"kernel_release": "7.3.4", "cmdline": "ro cma=0"}, set()),
        (FILE, {"kernel_release": "7.3.4", "kexec_options": ("--no-cma",)}, set()),
        (CALL, {}, {TOOLS, OLD_32BIT}),
        (CALL, {"kexec_tools": "2.0.25"}, {TOOLS, OLD_32BIT}),
        (CALL, {"kexec_tools": "2.0.30"}, set()),
        (CALL, {"kexec_tools": "2.0.25", "kexec_options": ("--noefi",)}, {TOOLS}),
    ],
)
def test_who_may_load_otherwise(
    request_: BootRequest, facts: dict[str, object], who: set[str]
) -> None:
    assert said(request_, **facts) == who


@pytest.mark.parametrize(
    ("tools", "word", "loader", "verdict"),
    [
        ("2.0.25", "--real-mode", Loader.KEXEC_LOAD, Verdict.UNDECIDED),
        ("2.0.25", "--type=bzImage", Loader.KEXEC_LOAD, Verdict.UNDECIDED),
        (None, "--entry-32bit", Loader.KEXEC_LOAD, Verdict.UNDECIDED),
        ("2.0.32", "--real-mode", Loader.KEXEC_LOAD, Verdict.CLEAR),
        ("2.0.25", "--noefi", Loader.KEXEC_LOAD, Verdict.CLEAR),
        ("2.0.25", "--real-mode", Loader.KEXEC_FILE_LOAD, Verdict.CLEAR),
    ],
)
def test_no_proof_for_a_loader_that_is_said_to_reserve_less(
    tools: str | None, word: str, loader: Loader, verdict: Verdict
) -> None:
    host = Host(source="h", kexec_options=(word,))
    if tools is not None:
        host = replace(host, kexec_tools=Known(tools, "h"))
    request = asked_by_options(loader=loader, mode=Mode.LOAD)
    report = analyze(Case(NEW, request, machine=Machine(host=host)))
    assert report.verdict is verdict
    is_void = verdict is Verdict.UNDECIDED
    assert report.proof is not None
    assert (report.proof.void is not None) is is_void
    assert ("the options of kexec (h) ask for the 32-bit loader" in report.headline) is is_void


def loaded(start: int, size: int = INIT_SIZE) -> Report:
    segments = segment_list(kernel=Span.sized(start, size), boot_params=Span(0x98000, 0x9E000))
    return analyze(Case(NEW, BootRequest(kaslr=Switch.OFF), segments))


def test_a_load_that_is_known_takes_nothing_for_granted() -> None:
    report = loaded(0x10000000)
    assert report.basis is Basis.PROOF
    assert not any("multiple of kernel_alignment" in text for text in report.assumptions)


@pytest.mark.parametrize(
    ("start", "lost"),
    [(0x10000000, 0), (0xFF00000, 0x100000), (0x1000000, 0), (0x800000, 0x800000)],
)
def test_what_an_unaligned_load_loses(start: int, lost: int) -> None:
    """It keeps init_size from its own address on; where it will run is further up."""
    proof = loaded(start).proof
    assert proof is not None
    (kexec,) = [path for path in proof.paths if path.path is Way.KEXEC]
    assert kexec.reserved_end == INIT_SIZE - lost
    assert kexec.holds is (lost < 0x439000)
