"""The gate's answer as JSON: ``smecheck/gate-v1``, described by ``schemas/gate-v1.json``."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from smecheck import __version__
from smecheck.builds.gate_report import GateReport, GateRow, GatesReport, GateTarget, RowOutcome
from smecheck.builds.policy import Waiver
from smecheck.report.build_json import build_object
from smecheck.report.gate_words import options_for
from smecheck.report.json_report import finding_object
from smecheck.report.json_values import Json
from smecheck.report.rule_pages import rule_url
from smecheck.report.safe_text import json_text

if TYPE_CHECKING:
    from smecheck.report.options import RenderOptions


GATE_SCHEMA = "smecheck/gate-v1"
GATES_SCHEMA = "smecheck/gates-v1"


def render_gates_json(report: GatesReport, options: RenderOptions) -> str:
    """Return the ``smecheck/gate-v1`` document, or ``smecheck/gates-v1`` of several builds."""
    documents = [_document(gate, options_for(gate, options)) for gate in report.gates]
    if len(documents) == 1:
        return json_text(documents[0])
    return json_text(
        {
            "schema": GATES_SCHEMA,
            "tool": {"name": "smecheck", "version": __version__},
            "verdict": report.verdict.value,
            "exit_code": options.exit_code,
            "headline": report.headline,
            "gates": documents,
        }
    )


def _document(gate: GateReport, options: RenderOptions) -> Json:
    counts = Counter(row.outcome for row in gate.rows)
    return {
        "schema": GATE_SCHEMA,
        "tool": {"name": "smecheck", "version": __version__},
        "verdict": gate.verdict.value,
        "exit_code": options.exit_code,
        "headline": gate.headline,
        "policy": gate.policy,
        "fail_on": gate.fail_on.value,
        "allow_undecided": gate.allow_undecided,
        "ignored": list(gate.ignored),
        "build": build_object(gate.build),
        "counts": {outcome.value: counts[outcome] for outcome in RowOutcome},
        "targets": [_target(target) for target in gate.targets],
        "results": [row_object(row, fails=gate.fails(row)) for row in gate.rows],
        "assumptions": list(gate.kernel.assumptions),
        "not_checked": list(gate.kernel.not_checked),
    }


def row_object(row: GateRow, *, fails: bool) -> Json:
    """Return a row as it stands in the documents of the gate and of a comparison."""
    return {
        "target": row.target,
        "check": row.check,
        "title": row.title,
        "outcome": row.outcome.value,
        "fails": fails,
        "severity": row.severity.value if row.severity else None,
        "message": row.message,
        "remedy": row.remedy,
        "findings": [finding_object(finding) for finding in row.findings],
        "waiver": _waiver(row.waiver) if row.waiver else None,
        "where": row.where,
        "url": rule_url(row.check) if row.check.startswith("SME") else None,
    }


def _target(target: GateTarget) -> Json:
    report = target.answer
    return {
        "name": target.name,
        "kind": target.kind.value,
        "where": target.where,
        "verdict": report.verdict.value if report else None,
        "basis": report.basis.value if report else None,
        "headline": report.headline if report else None,
        "next_step": report.next_step if report else None,
    }


def _waiver(waiver: Waiver) -> Json:
    return {
        "check": waiver.check,
        "target": waiver.target,
        "reason": waiver.reason,
        "owner": waiver.owner,
        "expires": waiver.expires,
        "where": waiver.where,
    }
