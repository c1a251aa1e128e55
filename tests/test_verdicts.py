"""The table of verdicts, row by row: the answer, what it stands on, the exit status."""

from __future__ import annotations

import pytest
from recorded import kernel, segment_list

from smecheck.analysis import analyze
from smecheck.answer import Basis, Report, Verdict
from smecheck.asked import BootRequest, GivenInitrd, Path, Switch, asked_by_options
from smecheck.boot.boot import SmeState
from smecheck.case import Case
from smecheck.checks.finding import Confidence, Effect, Severity
from smecheck.checks.tolerance import Tolerance, exit_status
from smecheck.evidence import Known, Unknown, value_of
from smecheck.kernel.image import KernelImage, Scheme, SetupHeader
from smecheck.load.segments import Loader, Mode, SegmentList
from smecheck.machine.kernel_log import KernelLog
from smecheck.machine.memory import MemoryMap
from smecheck.read.kernel.kernel_description import read_kernel_description
from smecheck.read.log.dmesg import read_dmesg
from smecheck.read.machine.iomem import parse_iomem
from smecheck.read.source import NamedStream
from smecheck.record import replace
from smecheck.span import Span
from smecheck.workarea.placement import Owner
from smecheck.workarea.proven import Way

OLD, LUCKY, NEW = kernel("5.0-old"), kernel("5.0-lucky"), kernel("6.1.0-56-amd64")
NO_HEADER = replace(OLD, header=SetupHeader())
NOKASLR = "nokaslr mem_encrypt=on"
KASLR = "quiet mem_encrypt=on"
SME_OFF = "nokaslr mem_encrypt=off"
ROWS_OF_RAM = (
    "00000000-00000fff : Reserved\n00001000-0009ffff : System RAM\n"
    "00100000-7ffdffff : System RAM\n  60000000-6fffffff : Crash kernel\n"
)
CUT_OFF = parse_iomem(ROWS_OF_RAM, "iomem")
MACHINE = parse_iomem(f"{ROWS_OF_RAM}fec00000-fec003ff : IOAPIC 0\n", "iomem")
CLEAR, COLLISION, UNDECIDED, NOT_APPLICABLE = Verdict
PROOF, BY_MACHINE, PARTIAL = Basis


def load(size: int = 0xD41000, start: int = 0x10000000, **others: Span) -> SegmentList:
    far = Span.sized(0x98000, 0x2000)
    return segment_list(**{"kernel": Span.sized(start, size), "boot_params": far} | others)


def said(cmdline: str | None = None, **words: object) -> BootRequest:
    return asked_by_options(cmdline=cmdline, **words)  # type: ignore[arg-type]


def log_of(text: str) -> KernelLog:
    return read_dmesg(NamedStream.of("dmesg", text.encode()))


def described(text: str) -> KernelImage:
    return read_kernel_description(f"schema: smecheck/kernel-v1\n{text}", "kernel.yaml")


SYMBOLS = "symbols: {_text: 0xffffffff81000000, _end: 0xffffffff81a16000"
HEADER_ALONE = described("setup_header: {init_size: 0xd41000, kernel_alignment: 2M}")
BARE = described(SYMBOLS + "}")
NO_SME = described(SYMBOLS + "}\nconfig: {CONFIG_AMD_MEM_ENCRYPT: n}")
HIT = load(boot_params=Span.sized(0x10D51000, 0x4000))
IN_LUCKY = load(0x3CA000, initrd=Span.sized(0x11200000, 0x100000))
SPREAD = load(0x1649000)

