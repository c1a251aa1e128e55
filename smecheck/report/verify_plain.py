"""What came of a kernel's machine code as lines of ``key: value``, for pipes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smecheck.report.safe_text import plain_text
from smecheck.report.verify_words import (
    context_text,
    counts_text,
    headline,
    next_step,
    notes_text,
    place_text,
    run_text,
    where_text,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from smecheck.kernel.verification import VerifyReport
    from smecheck.report.options import RenderOptions


def render_verify_plain(report: VerifyReport, options: RenderOptions) -> str:
    """Return the answer as ``key: value`` lines; the first is the result."""
    return plain_text(_lines(report, options))


def _lines(report: VerifyReport, options: RenderOptions) -> Iterator[str]:
    verification = report.verification
    yield f"result: {verification.result.value}"
    yield f"exit-code: {options.exit_code}"
    yield f"headline: {headline(report)}"
    yield f"kernel: {context_text(report)}"
    yield f"runs: {counts_text(verification)}"
    for known in verification.differences:
        place = known.first.instruction
        clauses = [
            known.first.text,
            *([f"at {place_text(place)}"] if place else []),
            *([notes_text(known)] if notes_text(known) else []),
            where_text(known, verification),
        ]
        name = known.first.aspect.name.lower().replace("_", "-")
        yield f"difference: {name}: {'; '.join(clauses)}"
    yield from (f"reason: {reason}" for reason in verification.reasons)
    if options.explain:
        yield from (f"run: {run.number} {run_text(run)}" for run in verification.runs)
    yield f"next: {next_step(verification)}"
