"""The whole of smecheck in one place: from what was read to what is reported.

A kernel image is identified (where it begins and ends, which scheme it follows, whether it has SME
code). The boot that is asked about is worked out from the user's words, the segments of the load
and the machine. The workarea is placed under both schemes. What every loader must keep to the
kernel is held against it: that is the proof. The rules look at the situation, and the verdict sums
them up.

Nothing here reads a file or prints.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from smecheck.checks.apply import findings_of, no_workarea, rule_results
from smecheck.checks.gaps import not_checked
from smecheck.checks.judgement import Case
from smecheck.checks.kaslr_places import boot_asked_about, places_of_kaslr
from smecheck.checks.situation import situation_of
from smecheck.checks.verdict import judge
from smecheck.evidence import Known, Unknown, value_of
from smecheck.model.boot import BootRequest
from smecheck.model.firmware import FirmwareMap, FirmwareMapKind
from smecheck.model.identity import KernelFacts
from smecheck.model.kernel import KernelImage
from smecheck.model.memory import MapKind, MemoryMap
from smecheck.model.placement import Placement
from smecheck.model.proof import Counterexample, Proof, Way
from smecheck.model.report import Basis, InputUse, Report
from smecheck.model.segments import SegmentList, SegmentOrigin
from smecheck.placement.boot import BootEvidence, is_elf_load, resolve_boot
from smecheck.placement.decompressor import unpack_rules
from smecheck.placement.facts_used import used_of_kernel, used_of_memory
from smecheck.placement.identity import identify
from smecheck.placement.kaslr.first_boot import around_first_boot
from smecheck.placement.kaslr.landing import at_a_slot
from smecheck.placement.kaslr.question import KaslrQuestion
from smecheck.placement.place import Setting, offsets_anywhere, place_both
from smecheck.placement.proof import Reservations, prove, reservations
from smecheck.placement.ways import says_nothing, ways_of
from smecheck.record import record, replace

if TYPE_CHECKING:
    from smecheck.model.cross_check import CrossCheck
    from smecheck.model.decompressor_view import DecompressorView
    from smecheck.model.early_boot import EarlyBoot
    from smecheck.model.kernel_log import KernelLog
    from smecheck.placement.predicted_load import Machine, PredictedLoad


@record
class Question:
    """What is asked."""

    image: KernelImage
    boot: BootRequest
    segments: SegmentList | None = None
    memory: MemoryMap | None = None
    firmware: FirmwareMap | None = None
    """/sys/firmware/memmap, or what stands for it."""
    log: KernelLog | None = None
    machine: Machine | None = None
    """What more is known of the machine that loads, and of what kexec is told."""
    cross_check: bool = False
    """Whether a recorded load is to be predicted as well, and held against the prediction."""
    early: EarlyBoot | None = None
    """boot_params and what they point to: of the boot asked about; with a load, of the running."""


def analyze(question: Question) -> Report:
    """Answer the question; where no load was recorded and one is asked about, predict it."""
    question = _with_memory(question)
    predicted = _predicted(question)
    report = _answer(question, predicted)
    if question.cross_check and report.segments is not None and predicted is None:
        report = replace(report, cross_check=_cross_checked(question, report.segments))
    if predicted is None or report.basis is Basis.PROOF:
        return report
    from smecheck.checks.what_if import what_would_change

    changes = what_would_change(
        predicted, report.verdict, lambda other: _answer(question, other).verdict
    )
    return replace(report, assumptions=(*report.assumptions, *changes))


def answer(question: Question) -> Report:
    """Answer the question, without trying whether what was assumed of a load matters.

    For whoever asks many questions that differ a little.
    """
    question = _with_memory(question)
    return _answer(question, _predicted(question))


def _answer(question: Question, predicted: PredictedLoad | None) -> Report:
    """Answer the question for the load that it names, or for one that was predicted."""
    image, memory = question.image, question.memory
    load = _named(question.segments, image)
    asked = boot_asked_about(question.boot, load, question.early)
    if predicted is not None and predicted.segments is not None:
        load = predicted.segments
        asked = replace(asked, cmdline=None)  # what kexec passes on may differ
    segments = load or (around_first_boot(question.early) if question.early else None)
    not_predicted = predicted.prediction.unknown if predicted is not None else None
    facts = identify(image)
    rules = unpack_rules(image, facts)
    kept = reservations(image, facts)
    boot = resolve_boot(
        BootEvidence(asked, image, facts, rules, segments, memory, [], question.log)
    )
    host = question.machine.host if question.machine is not None else None
    setting = Setting(image, facts, rules, boot, kept, segments, memory, host)
    where = KaslrQuestion(setting, load, question.firmware, question.log, question.early)
    kaslr = places_of_kaslr(asked, where)
    if isinstance(kaslr, Known):
        boot = at_a_slot(boot, kaslr.value)
    setting = replace(setting, boot=boot)
    placements = place_both(setting)
    actual = next((placement for placement in placements if placement.actual), None)
    situation = situation_of(setting, actual or placements[0], question.firmware, question.log)
    checks = rule_results(situation, no_workarea=no_workarea(facts, boot, actual))
    findings = findings_of(checks)
    proof = _proof(setting, question, actual)
    judgement = judge(Case(facts, boot, actual, proof, findings, segments, memory, value_of(kaslr)))
    return Report(
        verdict=judgement.verdict,
        basis=judgement.basis,
        headline=judgement.headline,
        next_step=judgement.next_step,
        image=image,
        facts=facts,
        boot=boot,
        placements=placements,
        segments=segments,
        memory=memory,
        proof=proof,
        decompressor=_decompressor(image, facts, kept),
        findings=findings,
        assumptions=(
            *facts.assumptions,
            *rules.assumptions,
            *kept.assumptions,
            *boot.assumptions,
            *(segments.remarks if segments else ()),
            *_machine_premises(question, memory),
            *(kaslr.value.premises if isinstance(kaslr, Known) else ()),
        ),
        not_checked=not_checked(
            boot, actual, segments, memory, question.log, not_predicted, kaslr=kaslr
        ),
        kaslr=value_of(kaslr),
        inputs=_inputs(question, segments),
        checks=checks,
    )


def _predicted(question: Question) -> PredictedLoad | None:
    """Predict the load, where one is asked about and none was recorded."""
    boot = question.boot
    says_load = boot.loader is not None or boot.mode is not None or boot.path is not None
    if question.segments is not None or not (says_load or question.machine is not None):
        return None
    from smecheck.placement.predicted_load import asked_load, predict_load

    asked = asked_load(question.image, boot, _machine(question))
    return None if asked is None else predict_load(asked)


def _cross_checked(question: Question, recorded: SegmentList) -> CrossCheck:
    """Hold a recorded load, its segments named, against the prediction of it."""
    from smecheck.placement.cross_check import cross_check

    return cross_check(question.image, question.boot, _machine(question), recorded)


def _machine(question: Question) -> Machine:
    """Put together what is known of the machine that loads."""
    from smecheck.placement.predicted_load import Machine

    machine = question.machine if question.machine is not None else Machine()
    known = replace(machine, memory=question.memory, firmware=question.firmware)
    if question.log is not None:
        from smecheck.placement.logged_host import machine_with_log

        known = machine_with_log(known, question.log)
    return known


def _with_memory(question: Question) -> Question:
    """Take the firmware's map from the host, and make a memory map, where none was given."""
    host = question.machine.host if question.machine is not None else None
    if question.firmware is None and host is not None and host.firmware_map is not None:
        question = replace(question, firmware=host.firmware_map)
    early = question.early
    if question.firmware is None and question.segments is None and early is not None:
        question = replace(question, firmware=value_of(early.e820))
    if question.memory is None:
        question = replace(question, memory=_machine_memory(question))
    return question


