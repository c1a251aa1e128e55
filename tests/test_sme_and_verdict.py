"""What is known of SME, beside what else was found: every pair, and what the answer says then."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from recorded import kernel, segment_list

from smecheck.analysis import analyze
from smecheck.answer import Basis, Report, Verdict
from smecheck.asked import BootRequest, Path, Switch, asked_by_options
from smecheck.boot.boot import SME_IS_ON, SmeState
from smecheck.boot.early_boot import EarlyBoot
from smecheck.boot.logged_sme import running_sme
from smecheck.case import Case
from smecheck.checks.finding import Effect
from smecheck.checks.tolerance import Tolerance, exit_status
from smecheck.evidence import Known
from smecheck.kernel.image import KernelImage
from smecheck.load.segments import Loader, SegmentList
from smecheck.machine.kernel_log import KernelLog
from smecheck.read.log.dmesg import read_dmesg
from smecheck.read.machine.boot_description import read_boot_description
from smecheck.read.machine.iomem import parse_iomem
from smecheck.read.source import NamedStream
from smecheck.record import replace
from smecheck.span import Span

OLD, NEW = kernel("5.0-old"), kernel("6.1.0-56-amd64")
DEFAULT = "CONFIG_AMD_MEM_ENCRYPT_ACTIVE_BY_DEFAULT"
MEMORY = parse_iomem(
    "00000000-00000fff : Reserved\n00001000-0009ffff : System RAM\n"
    "00100000-7ffdffff : System RAM\n",
    "iomem",
)
FAR = Span.sized(0x98000, 0x2000)
ON, OFF = "mem_encrypt=on", "mem_encrypt=off"
CLEAR, COLLISION, UNDECIDED, NOT_APPLICABLE = Verdict


def log(*lines: str, release: str = "5.0.0", cmdline: str = "quiet") -> KernelLog:
    """Return a whole log of a boot on the machine."""
    whole = (
        f"Linux version {release} (x@y) (gcc) #1 SMP",
        f"Command line: {cmdline}",
        "BIOS-e820: [mem 0x0000000000000000-0x000000000009ffff] usable",
        "BIOS-e820: [mem 0x0000000000100000-0x000000007ffdffff] usable",
        "e820: update [mem 0x00000000-0x00000fff] usable ==> reserved",
        *lines,
        "smp: Brought up 1 node, 1 CPU",
    )
    text = "".join(f"[    0.00000{i % 10}] {line}\n" for i, line in enumerate(whole))
    return read_dmesg(NamedStream.of("dmesg", text.encode()))


ACTIVE = "AMD Secure Memory Encryption (SME) active"
GUEST = "AMD Memory Encryption Features active: SEV"
BOTH = "Memory Encryption Features active: AMD SME SEV"


@dataclass(frozen=True)
class Told:
    """What is known of SME: the state, and how it comes to it."""

    state: SmeState
    words: str
    log: KernelLog | None = None
    config: str | None = None
    is_presumed_off: bool = False
    contradicts: bool = False
    settled_by: str = ""


SME = {
    "the kernel's own word, and the machine's": Told(SmeState.ACTIVE, ON, log(ACTIVE)),
    "active before, not asked for now": Told(
        SmeState.UNKNOWN, "", log(ACTIVE, cmdline=ON), settled_by="--config"
    ),
    "asked for": Told(SmeState.UNKNOWN, ON, settled_by="--dmesg"),
    "nothing is said": Told(SmeState.UNKNOWN, "", settled_by="--config"),
    "on by default": Told(SmeState.UNKNOWN, "", config="y", settled_by="--dmesg"),
    "the same kernel did not turn it on": Told(
        SmeState.UNKNOWN, "", log(), is_presumed_off=True, settled_by="--config"
    ),
    "another kernel did not turn it on": Told(
        SmeState.UNKNOWN, "", log(release="5.1.0"), settled_by="--config"
    ),
    "the same kernel was asked to, and did not": Told(
        SmeState.UNKNOWN, ON, log(cmdline=ON), settled_by="--dmesg"
    ),
    "the same kernel did, the configuration says no": Told(
        SmeState.UNKNOWN, "", log(ACTIVE), config="n", settled_by="--config"
    ),
    "off by word": Told(SmeState.INACTIVE, OFF, log(ACTIVE, cmdline=ON)),
    "off by default": Told(SmeState.INACTIVE, "", config="n"),
    "a guest": Told(SmeState.INACTIVE, ON, log(GUEST)),
    "a guest, and SME": Told(
        SmeState.UNKNOWN, ON, log(BOTH), contradicts=True, settled_by="--dmesg"
    ),
}


def load(size: int = 0xD41000, start: int = 0x10000000, boot_params: Span = FAR) -> SegmentList:
    made = segment_list(kernel=Span.sized(start, size), boot_params=boot_params)
    return replace(made, loader=Known(Loader.KEXEC_LOAD, "a test"))


LOADS = {
    "nothing": load(),
    "hit": load(boot_params=Span.sized(0x10D51000, 0x4000)),
    "lost": load(start=0x0FF00000, boot_params=Span.sized(0x10C41000, 0x4000)),
    "strange": load(0xD42000),
}
"""Clear; boot_params in the workarea; in the buffer of an unaligned load; not this kernel's."""


