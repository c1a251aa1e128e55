"""What is not known, what it would decide, and the one command that gets it."""

from __future__ import annotations

from collections.abc import Iterator

from smecheck.answer import Verdict
from smecheck.boot.boot import SmeState
from smecheck.evidence import Unknown
from smecheck.support_case.situation import Situation
from smecheck.support_case.triage_report import FactName, FailureClass, MissingFact, UnusableMember


def missing(situation: Situation, failed: FailureClass | None) -> Iterator[MissingFact]:
    """Yield what is missing, what decides most first."""
    evidence, report = situation.evidence, situation.report
    unusable = {one.what: one for one in evidence.unusable}
    release = situation.one(FactName.RELEASE)
    of_release = release.value if release is not None else "$(uname -r)"
    is_open = situation.verdict is Verdict.UNDECIDED
    if report is None:
        yield MissingFact(
            "the kernel",
            _because(unusable.get("symbols"), "without it no placement can be computed"),
            "sudo cat /proc/kallsyms > kallsyms.txt",
        )
        yield MissingFact("the kernel's image", "it also holds init_size: give it with --kernel",
                          f"cp /boot/vmlinuz-{of_release} vmlinuz")  # fmt: skip
    if not evidence.iomems:
        yield MissingFact(
            "iomem",
            _because(unusable.get("iomem"), "where memory and the crash reservation are"),
            "sudo cat /proc/iomem",
        )
    is_asked = situation.verdict is not Verdict.NOT_APPLICABLE
    if report is not None and is_asked and isinstance(report.image.header.init_size, Unknown):
        proof = report.proof
        yield MissingFact(
            "init_size",
            "with it a load can be predicted, and the placement proven for every machine"
            if is_open or proof is None or not proof.holds
            else "with it a load can be predicted",
            f"cp /boot/vmlinuz-{of_release} vmlinuz",
        )
    if not situation.is_about_kdump or failed is FailureClass.RESERVATION:
        return
    if situation.is_loaded is None:
        yield MissingFact(
            "whether a crash kernel is loaded",
            "0 is class R or L: nothing was placed",
            "cat /sys/kernel/kexec_crash_loaded",
        )
    if failed is FailureClass.LOAD:
        return
    if report is not None and not (report.segments is not None and not report.segments.predicted):
        yield MissingFact(
            "the segments of the load",
            "they are predicted; recorded ones leave no doubt",
            "sudo kexec -d -p ... (the command that kdump uses, with -d); since v6.8 with -s as "
            "well: sudo dmesg | grep kexec",
        )
    is_predicted = report is not None and report.segments is not None and report.segments.predicted
    if report is not None and is_predicted and not report.boot.initrd.size:
        yield MissingFact(
            "the size of the crash kernel's initrd",
            "where the other segments go, and how much memory is needed",
            "ls -lL /boot /var/lib/kdump",
        )
    if report is not None and isinstance(report.boot.cmdline, Unknown):
        yield MissingFact(
            "the crash kernel's command line",
            "whether it uses SME and KASLR",
            "cat /etc/sysconfig/kdump; on Debian and Ubuntu: kdump-config show",
        )
    elif report is not None and situation.sme is SmeState.UNKNOWN:
        yield MissingFact(
            "whether the machine uses SME",
            report.boot.sme_evidence[0] if report.boot.sme_evidence else "it decides",
            "sudo dmesg | grep -i 'memory encryption'",
        )
    if situation.spoke is None and failed in (None, FailureClass.PLACEMENT):
        yield MissingFact(
            "what the crash kernel writes",
            "it distinguishes a silent death (J, P, D) from one with a reason (M, I)",
            "crash it with earlyprintk=serial,ttyS0,115200 on its command line, log the console",
        )


def _because(unusable: UnusableMember | None, otherwise: str) -> str:
    if unusable is None:
        return otherwise
    return f"{unusable.member} {unusable.reason}; {otherwise}"