def _machine_memory(question: Question) -> MemoryMap | None:
    """Make a memory map of what else tells the machine's memory."""
    if question.log is None and question.firmware is None:
        return None
    from smecheck.placement.machine_memory import machine_memory

    return machine_memory(question.log, question.firmware)


def _machine_premises(question: Question, memory: MemoryMap | None) -> tuple[str, ...]:
    if question.log is None and question.firmware is None:
        return ()
    from smecheck.placement.machine_memory import premises

    return premises(memory, question.log, question.firmware)


def _named(segments: SegmentList | None, image: KernelImage) -> SegmentList | None:
    """Name the segments that a log left unnamed, where the kernel's sizes tell.

    What a description calls "other" stays so: its author did not say more.
    """
    if segments is None or any(s.origin is SegmentOrigin.DESCRIPTION for s in segments.segments):
        return segments
    from smecheck.placement.naming import name_segments

    named = name_segments(segments.segments, value_of(segments.loader), image)
    return replace(segments, segments=named)


def _decompressor(
    image: KernelImage, facts: KernelFacts, kept: Reservations
) -> DecompressorView | None:
    """Return what a bzImage's decompressor counts with; nothing is known of it without a header."""
    if isinstance(image.header.init_size, Unknown) and isinstance(image.header.output_len, Unknown):
        return None
    from smecheck.placement.decompressor_view import decompressor_view

    return decompressor_view(image, facts, kept)


def _proof(setting: Setting, question: Question, actual: Placement | None) -> Proof | None:
    """Hold the workarea against what is reserved on the ways that this boot can take."""
    if actual is None:
        return None
    extents = offsets_anywhere(setting, actual.scheme)
    if extents is None:
        return None
    segments = setting.segments
    is_open = says_nothing(question.boot) and segments is None and setting.memory is None
    is_elf = segments is not None and is_elf_load(setting.image, segments)

    def counterexample(way: Way, reserved_end: int) -> Counterexample | None:
        from smecheck.placement.counterexample import Failing

        return Failing(setting, extents).counterexample(way, reserved_end)

    return prove(
        extents,
        setting.kept,
        ways_of(setting.boot, actual.scheme, is_elf=is_elf, is_open=is_open),
        scheme=actual.scheme,
        counterexample=counterexample,
    )


def _inputs(question: Question, segments: SegmentList | None) -> tuple[InputUse, ...]:
    image, memory = question.image, question.memory
    uses = [InputUse(image.source, image.kind.value, used_of_kernel(image))]
    uses += [InputUse(part.source, part.kind, part.used) for part in image.complements]
    if memory is not None and memory.kind is MapKind.IOMEM:
        uses.append(InputUse(memory.source, "iomem", used_of_memory(memory)))
    early, firmware = question.early, question.firmware
    if early is not None:
        uses.append(InputUse(early.source, "boot-params", early.told))
    if firmware is not None and firmware.kind in (FirmwareMapKind.SYSFS, FirmwareMapKind.E820_LOG):
        uses.append(InputUse(firmware.source, "memmap", ("firmware_map",)))
    if question.log is not None:
        from smecheck.placement.machine_memory import told_by

        uses.append(InputUse(question.log.source, "dmesg", told_by(question.log.boot)))
    host = question.machine.host if question.machine is not None else None
    if host is not None and host.source is not None:
        from smecheck.placement.facts_used import used_of_host

        uses.append(InputUse(host.source, "host", used_of_host(host)))
    if segments is not None and not segments.predicted:
        roles = dict.fromkeys(segment.role.value for segment in segments.segments)
        uses.append(InputUse(segments.source, "segments", tuple(roles)))
    return tuple(uses)