Row = tuple[KernelImage, BootRequest, SegmentList | None, MemoryMap | None, Verdict, Basis, int]
ROWS: dict[str, Row] = {
    "own section, header": (NEW, said(), None, None, CLEAR, PROOF, 0),
    "own section, ELF alone": (
        replace(NEW, header=SetupHeader()),
        *(said(), None, None, CLEAR, PROOF, 0),
    ),
    "old, vmlinux alone": (NO_HEADER, said(), None, None, UNDECIDED, PARTIAL, 4),
    "old, header": (OLD, said(), None, None, UNDECIDED, PARTIAL, 1),
    "old, machine, clear": (OLD, said(NOKASLR), load(), MACHINE, CLEAR, BY_MACHINE, 0),
    "old, machine, hit": (OLD, said(NOKASLR), HIT, MACHINE, COLLISION, BY_MACHINE, 1),
    "KASLR, proof": (NEW, said(KASLR), load(0x3F98000), MACHINE, CLEAR, PROOF, 0),
    "KASLR, no proof": (OLD, said(KASLR), load(), MACHINE, UNDECIDED, PARTIAL, 4),
    "KASLR, no proof, hit": (OLD, said(KASLR), HIT, MACHINE, UNDECIDED, PARTIAL, 1),
    "KASLR unknown": (OLD, said(), load(), MACHINE, UNDECIDED, PARTIAL, 4),
    "KASLR unknown, hit": (OLD, said(), HIT, MACHINE, UNDECIDED, PARTIAL, 1),
    "KASLR unknown, proof": (NEW, said(), load(0x3F98000), MACHINE, CLEAR, PROOF, 0),
    "KASLR off by option": (
        OLD,
        *(said(KASLR, kaslr=Switch.OFF), load(), MACHINE, CLEAR, BY_MACHINE, 0),
    ),
    "KASLR on by option": (
        OLD,
        *(said(NOKASLR, kaslr=Switch.ON), load(), MACHINE, UNDECIDED, PARTIAL, 4),
    ),
    "luck, nokaslr": (LUCKY, said(NOKASLR), SPREAD, MACHINE, CLEAR, PROOF, 0),
    "luck, KASLR": (LUCKY, said(KASLR), SPREAD, MACHINE, CLEAR, BY_MACHINE, 0),
    "luck, KASLR, cut off": (LUCKY, said(KASLR), SPREAD, CUT_OFF, UNDECIDED, PARTIAL, 4),
    "old, cut off past the load": (OLD, said(NOKASLR), load(), CUT_OFF, CLEAR, BY_MACHINE, 0),
    "moved, clear": (
        OLD,
        *(said(KASLR, load_address=0x20000000), load(), MACHINE, CLEAR, BY_MACHINE, 0),
    ),
    "moved, hit": (
        OLD,
        said(KASLR, load_address=0x20000000),
        load(boot_params=Span.sized(0x20D00000, 0x1000)),
        *(MACHINE, COLLISION, BY_MACHINE, 1),
    ),
    "SME off, last word": (
        OLD,
        *(said("mem_encrypt=on mem_encrypt=off"), HIT, MACHINE, NOT_APPLICABLE, PARTIAL, 0),
    ),
    "SME on, last word": (
        OLD,
        *(said("nokaslr mem_encrypt=off mem_encrypt=on"), HIT, MACHINE, COLLISION, BY_MACHINE, 1),
    ),
    "SME off by option": (
        OLD,
        *(said(NOKASLR, sme=Switch.OFF), HIT, MACHINE, NOT_APPLICABLE, PARTIAL, 0),
    ),
    "SME on by option": (
        OLD,
        *(said("nokaslr mem_encrypt=off", sme=Switch.ON), HIT, None, COLLISION, BY_MACHINE, 1),
    ),
    "no SME code": (NO_SME, said(NOKASLR), HIT, MACHINE, NOT_APPLICABLE, PROOF, 0),
    "no SME code, bad load": (
        NO_SME,
        *(said(), load(initrd=Span.sized(0x10000000, 0x1000)), None, NOT_APPLICABLE, PROOF, 1),
    ),
    "header alone": (HEADER_ALONE, said(), None, None, UNDECIDED, PARTIAL, 4),
    "header alone, machine": (
        HEADER_ALONE,
        *(said(NOKASLR), load(), MACHINE, UNDECIDED, PARTIAL, 4),
    ),
    "symbols alone": (BARE, said(), None, None, UNDECIDED, PARTIAL, 4),
    "nothing": (described(""), said(), None, None, UNDECIDED, PARTIAL, 4),
    "segments, no map": (OLD, said(NOKASLR), load(), None, UNDECIDED, PARTIAL, 4),
    "segments, no map, hit": (OLD, said(NOKASLR), HIT, None, COLLISION, BY_MACHINE, 1),
    "map, no segments: they are predicted": (
        OLD,
        *(said(NOKASLR, path=Path.KDUMP), None, MACHINE, COLLISION, BY_MACHINE, 1),
    ),
    "map and place": (
        OLD,
        *(said(NOKASLR, load_address=0x10000000), None, MACHINE, UNDECIDED, PARTIAL, 4),
    ),
    "segment below init_size": (
        LUCKY,
        *(said(NOKASLR), load(0x3CA000), MACHINE, CLEAR, BY_MACHINE, 0),
    ),
    "and one in the workarea": (
        LUCKY,
        *(said(NOKASLR), IN_LUCKY, MACHINE, COLLISION, BY_MACHINE, 1),
    ),
    "below, and KASLR": (LUCKY, said(KASLR), IN_LUCKY, MACHINE, COLLISION, BY_MACHINE, 1),
    "below, and SME off": (LUCKY, said(SME_OFF), IN_LUCKY, MACHINE, COLLISION, BY_MACHINE, 1),
    "section, segment too small": (
        NEW,
        said(NOKASLR),
        load(0x7D9000, initrd=Span.sized(0x13600000, 0x1000)),
        *(MACHINE, COLLISION, BY_MACHINE, 1),
    ),
    "another kernel's segment": (
        OLD,
        *(said(NOKASLR), load(0xD42000), MACHINE, UNDECIDED, PARTIAL, 1),
    ),
    "segments of another machine": (
        OLD,
        *(said(NOKASLR), load(start=0x7F600000), MACHINE, UNDECIDED, PARTIAL, 1),
    ),
    "moved, but KASLR is off": (
        OLD,
        *(said(NOKASLR, load_address=0x20000000), load(), MACHINE, UNDECIDED, PARTIAL, 1),
    ),
    "crash kernel elsewhere": (
        OLD,
        *(said(NOKASLR, mode=Mode.CRASH), load(), MACHINE, UNDECIDED, PARTIAL, 1),
    ),
    "kernel not named": (
        NO_HEADER,
        said(NOKASLR),
        segment_list(other=Span.sized(0x10000000, 0xD41000)),
        *(MACHINE, UNDECIDED, PARTIAL, 4),
    ),
}


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_row(row: Row) -> None:
    image, request, segments, memory, verdict, basis, code = row
    report = analyze(Case(image, request, segments, memory))
    assert (report.verdict, report.basis) == (verdict, basis)
    assert exit_status(report, Tolerance()) == code
    assert report.headline
    assert report.next_step
    if verdict is COLLISION:
        effects = {finding.effect for finding in report.findings}
        assert effects & {Effect.COLLISION, Effect.LOSS}
    if code == 0:
        assert all(f.severity is not Severity.ERROR for f in report.findings)


