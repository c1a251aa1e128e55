"""The report as JSON: ``smecheck/report-v1``."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from smecheck import __version__
from smecheck.answer import Report
from smecheck.boot.boot import Boot, SmeAnswer
from smecheck.checks.finding import Finding, Outcome, Party, RuleResult
from smecheck.evidence import Fact, Known, value_of, why
from smecheck.kernel.image import Scheme, Section
from smecheck.kernel.verification import Result
from smecheck.load.compared_segments import CrossCheck
from smecheck.load.segments import Segment, SegmentList
from smecheck.quantity import address_text
from smecheck.report.cross_check_words import outcome_text
from smecheck.report.json_values import Json, address_or_null, known_address, span_object
from smecheck.report.rule_pages import rule_url
from smecheck.report.safe_text import json_text
from smecheck.workarea.placement import Extents, Placement, TablesAtEntry
from smecheck.workarea.proven import Counterexample, Proof

if TYPE_CHECKING:
    from collections.abc import Callable

    from smecheck.answer import Advice
    from smecheck.boot.kaslr.slots import KaslrSweep
    from smecheck.kernel.decompressor_sizes import DecompressorView
    from smecheck.kernel.verification import Verification
    from smecheck.report.options import RenderOptions


T = TypeVar("T")

REPORT_SCHEMA = "smecheck/report-v1"


def render_json(report: Report, options: RenderOptions) -> str:
    """Return the ``smecheck/report-v1`` document of ``report``."""
    segments = report.segments
    return json_text(
        {
            "schema": REPORT_SCHEMA,
            "tool": {"name": "smecheck", "version": __version__},
            "verdict": report.verdict.value,
            "exit_code": options.exit_code,
            "basis": report.basis.value,
            "headline": report.headline,
            "next_step": report.next_step,
            "kernel": _kernel(report),
            "boot": _boot(report.boot),
            "placements": [_placement(placement) for placement in report.placements],
            "segments": [_segment(segment) for segment in segments.segments] if segments else [],
            "proof": _or_null(report.proof, _proof),
            "image": _or_null(report.decompressor, _image),
            "machine_code": _or_null(report.verification, _machine_code),
            "load": _or_null(segments, _load),
            "cross_check": _or_null(report.cross_check, _cross_check),
            "sme": _sme(report.boot.sme_answer),
            "advice": None if report.advice is None else [_advice(one) for one in report.advice],
            "kaslr": _or_null(report.kaslr, _kaslr),
            "findings": [finding_object(finding) for finding in report.findings],
            "checks": [_check(result) for result in report.checks],
            "assumptions": list(report.assumptions),
            "not_checked": list(report.not_checked),
            "inputs": [
                {"path": source.path, "kind": source.kind, "used": list(source.used)}
                for source in report.inputs
            ],
        }
    )


def _or_null(value: T | None, show: Callable[[T], object]) -> object:
    return None if value is None else show(value)


def _sme(answer: SmeAnswer) -> Json:
    return {
        "state": answer.state.value,
        "evidence": list(answer.evidence),
        "presumed_off": answer.presumed_off,
        "settled_by": answer.settled_by or None,
    }


def _kernel(report: Report) -> Json:
    image, facts, header = report.image, report.facts, report.image.header
    text, end = value_of(facts.text), value_of(facts.end)
    return {
        "source": image.source,
        "kind": image.kind.value,
        "release": value_of(image.release),
        "build_id": value_of(image.build_id),
        "scheme": (value_of(facts.scheme) or Scheme.UNKNOWN).value,
        "generation": facts.generation_text,
        "symbols": image.symbols_from.value.value
        if isinstance(image.symbols_from, Known)
        else None,
        "text": known_address(facts.text),
        "end": known_address(facts.end),
        "image_size": None if text is None or end is None else end - text,
        "init_size": value_of(header.init_size),
        "kernel_alignment": value_of(header.kernel_alignment),
        "pref_address": known_address(header.pref_address),
        "relocatable": value_of(header.relocatable),
        "section": _or_null(facts.section, _section),
    }


def _section(section: Section) -> Json:
    return {
        "name": section.name,
        "start": address_text(section.address),
        "size": section.size,
        "type": section.type,
    }


def _boot(boot: Boot) -> Json:
    loader, mode = value_of(boot.loader), value_of(boot.mode)
    kaslr, paging = value_of(boot.kaslr), value_of(boot.paging)
    return {
        "path": boot.path.value,
        "loader": loader.value if loader else None,
        "mode": mode.value if mode else None,
        "load_address": known_address(boot.load_address),
        "kernel_base": known_address(boot.kernel_base),
        "kernel_base_certain": boot.base_is_certain,
        "kaslr": "unknown" if kaslr is None else "on" if kaslr else "off",
        "paging": "unknown" if paging is None else str(paging),
        "sme": boot.sme.value,
        "initrd": _or_null(boot.initrd.span, span_object),
        "initrd_size": boot.initrd.size,
        "cmdline": value_of(boot.cmdline),
    }


def _placement(placement: Placement) -> Json:
    extents = placement.extents
    return {
        "scheme": placement.scheme.value,
        "actual": placement.actual,
        "status": "undetermined" if extents is None else "placed",
        "reason": placement.reason,
        **_extents(extents),
        "length": None if extents is None else extents.worst.size,
        "written_is_exact": placement.written_is_exact,
        "offsets": None if placement.offsets is None else _extents(placement.offsets),
        "tables_at_entry": _or_null(placement.tables, _tables),
        "owner": placement.owner.value,
        "owner_reason": placement.owner_reason,
        "derivation": [
            {
                "name": step.name,
                "value": address_text(step.value),
                "formula": step.formula,
                "source": step.source,
            }
            for step in placement.derivation
        ],
    }


def _tables(tables: TablesAtEntry) -> Json:
    added = value_of(tables.added)
    return {
        "added": added,
        "unreached": [span_object(span) for span in tables.unreached],
        "condition": tables.condition,
        "reason": why(tables.added),
    }


def _extents(extents: Extents | None) -> Json:
    if extents is None:
        return dict.fromkeys(("start", "written_end", "worst_end", "mapped_end", "in_place"))
    return {
        "start": address_text(extents.start),
        "written_end": address_text(extents.written_end),
        "worst_end": address_text(extents.worst_end),
        "mapped_end": address_text(extents.mapped_end),
        "in_place": span_object(extents.in_place),
    }


def _segment(segment: Segment) -> Json:
    return {"name": segment.role.value, **span_object(segment.span), "origin": segment.origin.value}


def _proof(proof: Proof) -> Json:
    return {
        "holds": proof.holds,
        "safe_by_luck": proof.by_luck,
        "void": proof.void,
        "paths": [
            {
                "path": path.path.value,
                "taken": path.taken,
                "holds": path.holds,
                "bound": path.is_bound,
                "reserved_end": address_text(path.reserved_end),
                "margin": path.margin,
                "worst_margin": path.worst_margin,
                "written_margin": path.written_margin,
                "growth": path.growth,
                "grows_along": path.grows_along,
                "reason": path.reason,
                "counterexample": _or_null(path.counterexample, _counterexample),
            }
            for path in proof.paths
        ],
    }


def _counterexample(example: Counterexample) -> Json:
    from smecheck.report.counterexample_files import counterexample_files

    return counterexample_files(example)


def _machine_code(verification: Verification) -> Json:
    return {
        "result": verification.result.value,
        "runs": len(verification.runs),
        "agreeing": verification.count(Result.AGREES),
        "reason": verification.reason if verification.result is Result.NOT_RECOGNIZED else None,
    }


def _image(view: DecompressorView) -> Json:
    needed, side, room = value_of(view.needed_size), value_of(view.init_size_from), view.section
    output_len = value_of(view.output_len)
    return {
        "output_len": output_len,
        "needed_size": needed.value if needed else None,
        "needed_size_least": needed.least if needed else None,
        "needed_size_most": needed.most if needed else None,
        "needed_size_reason": why(view.needed_size),
        "init_size_from": side.value if side else None,
        "init_size_reason": why(view.init_size_from),
        "section_in_init_size": None if room is None else _room(room.in_init_size),
        "section_in_needed_size": None if room is None else _room(room.in_needed_size),
    }


def _room(margin: Fact[int]) -> Json | None:
    value = value_of(margin)
    return None if value is None else {"covered": value >= 0, "margin": value}


def _load(segments: SegmentList) -> Json:
    return {"accepted": segments.refusal is None, "refusal": segments.refusal}


def _cross_check(check: CrossCheck) -> Json:
    return {
        "agrees": check.agrees,
        "outcome": outcome_text(check),
        "unknown": check.unknown,
        "refusal": check.refusal,
        "segments": [
            {
                "name": segment.role.value,
                "match": segment.match.value,
                "recorded": _or_null(segment.recorded, span_object),
                "predicted": _or_null(segment.predicted, span_object),
            }
            for segment in check.segments
        ],
        "explained_by": list(check.explained_by),
        "assumptions": list(check.assumptions),
    }


def _advice(advice: Advice) -> Json:
    return {
        "change": advice.change,
        "verdict": advice.verdict.value,
        "cost": advice.cost.value,
        "helps": advice.helps,
        "note": advice.note,
    }


def finding_object(finding: Finding) -> Json:
    """Return a finding as it stands in every document."""
    return {
        "rule": finding.rule,
        "severity": finding.severity.value,
        "confidence": finding.confidence.value,
        "condition": finding.condition,
        "message": finding.message,
        "span": _or_null(finding.span, span_object),
        "other": _or_null(finding.other, _party),
        "remedy": finding.remedy,
        "url": rule_url(finding.rule),
    }


def _check(result: RuleResult) -> Json:
    asked = result.outcome in (Outcome.PASSED, Outcome.FAILED)
    return {
        "rule": result.rule,
        "outcome": result.outcome.value,
        "reason": None if asked else result.reason,
    }


def _party(party: Party) -> Json:
    return {"name": party.name, **span_object(party.span)}


def _kaslr(sweep: KaslrSweep) -> Json:
    slots, collisions = sweep.slots, sweep.collisions
    return {
        "slots": slots.count,
        "colliding": None if collisions is None else collisions.count,
        "lowest_colliding": None if collisions is None else address_or_null(collisions.lowest),
        "highest_colliding": None if collisions is None else address_or_null(collisions.highest),
        "clear_fraction": sweep.clear_fraction,
        "reason": slots.reason,
        "lowest": address_or_null(slots.lowest),
        "highest": address_or_null(slots.highest),
        "alignment": slots.alignment,
        "image_size": slots.image_size,
        "minimum": address_text(sweep.minimum),
        "limit": address_text(sweep.limit),
        "unmoved": address_or_null(value_of(sweep.unmoved)),
        "may_stay": sweep.may_stay,
        "areas": [{"start": address_text(area.start), "count": area.count} for area in slots.areas],
        "collisions": [
            {
                "rule": collision.rule,
                "other": collision.other,
                "slots": collision.count,
                "lowest": address_text(collision.lowest),
                "highest": address_text(collision.highest),
            }
            for collision in (collisions.by_rule if collisions is not None else ())
        ],
        "bounds": list(sweep.bounds),
        "differences": list(sweep.differences),
    }
