"""The verdict: what the findings, the proof and the gaps in the evidence amount to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smecheck.checks.judgement import IF_IT_STILL_DIES, Case, Judgement, with_effect
from smecheck.evidence import Known, Unknown
from smecheck.model.boot import Path, SmeState
from smecheck.model.finding import Effect, Finding, Severity
from smecheck.model.placement import Owner
from smecheck.model.proof import Way
from smecheck.model.report import Basis, Verdict
from smecheck.model.segments import SegmentRole
from smecheck.quantity import address_text, size_text
from smecheck.record import replace

if TYPE_CHECKING:
    from smecheck.model.identity import KernelFacts

_WAYS = {
    Way.KEXEC: "kexec",
    Way.BOOT_LOADER: "other boot loaders",
    Way.KASLR: "KASLR",
    Way.EFI_STUB: "the EFI stub",
    Way.ELF: "kexec of the vmlinux",
}


def judge(case: Case) -> Judgement:
    """Decide. The order matters: loss, inapplicable, contradiction, collision, proof, machine."""
    judgement = (
        _lost(case)
        or _not_applicable(case)
        or _contradiction(case)
        or _collision(case)
        or _proven(case)
        or _by_kaslr(case)
        or _by_machine(case)
    )
    errors = [finding for finding in case.findings if finding.severity is Severity.ERROR]
    if judgement.verdict in (Verdict.CLEAR, Verdict.NOT_APPLICABLE) and errors:
        return replace(
            judgement,
            headline=f"{judgement.headline}; but {errors[0].message}",
            next_step=errors[0].remedy,
        )
    return judgement


def _not_applicable(case: Case) -> Judgement | None:
    sme_code = case.facts.sme_code
    if isinstance(sme_code, Known) and not sme_code.value:
        return Judgement(
            Verdict.NOT_APPLICABLE,
            Basis.PROOF,
            f"the kernel has no SME code ({sme_code.origin}): it uses no workarea",
            "nothing to do here; look for another reason if this kernel dies",
        )
    if case.boot.sme is SmeState.INACTIVE:
        return Judgement(
            Verdict.NOT_APPLICABLE,
            Basis.PARTIAL,
            f"SME is off in the kernel that is booted ({case.boot.sme_evidence[0]}): no workarea "
            "is used",
            "nothing to do as long as SME stays off in that kernel",
        )
    return None


def _lost(case: Case) -> Judgement | None:
    """Judge by what is lost before SME and KASLR are looked for, if the inputs agree."""
    lost = with_effect(case, Effect.LOSS)
    if not lost or with_effect(case, Effect.CONTRADICTION):
        return None
    names = list(dict.fromkeys(finding.other.name for finding in lost if finding.other))
    certain = any(finding.condition is None for finding in lost)
    lies, is_lost = ("lies", "it is") if len(names) == 1 else ("lie", "they are")
    perhaps = "" if certain else "perhaps "
    return Judgement(
        Verdict.COLLISION,
        Basis.MACHINE,
        f"{', '.join(names)} {perhaps}{lies} where the kernel is unpacked: {is_lost} lost before "
        "KASLR chooses, with SME or without",
        lost[0].remedy,
    )


def _contradiction(case: Case) -> Judgement | None:
    contradicting = with_effect(case, Effect.CONTRADICTION)
    if not contradicting:
        return None
    return Judgement(
        Verdict.UNDECIDED,
        Basis.PARTIAL,
        f"the inputs contradict each other: {contradicting[0].message}",
        contradicting[0].remedy,
    )


def _collision(case: Case) -> Judgement | None:
    colliding = with_effect(case, Effect.COLLISION)
    located = case.placement is not None and case.placement.extents and case.boot.base_is_certain
    relevant = colliding if located else [f for f in colliding if f.span is None]
    if not relevant:
        return None
    return Judgement(
        Verdict.COLLISION,
        Basis.MACHINE if located else Basis.PROOF,
        "the workarea " + " and ".join(_phrases(relevant)),
        relevant[0].remedy,
    )


def _phrases(colliding: list[Finding]) -> list[str]:
    """Say what the findings say of the workarea, each thing once."""
    met = [finding for finding in colliding if not finding.phrase and finding.other]
    names = list(dict.fromkeys(finding.other.name for finding in met if finding.other))
    phrases = []
    if names:
        certain = any(finding.condition is None for finding in met)
        verb = "collides" if certain else "may collide"
        phrases.append(f"{verb} with {', '.join(names)}")
    certain_ones = {finding.phrase for finding in colliding if finding.condition is None}
    said = dict.fromkeys(finding.phrase for finding in colliding if finding.phrase)
    return phrases + [p if p in certain_ones else f"perhaps {p}" for p in said]


def _proven(case: Case) -> Judgement | None:
    proof, placement = case.proof, case.placement
    if placement is None or proof is None or not proof.holds:
        return None
    if case.segments is not None and placement.owner is Owner.NOBODY:
        # This very load did not keep what the header asks for; only the machine can tell then.
        return None
    taken = [path for path in proof.paths if path.taken]
    *others, last = (_WAYS[path.path] for path in taken)
    ways = f"{', '.join(others)} and {last}" if others else last
    margin = size_text(min(path.margin for path in taken))
    at_least = "at least " if any(path.is_bound for path in taken) else ""
    return Judgement(
        Verdict.CLEAR,
        Basis.PROOF,
        f"what {ways} must keep to the kernel covers the whole workarea, with {at_least}{margin} "
        "to spare",
        IF_IT_STILL_DIES,
    )


def _by_kaslr(case: Case) -> Judgement | None:
    if case.kaslr is None:
        return None
    from smecheck.checks.kaslr_verdict import by_kaslr

    return by_kaslr(case, _missing_around(case))


def _by_machine(case: Case) -> Judgement:
    missing = _missing(case)
    if missing is None:
        return Judgement(
            Verdict.CLEAR,
            Basis.MACHINE,
            f"on this machine nothing of {_load_name(case)} lies where the workarea is used",
            IF_IT_STILL_DIES,
        )
    why, settle = missing
    return Judgement(Verdict.UNDECIDED, Basis.PARTIAL, why, settle)


def _load_name(case: Case) -> str:
    predicted = case.segments is not None and case.segments.predicted
    return "the predicted load" if predicted else "this load"


def _missing(case: Case) -> tuple[str, str] | None:
    """Return the first fact that the verdict lacks, and how to get it."""
    placement = case.placement
    if placement is None or placement.offsets is None:
        reason = placement.reason if placement else _scheme_reason(case.facts)
        return (
            f"where the workarea lies is not known: {reason}",
            "give a vmlinux, or the symbols _text and _end: --symbols System.map, or a description",
        )
    if case.segments is not None and case.segments.predicted and case.segments.refusal is not None:
        return (
            f"kexec would refuse this load: {case.segments.refusal}",
            "give kexec what it lacks, or the load that there was (--segments)",
        )
    if isinstance(case.boot.kernel_base, Unknown):
        owned = (
            "nobody owns the whole workarea"
            if placement.owner is Owner.NOBODY
            else "that the workarea is the kernel's own is not proven"
        )
        if case.not_predicted is not None:
            return (
                f"{owned}, and the load cannot be predicted: {case.not_predicted}",
                _what_would_predict_it(case),
            )
        return f"{owned}, and {case.boot.kernel_base.reason}", _what_would_place_it(case)
    if not case.boot.base_is_certain:
        state = case.boot.kaslr
        why = state.origin if isinstance(state, Known) else state.reason
        return (
            f"KASLR may put the kernel elsewhere than {address_text(case.boot.kernel_base.value)}, "
            f"and nothing proves the workarea clear everywhere ({why})",
            "give --cmdline or --kaslr off if the kernel is booted with nokaslr, or --load-address "
            "if it is known where it ran",
        )
    return _missing_around(case)


def _missing_around(case: Case) -> tuple[str, str] | None:
    """Return the first fact that is missing of what lies around the kernel."""
    if case.segments is None and case.boot.path is Path.FIRST_BOOT:
        return (
            "what lies around the kernel of this boot is not known: its initrd, its setup_data and "
            "boot_params",
            "give boot_params (--boot-params), and what they point to (--boot)",
        )
    if case.segments is None:
        return (
            "the place of the kernel is known, but not what else is loaded around it",
            "give the load: --segments with the output of kexec -d, a kernel log, or a description",
        )
    initrd = case.boot.initrd
    if initrd.size and initrd.span is None:
        return (
            "no segment that is known is hit, but where the initrd lies is not known",
            "give a segment list that names the initrd",
        )
    of_load = case.boot.path is not Path.FIRST_BOOT
    if of_load and not case.segments.of(SegmentRole.BOOT_PARAMS):
        return (
            "no segment that is known is hit, but the list names no boot_params: it is not whole",
            "give the whole list: kexec -d, a kernel log, or a description with every segment",
        )
    if case.segments.predicted and case.memory is not None and not case.memory.complete:
        return (
            f"nothing of the predicted load is hit, but {case.memory.source} is a fragment of a "
            "map: into memory that it leaves out, kexec may load otherwise",
            "give the whole memory map (--iomem, read as root: sudo cat /proc/iomem), or the load "
            "itself (--segments)",
        )
    if case.memory is None:
        return (
            "no segment is hit, but whether the workarea is memory at all is not known",
            "give the machine's memory map: --iomem (read as root: sudo cat /proc/iomem), or "
            "--dmesg, which tells it too",
        )
    if case.boot.path is Path.KDUMP and not case.memory.crash_kernel:
        return (
            f"{case.memory.source} shows no Crash kernel: whether the workarea leaves it is open",
            "give the memory map of the boot in which the crash kernel was loaded (--iomem), or "
            "its kernel log (--dmesg)",
        )
    return None


def _what_would_predict_it(case: Case) -> str:
    if case.boot.path is Path.KDUMP and case.memory is not None and not case.memory.crash_kernel:
        return (
            "give what tells the crash reservation: the whole /proc/iomem of the boot that loaded "
            "(--iomem), its kernel log (--dmesg), or crash_kernel of the host (--host); or the "
            "load itself (--segments)"
        )
    if case.placement is not None and case.placement.owner is Owner.UNKNOWN:
        return "give the vmlinuz, which tells init_size (--bzimage), or the load (--segments)"
    return "give the load itself (--segments), or --load-address if it is known where it ran"


def _what_would_place_it(case: Case) -> str:
    load = "the machine (--iomem) and the load (--segments, or --mode to have it predicted)"
    if case.memory is None and isinstance(case.boot.mode, Known):
        load = (
            "the machine's memory, by which the load is predicted: --iomem, --memmap, or --dmesg "
            "with the e820 lines of its boot; or the load itself (--segments)"
        )
    paths = case.proof.paths if case.proof else ()
    if any(path.path is Way.KEXEC and path.holds for path in paths):
        return f"give --cmdline or --kaslr off if the kernel is booted with nokaslr, or {load}"
    if case.placement is not None and case.placement.owner is Owner.NOBODY:
        return f"give {load}"
    return "give the vmlinuz, which tells init_size (as KERNEL or with --bzimage), or " + load


def _scheme_reason(facts: KernelFacts) -> str:
    return facts.scheme.reason if isinstance(facts.scheme, Unknown) else facts.scheme.origin