def answer(name: str) -> Report:
    return analyze(Case(*ROWS[name][:4]))


@pytest.mark.parametrize("name", ["KASLR, no proof, hit", "KASLR unknown, hit"])
def test_what_kaslr_may_prevent_is_conditional(name: str) -> None:
    report = answer(name)
    assert not report.boot.base_is_certain
    errors = [f for f in report.findings if f.severity is Severity.ERROR]
    assert errors
    for finding in errors:
        assert finding.confidence is Confidence.CONDITIONAL
        assert "KASLR leaves the kernel where it was loaded" in (finding.condition or "")


def test_a_place_that_is_given_is_certain() -> None:
    report = answer("moved, hit")
    assert report.boot.kernel_base == Known(0x20000000, "--load-address")
    assert [f.condition for f in report.findings if f.rule == "SME001"] == ["SME is on"]


FAILED = "crashkernel reservation failed - No suitable area found."
UNRESERVED = log_of(f"[    0.000000] Command line: ro crashkernel=3G\n[    0.015755] {FAILED}\n")


@pytest.mark.parametrize(
    ("log", "said_of_it"),
    [
        (UNRESERVED, f'nothing was reserved for a crash kernel (dmesg:2: "{FAILED}"): the load is'),
        (None, "iomem shows no Crash kernel: whether the workarea leaves it is open"),
    ],
)
def test_a_load_of_a_crash_kernel_where_none_is_reserved(
    log: KernelLog | None, said_of_it: str
) -> None:
    memory = parse_iomem("00001000-0009ffff : System RAM\n00100000-7fffffff : System RAM", "iomem")
    report = analyze(Case(OLD, said(NOKASLR, mode=Mode.CRASH), load(), memory, log=log))
    assert report.verdict is UNDECIDED
    assert said_of_it in report.headline


def test_a_reservation_that_is_shown_is_not_denied_beside_a_refusal() -> None:
    """The log is of another boot than the map."""
    initrd = GivenInitrd(300 << 20)
    request = said(NOKASLR, mode=Mode.CRASH, loader=Loader.KEXEC_LOAD, initrd=initrd)
    report = analyze(Case(OLD, request, None, MACHINE, log=UNRESERVED))
    assert report.headline.startswith("kexec would refuse this load: ")
    assert "nothing was reserved" not in report.headline
    assert "SME041" in {finding.rule for finding in report.findings}


def test_unowned_bytes_without_a_machine_are_named() -> None:
    (finding,) = answer("old, header").findings
    assert finding.rule == "SME007"
    assert "_text + 0xd41000 to _text + 0x1000000" in finding.message


