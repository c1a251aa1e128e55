"""The verdict: what the findings, the proof and the gaps in the evidence amount to."""

from __future__ import annotations

from smecheck.evidence import Known, Unknown
from smecheck.model.boot import Boot, SmeState
from smecheck.model.finding import Finding
from smecheck.model.identity import KernelFacts
from smecheck.model.memory import MemoryMap
from smecheck.model.placement import Owner, Placement
from smecheck.model.report import Basis, Proof, Verdict
from smecheck.model.segments import SegmentList
from smecheck.quantity import address_text, size_text
from smecheck.record import record

_IF_IT_STILL_DIES = (
    "if the kernel still dies, placement is not the reason: next suspects are the memory budget "
    "(SME forces 64 MiB of SWIOTLB on a crash kernel) and early code; a boot with mem_encrypt=off "
    "tells them apart"
)


@record
class Judgement:
    """The verdict in words."""

    verdict: Verdict
    basis: Basis
    headline: str
    next_step: str


@record
class Case:
    """What there is to judge."""

    facts: KernelFacts
    boot: Boot
    placement: Placement | None
    """Of the kernel's own scheme; ``None`` where it has none or it is not known."""
    proof: Proof | None
    findings: tuple[Finding, ...]
    segments: SegmentList | None
    memory: MemoryMap | None


def judge(case: Case) -> Judgement:
    """Decide. The order matters: inapplicable, collision, proof, machine, undecided."""
    return _not_applicable(case) or _collision(case) or _proven(case) or _by_machine(case)


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


def _collision(case: Case) -> Judgement | None:
    deciding = [finding for finding in case.findings if finding.decides]
    static = [finding for finding in deciding if finding.span is None]
    located = case.placement is not None and case.placement.extents and case.boot.base_is_certain
    relevant = deciding if located else static
    if not relevant:
        return None
    basis = Basis.MACHINE if located else Basis.PROOF
    names = list(dict.fromkeys(finding.other.name for finding in relevant if finding.other))
    certain = any(finding.condition is None for finding in relevant)
    headline = f"the workarea {'collides' if certain else 'may collide'} with " + (
        ", ".join(names) or "the kernel itself"
    )
    return Judgement(Verdict.COLLISION, basis, headline, relevant[0].remedy)


def _proven(case: Case) -> Judgement | None:
    proof, placement = case.proof, case.placement
    if placement is None or proof is None or not proof.holds:
        return None
    if case.segments is not None and placement.owner is Owner.NOBODY:
        # This very load did not keep what the header asks for; only the machine can tell then.
        return None
    margin = min(path.margin for path in proof.paths if path.taken)
    return Judgement(
        Verdict.CLEAR,
        Basis.PROOF,
        f"every loader keeps the whole workarea to the kernel, with {size_text(margin)} to spare",
        _IF_IT_STILL_DIES,
    )


def _by_machine(case: Case) -> Judgement:
    missing = _missing(case)
    if missing is None:
        return Judgement(
            Verdict.CLEAR,
            Basis.MACHINE,
            "on this machine nothing of this load lies where the workarea is used",
            _IF_IT_STILL_DIES,
        )
    why, settle = missing
    return Judgement(Verdict.UNDECIDED, Basis.PARTIAL, why, settle)


def _missing(case: Case) -> tuple[str, str] | None:
    """Return the first fact that the verdict lacks, and how to get it."""
    placement = case.placement
    if placement is None or placement.offsets is None:
        reason = placement.reason if placement else _scheme_reason(case.facts)
        return (
            f"where the workarea lies is not known: {reason}",
            "give a vmlinux, or the symbols _text and _end: --symbols System.map, or a description",
        )
    if isinstance(case.boot.kernel_base, Unknown):
        owned = (
            "nobody owns the whole workarea"
            if placement.owner is Owner.NOBODY
            else "that the workarea is the kernel's own is not proven"
        )
        return (
            f"{owned}, and {case.boot.kernel_base.reason}",
            "give the vmlinuz, which tells init_size (as KERNEL or with --bzimage), or the load "
            "(--segments) and the machine (--iomem)",
        )
    if not case.boot.base_is_certain:
        state = case.boot.kaslr
        why = state.origin if isinstance(state, Known) else state.reason
        return (
            f"KASLR may put the kernel elsewhere than {address_text(case.boot.kernel_base.value)}, "
            f"and nothing proves the workarea clear everywhere ({why})",
            "give --cmdline or --kaslr off if the kernel is booted with nokaslr, or --load-address "
            "if it is known where it ran",
        )
    if case.segments is None:
        return (
            "the place of the kernel is known, but not what else is loaded around it",
            "give the load: --segments with the output of kexec -d, a kernel log, or a description",
        )
    if case.memory is None:
        return (
            "no segment is hit, but whether the workarea is memory at all is not known",
            "give the machine's memory map: --iomem (read as root: sudo cat /proc/iomem)",
        )
    return None


def _scheme_reason(facts: KernelFacts) -> str:
    return facts.scheme.reason if isinstance(facts.scheme, Unknown) else facts.scheme.origin
