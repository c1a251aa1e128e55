"""The stages at which a crash kernel fails, in the order in which the evidence speaks for them.

Nothing loaded is nothing placed; what a crash kernel wrote itself says how far it came. Only where
it was silent is its placement the suspect.
"""

from __future__ import annotations

from collections.abc import Callable

from smecheck.answer import Verdict
from smecheck.boot.boot import SmeState
from smecheck.checks.finding import Severity
from smecheck.record import record
from smecheck.support_case.situation import Situation
from smecheck.support_case.triage_report import FactName, FailureClass, Sign, TriageFact

_IF_NOT_DUMPED = ("vmcore-incomplete", "incomplete")


@record
class Stage:
    """A stage that failed, as far as the evidence shows."""

    failure: FailureClass | None
    summary: str
    evidence: tuple[str, ...]


def failed_stage(situation: Situation) -> Stage:
    """Return the stage that failed; one without a class where nothing shows that any did."""
    steps = _STEPS if situation.is_about_kdump else _STEPS_OF_KEXEC
    for step in steps:
        found = step(situation)
        if found is not None:
            return found
    return _nothing(situation)


def quoted(text: str, place: str) -> str:
    """Return a line of a member as evidence."""
    return f"{place}: {text}"


def _of(fact: TriageFact) -> str:
    return quoted(f"{fact.name.value} {fact.value}", fact.place)


def _kernel(situation: Situation) -> str:
    return "the crash kernel" if situation.is_about_kdump else "the kernel that was booted"


def _reservation(situation: Situation) -> Stage | None:
    loaded = situation.is_loaded
    lost = situation.lost_reservation
    if loaded or (situation.reserved and lost is None):
        return None
    if lost is not None:
        return Stage(
            FailureClass.RESERVATION,
            "the kernel logged a crash reservation, and /proc/iomem does not show it",
            (
                quoted(f"reserved {lost.value}", lost.place),
                "no line Crash kernel in /proc/iomem: inserting the resource failed",
            ),
        )
    if not situation.is_nothing_reserved:
        return None
    failures = situation.evidence.said(FactName.RESERVATION_FAILED)
    asked = situation.crashkernel
    if failures:
        summary = "the kernel could not reserve memory for a crash kernel"
        return Stage(
            FailureClass.RESERVATION,
            summary,
            tuple(quoted(fact.value, fact.place) for fact in failures[:2]),
        )
    size = situation.one(FactName.CRASH_SIZE)
    evidence = [_of(size)] if size is not None else ["no line Crash kernel in /proc/iomem"]
    cmdline = situation.one(FactName.CMDLINE)
    if asked is None and cmdline is not None:
        evidence.append(quoted("no crashkernel= on the command line", cmdline.place))
        return Stage(
            FailureClass.RESERVATION, "no memory is reserved: crashkernel= is not given",
            tuple(evidence),
        )  # fmt: skip
    if asked is not None and cmdline is not None:
        evidence.append(quoted(asked, cmdline.place))
    return Stage(
        FailureClass.RESERVATION, "no memory is reserved for a crash kernel", tuple(evidence)
    )


def _load(situation: Situation) -> Stage | None:
    if situation.is_loaded is not False or not situation.reserved:
        return None
    failed = situation.evidence.said(FactName.LOAD_FAILED)
    state = [
        fact for fact in situation.evidence.said(FactName.KDUMP_STATE) if _is_bad_state(fact.value)
    ]
    loaded = situation.one(FactName.CRASH_LOADED)
    evidence = [
        *(quoted(fact.value, fact.place) for fact in failed[:2]),
        *([_of(loaded)] if loaded is not None else []),
        *(quoted(fact.value, fact.place) for fact in state[:1]),
    ]
    summary = "memory is reserved, and no crash kernel is loaded"
    if failed:
        summary = f"the load of the crash kernel failed: {failed[0].value}"
    return Stage(FailureClass.LOAD, summary, tuple(evidence))


def _is_bad_state(value: str) -> bool:
    words = value.lower()
    return any(bad in words for bad in ("not ", "failed", "inactive", "use_kdump=0", "no crash"))


def _memory(situation: Situation) -> Stage | None:
    seen = situation.seen(Sign.OUT_OF_MEMORY)
    if seen is None:
        return None
    return Stage(
        FailureClass.MEMORY,
        f"{_kernel(situation)} came up and ran out of memory",
        (quoted(seen.text, seen.place),),
    )


def _corruption(situation: Situation) -> Stage | None:
    seen = situation.seen(Sign.CORRUPT_DUMP)
    if seen is None:
        return None
    return Stage(
        FailureClass.CORRUPTION,
        "a dump was taken, and what is in it does not make sense",
        (quoted(seen.text, seen.place),),
    )


def _garbage(situation: Situation) -> Stage | None:
    seen = situation.seen(Sign.GARBAGE_POINTER)
    if seen is None:
        return None
    return Stage(
        FailureClass.DECOMPRESSION,
        f"{_kernel(situation)} followed a pointer of random bits: encrypted memory, read as plain",
        (quoted(seen.text, seen.place),),
    )


