"""What to do now, where to look next, and what not to conclude."""

from __future__ import annotations

from collections.abc import Iterator

from smecheck.answer import Verdict
from smecheck.boot.boot import SmeState
from smecheck.kernel.cmdline import last_value
from smecheck.quantity import size_text
from smecheck.support_case.situation import Situation
from smecheck.support_case.triage_report import Budget, FactName, FailureClass, Sign, TriageFact

_APPEND = {
    "red-hat": "KDUMP_COMMANDLINE_APPEND in /etc/sysconfig/kdump, then sudo kdumpctl restart",
    "suse": "KDUMP_COMMANDLINE_APPEND in /etc/sysconfig/kdump, then sudo systemctl restart kdump",
    "debian": "KDUMP_CMDLINE_APPEND in /etc/default/kdump-tools, then sudo kdump-config reload",
}
_ANY = "the crash kernel's command line (KDUMP_COMMANDLINE_APPEND), then load it again"


_ALWAYS = {
    FailureClass.MEMORY: "reserve more: crashkernel=512M, and reboot; SME takes 64 MiB of it",
    FailureClass.INITRAMFS: "check the dump target (/etc/kdump.conf) and its free space",
    FailureClass.CORRUPTION: "read the dump with a crash that knows SME (763e221), taken with "
    "a makedumpfile that does (d222b01)",
}


def do_now(situation: Situation, failed: FailureClass | None) -> Iterator[str]:
    """Yield what to do now, the quickest first."""
    if failed is None:
        open_question = situation.verdict in (Verdict.UNDECIDED, Verdict.COLLISION)
        if situation.report is not None and open_question:
            yield situation.report.next_step
    elif failed in _ALWAYS:
        yield _ALWAYS[failed]
    elif failed is FailureClass.RESERVATION:
        yield from _reserve(situation)
    elif failed is FailureClass.LOAD:
        yield from _load(situation)
    elif failed is FailureClass.JUMP:
        yield _before_the_jump(situation)
    else:
        yield from _without_sme(situation)
        if failed is FailureClass.PLACEMENT and situation.report is not None:
            yield situation.report.next_step


def _without_sme(situation: Situation) -> Iterator[str]:
    whose = situation.one(FactName.DISTRIBUTION)
    append = _APPEND.get(whose.value, _ANY) if whose is not None else _ANY
    if situation.sme is not SmeState.INACTIVE:
        yield f"put mem_encrypt=off into {append}"


def _before_the_jump(situation: Situation) -> str:
    if situation.snp_host is not None:
        return "turn SNP off, or use a kernel that shuts it down before it starts a crash kernel"
    return "load the crash kernel again, and find what writes into the reservation"


def _reserve(situation: Situation) -> Iterator[str]:
    failures = situation.evidence.said(FactName.RESERVATION_FAILED)
    if situation.lost_reservation is not None:
        yield (
            "boot without kexec, or with a kernel that has fc7f27cda843: stale setup_data of an "
            "earlier kexec lies in the resource tree"
        )
    elif failures and "memory is in use" in failures[0].value:
        yield "leave the address out: crashkernel=512M instead of crashkernel=512M@16M"
    elif failures:
        yield "ask for memory above 4 GiB: crashkernel=512M,high"
    elif situation.crashkernel is None:
        yield "add crashkernel=512M to the kernel's command line, and reboot"
    else:
        yield f"correct {situation.crashkernel}: sudo dmesg | grep crashkernel says what is wrong"


def _load(situation: Situation) -> Iterator[str]:
    failed = situation.evidence.said(FactName.LOAD_FAILED)
    text = failed[0].value if failed else ""
    if "Could not find a free area" in text or "Cannot assign" in text:
        yield "reserve more memory, or make the initrd smaller: it does not fit"
    elif "Operation not permitted" in text or "Lockdown" in text or "signature" in text:
        yield "lockdown is on: load a signed kernel with kexec_file_load (KEXEC_ARGS=-s)"
    elif any("USE_KDUMP=0" in fact.value for fact in situation.evidence.said(FactName.KDUMP_STATE)):
        yield "set USE_KDUMP=1 in /etc/default/kdump-tools, then sudo kdump-config load"
    else:
        yield "load it by hand and read its messages: sudo kdumpctl restart, sudo kdump-config load"


def suspects(
    situation: Situation, failed: FailureClass | None, budget: Budget | None
) -> Iterator[str]:
    """Yield where to look next if the placement is clear, or was not the reason."""
    if situation.report is None or failed in (FailureClass.RESERVATION, FailureClass.LOAD):
        return
    if situation.verdict not in (Verdict.CLEAR, Verdict.NOT_APPLICABLE):
        return
    if budget is not None and failed is not FailureClass.MEMORY:
        yield _budget_suspect(budget)
    if situation.sme is SmeState.INACTIVE or situation.verdict is Verdict.NOT_APPLICABLE:
        yield "a driver or the firmware: the kernel does not use SME"
    elif failed is None:
        yield "the early code of SME, without a placement conflict (class D)"
    if failed is None:
        yield "a hang before the jump, now and then, with many CPUs (class J)"
        yield "the initramfs, and where the dump goes (class I)"


def _budget_suspect(budget: Budget) -> str:
    needed, reserved = size_text(budget.needed), size_text(budget.reserved)
    if budget.needed > budget.reserved:
        short = size_text(budget.needed - budget.reserved)
        return f"memory: {needed} are needed, {reserved} are reserved: short by {short} (class M)"
    if not budget.initrd:
        return f"memory: {needed} are needed without an initrd, {reserved} are reserved (class M)"
    return f"memory: {needed} are needed, {reserved} are reserved (class M)"


def _offline_after_load(situation: Situation) -> TriageFact | None:
    """Return what says that memory went away, unless the same log has a later load."""
    loads = situation.evidence.said(FactName.LOAD)
    for fact in situation.evidence.said(FactName.MEMORY_OFFLINE):
        later = (load for load in loads if load.member == fact.member)
        if not any((load.line or 0) > (fact.line or 0) for load in later):
            return fact
    return None


def cautions(situation: Situation, failed: FailureClass | None) -> Iterator[str]:
    """Yield what not to conclude."""
    verdict, report = situation.verdict, situation.report
    if verdict is Verdict.CLEAR and failed is None:
        yield "a clear placement does not mean a healthy kdump"
    if report is not None and report.memory is not None:
        yield (
            f"memory that {report.memory.source} does not show was not checked: EFI and ESRT "
            "memory is reserved without a line there"
        )
    cmdline = situation.one(FactName.CMDLINE)
    if cmdline is not None and last_value(cmdline.value, "elfcorehdr") is not None:
        yield (
            f"the evidence was collected in the crash kernel ({cmdline.place}): its maps are not "
            "those of the kernel that crashed"
        )
    offline = _offline_after_load(situation)
    if offline is not None:
        yield (
            f"memory was taken offline ({offline.place}: {offline.value}): a load that is older "
            "has stale ELF headers, and may have stale segments; load again"
        )
    if failed in (FailureClass.RESERVATION, FailureClass.LOAD):
        earlier = situation.seen(*Sign)
        if earlier is not None:
            yield (
                f"a crash kernel came up at some time ({earlier.place}: "
                f"{earlier.text}): its failure is not the present one, that none is loaded"
            )
    if failed is FailureClass.PLACEMENT and situation.sme is SmeState.UNKNOWN:
        yield "the crash kernel is assumed to use SME; no input shows it"
