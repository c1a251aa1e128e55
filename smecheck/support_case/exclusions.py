"""Which stages did not fail, and why; what to try next to distinguish the others."""

from __future__ import annotations

from collections.abc import Iterator

from smecheck.answer import Basis, Verdict
from smecheck.boot.boot import SmeState
from smecheck.support_case.situation import Situation
from smecheck.support_case.triage_report import Exclusion, FactName, FailureClass

_SPLIT = (
    "crash it once with mem_encrypt=off on the crash kernel's command line: if it boots, SME is "
    "involved (P, D); if not, it is J or a driver"
)
_SECOND_SPLIT = "then add or remove nokaslr there: if that changes the outcome, it is P"
_CONSOLE = "earlyprintk=serial,ttyS0,115200 console=ttyS0,115200"


def excluded(situation: Situation, failed: FailureClass | None) -> Iterator[Exclusion]:
    """Yield the stages that the evidence excludes, but for the one that failed."""
    for failure, reason in (
        (FailureClass.RESERVATION, _not_reservation(situation)),
        (FailureClass.LOAD, _not_load(situation)),
        (FailureClass.JUMP, _not_jump(situation)),
        (FailureClass.PLACEMENT, _not_placement(situation)),
        (FailureClass.DECOMPRESSION, _not_decompression(situation)),
    ):
        if reason is not None and failure is not failed:
            yield Exclusion(failure, reason)


def _not_reservation(situation: Situation) -> str | None:
    if not situation.reserved or situation.lost_reservation is not None:
        return None
    fact = next(iter(situation.evidence.said(FactName.RESERVATION)), None)
    fact = fact or situation.one(FactName.CRASH_SIZE)
    return None if fact is None else f"memory is reserved: {fact.value} ({fact.place})"


def _not_load(situation: Situation) -> str | None:
    at_crash = next(iter(situation.evidence.said(FactName.LOADED_AT_CRASH)), None)
    loaded = situation.one(FactName.CRASH_LOADED) or at_crash
    if situation.is_loaded and loaded is not None:
        return f"a crash kernel is loaded ({loaded.place})"
    return _came_up(situation)


def _came_up(situation: Situation) -> str | None:
    spoke = situation.spoke
    if spoke is None:
        return None
    return f"the crash kernel wrote something ({spoke.place})"


def _not_jump(situation: Situation) -> str | None:
    return _came_up(situation)


def _not_placement(situation: Situation) -> str | None:
    if situation.is_loaded is False and situation.is_about_kdump:
        return "nothing is loaded, so nothing is placed"
    report = situation.report
    if report is None:
        return None
    if report.verdict is Verdict.NOT_APPLICABLE:
        return report.headline
    if report.verdict is Verdict.CLEAR:
        how = "proven for any machine" if report.basis is Basis.PROOF else "for this load"
        return f"the placement is clear, {how}: {report.headline}"
    return None


def _not_decompression(situation: Situation) -> str | None:
    came_up = situation.evidence.said(FactName.SECOND_KERNEL)
    if came_up:
        return f"the crash kernel wrote its command line ({came_up[0].place})"
    return None


def experiment(situation: Situation, failed: FailureClass | None) -> str:
    """Return what to try next; empty where nothing is left to distinguish."""
    if failed is None and not situation.is_about_kdump:
        if situation.verdict is Verdict.NOT_APPLICABLE:
            return ""
        return "boot it once with mem_encrypt=off: if that changes nothing, SME is not the reason"
    match failed:
        case FailureClass.RESERVATION:
            return "set crashkernel= (or crashkernel=512M,high), reboot, and look at /proc/iomem"
        case FailureClass.LOAD:
            return "load it by hand and read its messages: sudo kdumpctl restart (Red Hat), sudo "\
                "kdump-config load (Debian), sudo systemctl restart kdump (SUSE)"  # fmt: skip
        case FailureClass.MEMORY | FailureClass.INITRAMFS:
            return f"crash it with more memory (crashkernel=512M) and a serial console: {_CONSOLE}"
        case FailureClass.CORRUPTION:
            return "read the same dump with a current crash and makedumpfile"
        case FailureClass.JUMP if situation.snp_host is not None:
            return "crash it with SNP off (kvm_amd.sev_snp=0, or off in the firmware)"
        case _:
            pass
    if situation.verdict is Verdict.NOT_APPLICABLE or situation.sme is SmeState.INACTIVE:
        return f"crash it with a serial console on the crash kernel's command line: {_CONSOLE}"
    if situation.collides:
        return f"{_SPLIT}; {_SECOND_SPLIT}"
    return f"if it fails all the same, {_SPLIT}; with {_CONSOLE}"