def test_what_settles_the_question_is_said() -> None:
    assert "init_size" in answer("old, vmlinux alone").next_step
    assert "--segments" in answer("map and place").next_step
    assert "--iomem" in answer("segments, no map").next_step
    assert "--load-address" in answer("KASLR unknown").next_step
    assert "_text and _end" in answer("header alone").next_step


def test_unknown_sme_code_is_a_condition() -> None:
    image = replace(BARE, header=OLD.header)
    report = analyze(Case(image, said(NOKASLR), HIT, MACHINE))
    assert isinstance(report.facts.sme_code, Unknown)
    assert report.verdict is COLLISION
    assert report.headline.startswith("if SME is on, the workarea may collide")
    assert all("the kernel has SME code" in (f.condition or "") for f in report.findings)
    assert any("assumed to have SME code" in text for text in report.assumptions)


def test_description_without_sections_assumes_the_scheme() -> None:
    report = answer("symbols alone")
    assert value_of(report.facts.scheme) is Scheme.AFTER_END
    assert any("no workarea section" in text for text in report.assumptions)


def test_a_segment_that_is_too_small_voids_the_proof() -> None:
    for name in ("segment below init_size", "and one in the workarea"):
        report = answer(name)
        assert report.proof is not None
        assert not report.proof.holds
        (kexec,) = [path for path in report.proof.paths if path.path is Way.KEXEC]
        assert kexec.reserved_end == 0x3CA000
        assert kexec.counterexample is None
        assert "the kernel segment ends at 0x103ca000" in kexec.reason
        assert report.actual is not None
        assert report.actual.owner is Owner.NOBODY


def test_sme_is_assumed_where_it_is_not_known() -> None:
    assert answer("old, machine, clear").boot.sme is SmeState.UNKNOWN
    assert any("SME is" in text for text in answer("old, machine, clear").assumptions)
    assert answer("SME on by option").boot.sme is SmeState.ACTIVE


def test_a_clear_answer_says_what_was_not_looked_at() -> None:
    for name in ("own section, header", "old, machine, clear", "KASLR, proof"):
        assert any("caches" in gap for gap in answer(name).not_checked)
    assert any("control pages" in gap for gap in answer("old, machine, clear").not_checked)


@pytest.mark.parametrize(
    ("name", "tolerance", "code"),
    [
        ("old, machine, clear", Tolerance(fail_on=Severity.WARNING), 1),
        ("old, machine, clear", Tolerance(Severity.WARNING, ignored=("SME007",)), 0),
        ("KASLR unknown", Tolerance(allow_undecided=True), 0),
        ("KASLR unknown, hit", Tolerance(allow_undecided=True), 1),
        ("old, header", Tolerance(ignored=("SME007",)), 4),
        ("old, header", Tolerance(exit_zero=True), 0),
        ("KASLR unknown", Tolerance(exit_zero=True), 0),
        ("old, machine, hit", Tolerance(exit_zero=True), 0),
        ("own section, header", Tolerance(fail_on=Severity.NOTE), 0),
    ],
)
def test_what_is_tolerated(name: str, tolerance: Tolerance, code: int) -> None:
    assert exit_status(answer(name), tolerance) == code


def test_stated_loader_and_mode_win_over_those_of_the_load() -> None:
    segments = replace(load(), mode=Known(Mode.LOAD, "log"))
    request = said(NOKASLR, mode=Mode.CRASH, loader=Loader.KEXEC_FILE_LOAD)
    boot = analyze(Case(OLD, request, segments, MACHINE)).boot
    assert (boot.mode, boot.path) == (Known(Mode.CRASH, "--mode"), Path.KDUMP)
    assert boot.loader == Known(Loader.KEXEC_FILE_LOAD, "--loader")


@pytest.mark.parametrize(
    ("option", "verdict"), [("y", Verdict.UNDECIDED), ("n", Verdict.NOT_APPLICABLE)]
)
def test_a_kernel_without_sme_code_of_whose_files_one_says_otherwise(
    option: str, verdict: Verdict
) -> None:
    """What shows that there is no SME code may be the file of another build."""
    old = kernel("5.0-old")
    symbols = {name: at for name, at in old.symbols.items() if "sme" not in name}
    config = {"CONFIG_AMD_MEM_ENCRYPT": option}
    image = replace(old, symbols=symbols, symbols_complete=True, config=config)
    report = analyze(Case(image, BootRequest()))
    assert report.verdict is verdict
    errors = [one.rule for one in report.findings if one.severity is Severity.ERROR]
    assert errors == (["SME026"] if option == "y" else [])
