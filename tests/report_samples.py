"""Reports made by hand: one of each verdict, after real kernels, for the tests of the formats."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import TypeVar

from smecheck.answer import Basis, InputUse, Report, Verdict
from smecheck.asked import Path
from smecheck.boot.boot import SME_UNKNOWN_WITHOUT_CMDLINE, Boot, Initrd, SmeAnswer, SmeState
from smecheck.checks.catalogue import RULES
from smecheck.checks.finding import Finding, Outcome, Party, Severity
from smecheck.evidence import Known, Step, Unknown
from smecheck.kernel.decompressor_sizes import (
    DecompressorView,
    InitSizeSide,
    NeededSize,
    SectionRoom,
)
from smecheck.kernel.facts import KernelFacts
from smecheck.kernel.generations import Generation
from smecheck.kernel.image import KernelImage, KernelKind, LoadSegment, Scheme, Section, SetupHeader
from smecheck.load.segments import Loader, Mode, Segment, SegmentList, SegmentOrigin, SegmentRole
from smecheck.machine.memory import MemoryMap, Missing, Region, usable_ram
from smecheck.record import field_names, replace
from smecheck.span import Span
from smecheck.workarea.placement import Extents, Owner, Placement
from smecheck.workarea.proven import Proof, ProofPath, Way

TEXT = 0xFFFFFFFF81000000
BASE = 0x7D200000
REMEDY = "boot it with mem_encrypt=off"
T = TypeVar("T")

_LAYOUT = {
    # The crash kernel of June 2019, offsets from the kernel segment's start.
    SegmentRole.INITRD: Span(0x0, 0xFD000),
    SegmentRole.KERNEL: Span(0x100000, 0xE41000),
    SegmentRole.BOOT_PARAMS: Span(0xE50000, 0xE54000),
    SegmentRole.PURGATORY: Span(0xE54000, 0xE5D000),
    SegmentRole.ELFCOREHDR: Span(0xE5D000, 0xE61000),
    SegmentRole.BACKUP: Span(0xE61000, 0xF00000),
}


def extents(end: int) -> Extents:
    start = -(-end // 0x200000) * 0x200000
    return Extents(Span(end, start), start, start + 0x209000, start + 0x22B000, start + 0x400000)


def header(init_size: int, output_len: int) -> SetupHeader:
    return SetupHeader(
        init_size=Known(init_size, "setup header 0x260"),
        kernel_alignment=Known(0x200000, "setup header 0x230"),
        pref_address=Known(0x1000000, "setup header 0x258"),
        relocatable=Known(True, "setup header 0x234"),
        output_len=Known(output_len, "end of the payload"),
    )


def image(setup: SetupHeader, section: Section | None = None) -> KernelImage:
    return KernelImage(
        source="build/vmlinux",
        kind=KernelKind.VMLINUX,
        release=Known("5.0.0", "banner"),
        build_id=Unknown("no GNU build-id note"),
        symbols={"_text": TEXT},
        symbols_complete=True,
        sections=() if section is None else (section,),
        sections_complete=True,
        loads=(LoadSegment(TEXT, 0x1000000, 0x800000, 0x800000, "R E"),),
        header=setup,
        config={},
        sme_text=Unknown("not asked"),
    )


def facts(scheme: Scheme, end: int, section: Section | None = None) -> KernelFacts:
    return KernelFacts(
        text=Known(TEXT, "symbol _text"),
        end=Known(TEXT + end, "symbol _end"),
        scheme=Known(scheme, "no section of the workarea"),
        section=section,
        sme_code=Known(scheme is not Scheme.NO_SME, "symbol sme_encrypt_kernel"),
        generations=(Generation.V4_15, Generation.V4_17),
        generation_origin="the scheme only",
        assumptions=(),
    )


def placement(
    scheme: Scheme, offsets: Extents | None, base: int | None, *, actual: bool, owner: Owner
) -> Placement:
    placed = offsets.moved(base) if offsets is not None and base is not None else None
    steps = () if placed is None else (Step("workarea_start", placed.start, "kernel_end", "v4.17"),)
    return Placement(
        scheme=scheme,
        actual=actual,
        extents=placed,
        offsets=offsets,
        written_is_exact=placed is not None,
        reason="written_end is exact" if placed else "no --load-address",
        owner=owner,
        owner_reason="why it is so",
        derivation=steps,
    )


def both(
    offsets: Extents, base: int | None, *, actual: Scheme | None
) -> tuple[Placement, Placement]:
    old, new = Scheme.AFTER_END, Scheme.INIT_SCRATCH
    return (
        placement(old, offsets, base, actual=actual is old, owner=Owner.NOBODY),
        placement(new, offsets, base, actual=actual is new, owner=Owner.INIT_SIZE),
    )


def proof(offsets: Extents, reserved: int) -> Proof:
    margin = reserved - offsets.mapped_end
    path = ProofPath(
        path=Way.KEXEC,
        taken=True,
        holds=margin >= 0,
        is_bound=False,
        reserved_end=reserved,
        margin=margin,
        worst_margin=reserved - offsets.worst_end,
        written_margin=reserved - offsets.written_end,
        growth=margin if margin >= 0 else None,
        grows_along=False,
        reason="setup header 0x260",
        counterexample=None,
    )
    return Proof(margin >= 0, False, (path,))


def _collision(base: int = BASE) -> Report:
    """An old kernel as crash kernel: four segments and the vmcore are overwritten."""
    offsets = extents(0xA16000)
    own = offsets.moved(base)
    low = base - 0x100000
    segments = tuple(
        Segment(role, span.moved(low), None, SegmentOrigin.LOG, f"kexec.log:{line}")
        for line, (role, span) in enumerate(_LAYOUT.items(), start=41)
    )
    reservation = Span(low - 0xF100000, low + 0xF00000)
    regions = (
        Region("System RAM", Span(0x100000, low + 0x2EDF000), 0, 1),
        Region("Crash kernel", reservation, 1, 2),
    )
    findings = [
        Finding(
            "SME001",
            Severity.ERROR,
            f"the surely written part lies over {segment.role.value}",
            span=own.written & segment.span,
            other=Party(segment.role.value, segment.span),
            remedy=REMEDY,
        )
        for segment in segments
        if segment.role is not SegmentRole.KERNEL and own.written.overlaps(segment.span)
    ]
    return Report(
        verdict=Verdict.COLLISION,
        basis=Basis.MACHINE,
        headline="the workarea collides with boot_params, purgatory, elfcorehdr, backup",
        next_step=REMEDY,
        image=image(header(0xD41000, 0xCF270C)),
        facts=facts(Scheme.AFTER_END, 0xA16000),
        boot=Boot(
            path=Path.KDUMP,
            loader=Known(Loader.KEXEC_LOAD, "kexec.log:3"),
            mode=Known(Mode.CRASH, "kexec.log:1"),
            load_address=Known(base, "kexec.log:42"),
            kernel_base=Known(base, "kexec.log:42"),
            base_is_certain=True,
            kaslr=Known(False, "nokaslr"),
            sme_answer=SmeAnswer(SmeState.ACTIVE, ("--sme on",)),
            paging=Known(4, "--paging 4"),
            initrd=Initrd(segments[0].span, segments[0].span.size, "kexec.log:41"),
            cmdline=Known("console=ttyS0 nokaslr mem_encrypt=on", "kexec.log:12"),
        ),
        placements=both(offsets, base, actual=Scheme.AFTER_END),
        segments=SegmentList(
            "kexec.log", segments, Known(Loader.KEXEC_LOAD, ""), Known(Mode.CRASH, ""), Unknown("-")
        ),
        memory=MemoryMap("iomem.txt", regions, Missing.NOTHING, usable_ram(regions)),
        proof=proof(offsets, 0xD41000),
        decompressor=DecompressorView(
            output_len=Known(0xCF270C, "end of the payload"),
            needed_size=Known(
                NeededSize(0xCF270C, 0xCF270C, 0xE00000), "max(output_len, own size)"
            ),
            init_size_from=Known(InitSizeSide.PAYLOAD, "it is above _end - _text 0xa16000"),
            section=None,
        ),
        findings=(
            *findings,
            Finding(
                "SME006",
                Severity.WARNING,
                "memory outside the crash reservation is overwritten",
                span=Span(reservation.end, own.written_end),
                other=Party("Crash kernel", reservation),
                condition="KASLR leaves the kernel where it was loaded",
                remedy=REMEDY,
            ),
        ),
        assumptions=("4-level paging at entry",),
        not_checked=("kexec's control pages",),
        inputs=(InputUse("build/vmlinux", "vmlinux", ("symbols",)), InputUse("x", "iomem", ())),
    )


def _undecided() -> Report:
    """The same kernel without a header, a load or a machine: only offsets are known."""
    known = _collision()
    boot = replace(
        known.boot,
        path=Path.KEXEC,
        loader=Unknown("no --loader, no segments"),
        mode=Unknown("no --mode, no segments"),
        load_address=Unknown("no segments"),
        kernel_base=Unknown("no --load-address"),
        base_is_certain=False,
        kaslr=Unknown("no command line"),
        sme_answer=SME_UNKNOWN_WITHOUT_CMDLINE,
        paging=Unknown("not known"),
        initrd=Initrd(None, 0, "assumed"),
        cmdline=Unknown("no --cmdline"),
    )
    return replace(
        known,
        verdict=Verdict.UNDECIDED,
        basis=Basis.PARTIAL,
        headline="nobody is proven to own the workarea",
        image=image(SetupHeader()),
        boot=boot,
        placements=both(extents(0xA16000), None, actual=Scheme.AFTER_END),
        segments=None,
        memory=None,
        proof=None,
        decompressor=None,
        findings=(Finding("SME007", Severity.NOTE, "what owns it is not known", remedy=REMEDY),),
    )


def _not_applicable() -> Report:
    """A kernel without SME code, of which not even ``_end`` is known."""
    known = undecided()
    nothing = (
        placement(Scheme.AFTER_END, None, None, actual=False, owner=Owner.UNKNOWN),
        placement(Scheme.INIT_SCRATCH, None, None, actual=False, owner=Owner.UNKNOWN),
    )
    return replace(
        known,
        verdict=Verdict.NOT_APPLICABLE,
        basis=Basis.PROOF,
        headline="the kernel has no SME code",
        facts=replace(facts(Scheme.NO_SME, 0), end=Unknown("no symbols")),
        placements=nothing,
        findings=(),
        assumptions=(),
        inputs=(),
    )


def _clear() -> Report:
    """A kernel of today: its workarea is a section, every loader keeps it to the kernel."""
    known = undecided()
    offsets = extents(0x3430000)
    section = Section(".init.scratch", TEXT + 0x3600000, 0x400000, "PROGBITS")
    return replace(
        known,
        verdict=Verdict.CLEAR,
        basis=Basis.PROOF,
        headline="every loader reserves the whole workarea for the kernel",
        image=image(header(0x3F98000, 0x3EDA7B4), section),
        facts=facts(Scheme.INIT_SCRATCH, 0x3430000, section),
        placements=both(offsets, None, actual=Scheme.INIT_SCRATCH),
        proof=proof(offsets, 0x3F98000),
        decompressor=DecompressorView(
            output_len=Known(0x3EDA7B4, "end of the payload"),
            needed_size=Known(NeededSize(0x4000000, 0x4000000, 0x4000000), "rounded up"),
            init_size_from=Unknown("the sides are not known"),
            section=SectionRoom(
                section.name, Known(0x598000, "init_size"), Known(0x4DA7B4, "output_len")
            ),
        ),
        findings=(),
    )


_OF_THE_PROGRAM = {"rule", "title", "path"}
"""Fields whose texts are never read from anywhere: of rules, and the names of ways to load."""


def asked(report: Report, skipped: str = "") -> Report:
    """Return the report with an outcome for every rule, as its findings tell."""
    checks = []
    for rule in RULES.values():
        found = tuple(finding for finding in report.findings if finding.rule == rule.id)
        if found:
            checks.append(replace(rule.result(Outcome.FAILED), findings=found))
        else:
            checks.append(rule.result(Outcome.SKIPPED if skipped else Outcome.PASSED, skipped))
    return replace(report, checks=tuple(checks))


def collision(base: int = BASE) -> Report:
    return asked(_collision(base))


def undecided() -> Report:
    return asked(_undecided(), "no segments of a load are known")


def not_applicable() -> Report:
    return asked(_not_applicable(), "the kernel has no SME code")


def clear() -> Report:
    return asked(_clear())


SAMPLES = (collision, undecided, not_applicable, clear)


def retold(thing: T, text: str) -> T:
    """Return the report with every text in it that could come from an input replaced."""
    if isinstance(thing, str):
        return text  # type: ignore[return-value]
    if isinstance(thing, tuple):
        return tuple(retold(item, text) for item in thing)  # type: ignore[return-value]
    if isinstance(thing, Mapping | Enum) or not hasattr(thing, "__match_args__"):
        return thing
    kept = () if isinstance(thing, InputUse) else _OF_THE_PROGRAM
    changes = {
        name: retold(getattr(thing, name), text)
        for name in field_names(thing)
        if name not in kept or not isinstance(getattr(thing, name), str)
    }
    return replace(thing, **changes)