def expected(known: Told, found: str, *, kaslr: bool) -> tuple[Verdict, int, str]:
    """Return the verdict, the exit status, and what the headline says."""
    if known.contradicts or found == "strange":
        return UNDECIDED, 1, "contradict each other"
    if found == "lost":
        return COLLISION, 1, "with SME or without"
    if known.state is SmeState.INACTIVE:
        return NOT_APPLICABLE, 0, "SME is off"
    if found == "nothing" and not kaslr:
        return CLEAR, 0, "on this machine no segment"
    # The last places that KASLR may choose let the workarea leave the memory.
    met = "at " if kaslr else "the workarea collides with boot_params"
    if known.is_presumed_off:
        return UNDECIDED, 1, "SME is assumed off"
    if known.state is SmeState.UNKNOWN:
        return COLLISION, 1, f"if SME is on, {met}"
    return COLLISION, 1, met


def of_build(image: KernelImage, known: Told) -> KernelImage:
    if known.config is None:
        return image
    return replace(image, config={"CONFIG_AMD_MEM_ENCRYPT": "y", DEFAULT: known.config})


def answer(known: Told, segments: SegmentList, words: str, image: KernelImage = OLD) -> Report:
    request = asked_by_options(cmdline=f"{words} {known.words}".strip())
    return analyze(Case(of_build(image, known), request, segments, MEMORY, log=known.log))


@pytest.mark.parametrize("kaslr", [False, True], ids=["nokaslr", "kaslr"])
@pytest.mark.parametrize("found", LOADS)
@pytest.mark.parametrize("sme", SME)
def test_what_is_known_of_sme_beside_what_was_found(sme: str, found: str, kaslr: bool) -> None:
    known = SME[sme]
    report = answer(known, LOADS[found], "quiet" if kaslr else "nokaslr")
    assert report.boot.sme is known.state
    assert bool(report.boot.sme_answer.presumed_off) is known.is_presumed_off
    verdict, status, said = expected(known, found, kaslr=kaslr)
    assert (report.verdict, int(exit_status(report, Tolerance()))) == (verdict, status)
    assert said in report.headline
    of_workarea = [f for f in report.findings if f.effect is Effect.COLLISION]
    wanted = SME_IS_ON if known.state is SmeState.UNKNOWN else None
    if found == "hit" and not kaslr and known.state is not SmeState.INACTIVE:
        assert [finding.condition for finding in of_workarea] == [wanted]
    if known.state is SmeState.UNKNOWN:
        assert all(SME_IS_ON in (finding.condition or "") for finding in of_workarea)
    if verdict in (COLLISION, UNDECIDED) and found == "hit" and not known.contradicts:
        assert known.settled_by in report.next_step
    lost = [finding for finding in report.findings if finding.effect is Effect.LOSS]
    assert [finding.condition for finding in lost] == ([None] if found == "lost" else [])
    taken = "assumed to be off" if known.is_presumed_off else "assumed to be active"
    premises = [text for text in report.assumptions if text.startswith("SME is assumed to be")]
    assert len(premises) == (known.state is SmeState.UNKNOWN)
    assert all(taken in text for text in premises)


@pytest.mark.parametrize("sme", SME)
def test_what_is_proven_is_clear_whatever_sme_does(sme: str) -> None:
    """Of the log, only what it says of the machine: it is of another kernel."""
    known = SME[sme]
    report = answer(known, load(0x3F98000), "nokaslr", NEW)
    assert report.proof is not None
    if known.contradicts:
        assert (report.verdict, report.proof.holds) == (UNDECIDED, False)
        assert "SME beside SEV" in (report.proof.void or "")
    elif report.boot.sme is SmeState.INACTIVE:
        assert report.verdict is NOT_APPLICABLE
    else:
        assert (report.verdict, report.basis) == (CLEAR, Basis.PROOF)


def test_a_line_of_the_log_that_is_lost_makes_nothing_of_a_collision() -> None:
    """A default of the build: without the one line that says so, it is open, not off."""
    with_line = answer(Told(SmeState.UNKNOWN, "", log(ACTIVE)), LOADS["hit"], "nokaslr")
    without = answer(Told(SmeState.UNKNOWN, "", log()), LOADS["hit"], "nokaslr")
    assert (with_line.verdict, without.verdict) == (COLLISION, UNDECIDED)


