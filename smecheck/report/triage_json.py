"""A triage as JSON: ``smecheck/triage-v1``, described by ``schemas/triage-v1.json``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from smecheck import __version__
from smecheck.report.json_report import render_json
from smecheck.report.json_values import Json
from smecheck.report.safe_text import json_text

if TYPE_CHECKING:
    from smecheck.report.options import RenderOptions
    from smecheck.support_case.triage_report import Budget, TriageFact, TriageReport


TRIAGE_SCHEMA = "smecheck/triage-v1"


def render_triage_json(triage: TriageReport, options: RenderOptions) -> str:
    """Return the ``smecheck/triage-v1`` document."""
    diagnosis, report = triage.diagnosis, triage.report
    failure = diagnosis.failure
    return json_text(
        {
            "schema": TRIAGE_SCHEMA,
            "tool": {"name": "smecheck", "version": __version__},
            "verdict": triage.verdict.value,
            "class": failure.value if failure is not None else None,
            "exit_code": options.exit_code,
            "summary": diagnosis.summary,
            "headline": triage.headline,
            "sources": list(triage.sources),
            "evidence": list(diagnosis.evidence),
            "do_now": list(diagnosis.do_now),
            "try_next": diagnosis.experiment,
            "excluded": [
                {"class": one.failure.value, "why": one.why} for one in diagnosis.excluded
            ],
            "look_next": list(diagnosis.suspects),
            "lookalikes": [
                {"name": one.name, "kernels": one.kernels, "why": one.why}
                for one in diagnosis.lookalikes
            ],
            "cautions": list(diagnosis.cautions),
            "memory": None if triage.budget is None else _budget(triage.budget),
            "facts": [_fact(fact) for fact in triage.facts],
            "contradictions": [
                {"name": one.name, "facts": [_fact(fact) for fact in one.facts], "used": one.used}
                for one in triage.contradictions
            ],
            "missing": [
                {"what": one.what, "why": one.why, "command": one.command} for one in triage.missing
            ],
            "remarks": list(triage.remarks),
            "report": None if report is None else json.loads(render_json(report, options)),
        }
    )


def _fact(fact: TriageFact) -> Json:
    return {
        "name": fact.name.value,
        "value": fact.value,
        "member": fact.member,
        "line": fact.line,
    }


def _budget(budget: Budget) -> Json:
    return {
        "reserved": budget.reserved,
        "needed": budget.needed,
        "kernel": budget.kernel,
        "initrd": budget.initrd,
        "encryption": budget.encryption,
        "kernel_from": budget.kernel_from,
        "initrd_from": budget.initrd_from,
    }
