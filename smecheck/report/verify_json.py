"""What came of a kernel's machine code as JSON: ``smecheck/verify-v1``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smecheck import __version__
from smecheck.evidence import value_of
from smecheck.kernel.verification import Result
from smecheck.quantity import address_text
from smecheck.report.json_values import Json, address_or_null, span_object
from smecheck.report.safe_text import json_text
from smecheck.report.verify_words import headline, next_step

if TYPE_CHECKING:
    from collections.abc import Iterable

    from smecheck.kernel.verification import (
        CodePlace,
        Figures,
        KnownDifference,
        Run,
        VerifyReport,
    )
    from smecheck.report.options import RenderOptions
    from smecheck.span import Span


VERIFY_SCHEMA = "smecheck/verify-v1"


def render_verify_json(report: VerifyReport, options: RenderOptions) -> str:
    """Return the ``smecheck/verify-v1`` document."""
    verification = report.verification
    scheme = value_of(report.facts.scheme)
    return json_text(
        {
            "schema": VERIFY_SCHEMA,
            "tool": {"name": "smecheck", "version": __version__},
            "result": verification.result.value,
            "exit_code": options.exit_code,
            "headline": headline(report),
            "kernel": {
                "source": report.image.source,
                "kind": report.image.kind.value,
                "release": value_of(report.image.release),
                "build_id": value_of(report.image.build_id),
                "scheme": scheme.value if scheme else "unknown",
                "generation": report.facts.generation_text,
            },
            "code": _place(verification.code),
            "emulator": verification.emulator,
            "planned": verification.planned,
            "counts": {result.value: verification.count(result) for result in Result},
            "runs": [_run(run) for run in verification.runs],
            "differences": [_known(known) for known in verification.differences],
            "reasons": list(verification.reasons),
            "next_step": next_step(verification),
        }
    )


def _run(run: Run) -> Json:
    return {
        "number": run.number,
        "start": run.start,
        "kernel_base": address_text(run.base),
        "paging": run.levels,
        "tables": run.tables,
        "c_bit": run.encryption_bit,
        "initrd": None if run.initrd is None else span_object(run.initrd),
        "result": run.result.value,
        "predicted": _figures(run.predicted),
        "seen": _figures(run.seen),
        "reason": run.reason or None,
    }


def _figures(figures: Figures) -> Json:
    return {
        "fault": address_or_null(figures.fault),
        "start": address_or_null(figures.start),
        "tables_start": address_or_null(figures.tables_start),
        "length": figures.length,
        "mapped_end": address_or_null(figures.mapped_end),
        "tables_added": figures.tables_added,
        "written": _spans(figures.written),
        "encrypted": _spans(figures.encrypted),
        "unencrypted": _spans(figures.unencrypted),
    }


def _known(known: KnownDifference) -> Json:
    first = known.first
    return {
        "what": first.aspect.value,
        "predicted": first.predicted,
        "seen": first.seen,
        "instruction": _place(first.instruction),
        "note": first.note or None,
        "reached_from": first.reached_from or None,
        "run": known.run,
        "runs": known.runs,
    }


def _place(place: CodePlace | None) -> Json | None:
    if place is None:
        return None
    return {"address": address_text(place.address), "symbol": place.symbol, "code": place.code}


def _spans(spans: Iterable[Span] | None) -> list[Json] | None:
    return None if spans is None else [span_object(span) for span in spans]