def _initramfs(situation: Situation) -> Stage | None:
    seen = situation.seen(Sign.INITRAMFS, Sign.NO_ROOT, Sign.INIT_KILLED)
    if seen is None:
        return None
    evidence = (quoted(seen.text, seen.place),)
    hit = _hits_initrd(situation)
    if hit is not None:
        return Stage(
            FailureClass.PLACEMENT,
            f"{_kernel(situation)}'s initrd was overwritten: the workarea lies on it",
            (*evidence, hit),
        )
    return Stage(
        FailureClass.MEMORY,
        f"{_kernel(situation)} came up, and its initramfs did not: too little memory, or a bad one",
        evidence,
    )


def _hits_initrd(situation: Situation) -> str | None:
    for finding in situation.report.findings if situation.report is not None else ():
        is_hit = finding.other is not None and finding.other.name == "initrd"
        if is_hit and finding.severity is Severity.ERROR:
            return f"{finding.rule}: {finding.message}"
    return None


def _dump_target(situation: Situation) -> Stage | None:
    seen = situation.seen(Sign.DUMP_TARGET)
    vmcore = situation.vmcore
    if seen is not None and situation.seen(Sign.DUMP_SAVED) is None:
        return Stage(
            FailureClass.INITRAMFS,
            "the crash kernel came up, and the dump could not be written",
            (quoted(seen.text, seen.place),),
        )
    if vmcore is not None and any(word in vmcore.value for word in _IF_NOT_DUMPED):
        return Stage(
            FailureClass.INITRAMFS,
            "the crash kernel came up, and the dump is incomplete",
            (quoted(vmcore.value, vmcore.place),),
        )
    return None


def _purgatory(situation: Situation) -> Stage | None:
    seen = situation.seen(Sign.PURGATORY)
    if seen is None:
        return None
    return Stage(
        FailureClass.JUMP,
        "purgatory found the loaded segments changed before the jump",
        (quoted(seen.text, seen.place),),
    )


def _placement(situation: Situation) -> Stage | None:
    report = situation.report
    if report is None or not situation.collides:
        return None
    errors = [one for one in report.findings if one.severity is Severity.ERROR]
    return Stage(
        FailureClass.PLACEMENT,
        "the kernel destroys what was loaded with it, because of where it is placed",
        tuple(f"{one.rule}: {one.message}" for one in errors[:3]) or (report.headline,),
    )


def _snp(situation: Situation) -> Stage | None:
    host = situation.snp_host
    if host is None:
        return None
    return Stage(
        FailureClass.JUMP,
        "the machine is a host of SEV-SNP guests: its firmware and IOMMU must be shut down before "
        "a crash kernel can use memory",
        (quoted(host.value, host.place),),
    )


def _unpacked(situation: Situation) -> Stage | None:
    seen = situation.seen(Sign.UNPACKED)
    if seen is None or _wrote_after(situation):
        return None
    evidence = (quoted(seen.text, seen.place),)
    if situation.verdict is Verdict.UNDECIDED:
        return Stage(None, "the kernel was unpacked and wrote nothing after that: P or D", evidence)
    return Stage(
        FailureClass.DECOMPRESSION,
        "the kernel was unpacked, wrote nothing after that, and its placement is not the reason",
        evidence,
    )


def _wrote_after(situation: Situation) -> bool:
    return bool(situation.evidence.said(FactName.SECOND_KERNEL))


def _instrumented(situation: Situation) -> Stage | None:
    kasan = situation.config("CONFIG_KASAN") == "y"
    if not kasan or situation.sme is SmeState.INACTIVE:
        return None
    return Stage(
        FailureClass.DECOMPRESSION,
        "the kernel is built with KASAN, whose calls the early SME code cannot make",
        ("CONFIG_KASAN=y",),
    )


def _nothing(situation: Situation) -> Stage:
    saved = situation.seen(Sign.DUMP_SAVED)
    if saved is not None:
        return Stage(
            None, "a crash kernel came up and saved a dump",
            (quoted(saved.text, saved.place),),
        )  # fmt: skip
    spoke = situation.spoke
    if spoke is not None:
        text = spoke.value if isinstance(spoke, TriageFact) else spoke.text
        return Stage(
            None, "the crash kernel came up, and nothing shows that it failed",
            (quoted(text[:120], spoke.place),),
        )  # fmt: skip
    if situation.verdict is Verdict.CLEAR:
        return Stage(None, "the evidence shows no failure, and the placement is clear", ())
    if situation.verdict is Verdict.NOT_APPLICABLE:
        return Stage(None, "the evidence shows no failure, and the kernel does not use SME", ())
    return Stage(None, "the evidence does not show which stage failed", ())


_Step = Callable[[Situation], Stage | None]
_STEPS: tuple[_Step, ...] = (
    _reservation,
    _load,
    _corruption,
    _memory,
    _garbage,
    _initramfs,
    _dump_target,
    _purgatory,
    _placement,
    _snp,
    _unpacked,
    _instrumented,
)
_STEPS_OF_KEXEC: tuple[_Step, ...] = (
    _memory,
    _garbage,
    _initramfs,
    _purgatory,
    _placement,
    _snp,
    _unpacked,
    _instrumented,
)