FIRST_BOOT = """
schema: smecheck/boot-v1
cmdline: nokaslr
cmdline_address: 0x90000
boot_params_address: {}
setup_data: []
initrd: {{start: 0x7f000000, size: 1M}}
"""
RUNNING = parse_iomem(
    "00000000-00000fff : Reserved\n00001000-0009ffff : System RAM\n"
    "00100000-7ffdffff : System RAM\n  10000000-10400911 : Kernel code\n"
    "  10400912-1082fd7f : Kernel data\n  108d7000-109fffff : Kernel bss\n",
    "iomem",
)


def first_boot(boot_params: int, known: Told, **words: object) -> Report:
    early: EarlyBoot = read_boot_description(FIRST_BOOT.format(hex(boot_params)), "boot.yaml")
    request = asked_by_options(path=Path.FIRST_BOOT, kaslr=Switch.OFF, **words)  # type: ignore[arg-type]
    image = of_build(OLD, known)
    return analyze(Case(image, request, None, RUNNING, log=known.log, early=early))


@pytest.mark.parametrize(
    ("lines", "of_this_boot", "said"),
    [
        ((ACTIVE,), True, "SME is active in the kernel that wrote the log (5.0.0)"),
        (
            (ACTIVE,),
            False,
            "SME is active in the kernel that wrote the log (5.0.0): CPU and",
        ),
        ((GUEST,), True, "the kernel that wrote the log (5.0.0) is a guest with encrypted memory"),
        ((), True, "SME is not active in the kernel that wrote the log (5.0.0): no line says"),
    ],
)
def test_what_a_log_says_of_sme(lines: tuple[str, ...], of_this_boot: bool, said: str) -> None:
    assert said in running_sme(log(*lines), of_this_boot=of_this_boot)


def test_a_log_of_two_vendors_says_nothing_of_the_cpu() -> None:
    cpus = ("Intel(R) Xeon(R) E5", "AMD EPYC 7551 32-Core Processor")
    lines = [f"smpboot: CPU0: {cpu} (family: 0x6, model: 0x1, stepping: 0x2)" for cpu in cpus]
    assert log(lines[0]).boot.intel is not None
    assert log(*lines).boot.intel is None
    assert log(*lines[::-1]).boot.intel is None


def test_the_log_of_the_very_boot_decides() -> None:
    """Whatever command line, configuration and variants of the switch would make of it."""
    for cmdline in ("quiet", ON, OFF):
        for config in (None, "n", "y"):
            known = Told(SmeState.ACTIVE, "", log(ACTIVE, cmdline=cmdline), config)
            hit = first_boot(0x10D51000, known)
            assert hit.boot.sme is SmeState.ACTIVE
            assert hit.verdict is COLLISION
            assert [f.condition for f in hit.findings if f.effect is Effect.COLLISION] == [None]
            assert first_boot(0x98000, known).verdict is CLEAR
    # Another kernel's log is of another boot; another command line makes it one as well.
    other = Told(SmeState.UNKNOWN, "", log(ACTIVE, release="5.1.0"))
    assert first_boot(0x10D51000, other).boot.sme is SmeState.UNKNOWN
    same = Told(SmeState.ACTIVE, "", log(ACTIVE))
    assert first_boot(0x10D51000, same, cmdline=f"nokaslr {OFF}").boot.sme is SmeState.INACTIVE


def test_the_log_of_the_crash_kernel_itself_decides() -> None:
    def kdump(cmdline: str) -> Report:
        request = BootRequest(path=Path.KDUMP, kaslr=Switch.OFF)
        log_of_it = log(ACTIVE, cmdline=cmdline)
        return analyze(Case(OLD, request, LOADS["hit"], MEMORY, log=log_of_it))

    assert kdump("nokaslr elfcorehdr=0x6e000000").boot.sme is SmeState.ACTIVE
    assert kdump("nokaslr").boot.sme is SmeState.UNKNOWN


@pytest.mark.parametrize("placed", ["boot_params_address", "cmdline_address"])
def test_a_first_boot_needs_to_know_where_both_lie(placed: str) -> None:
    whole = FIRST_BOOT.format(0x98000)
    less = "\n".join(line for line in whole.splitlines() if not line.startswith(placed))
    request = BootRequest(path=Path.FIRST_BOOT, kaslr=Switch.OFF, sme=Switch.ON)
    for text, verdict in ((whole, CLEAR), (less, UNDECIDED)):
        early = read_boot_description(text, "boot.yaml")
        found = analyze(Case(OLD, request, None, RUNNING, early=early))
        assert found.verdict is verdict
    assert "where the boot loader put" in found.headline
    proven = analyze(Case(NEW, request, None, MEMORY, early=early))
    assert proven.verdict is CLEAR


def test_a_next_step_names_no_description_where_people_have_something_that_decides() -> None:
    request = BootRequest(path=Path.FIRST_BOOT, kaslr=Switch.OFF)
    found = analyze(Case(OLD, request, None, RUNNING))
    assert found.verdict is UNDECIDED
    assert "--boot)" not in found.next_step
    assert "--config" in found.next_step
    assert "--mode crash" in found.next_step
