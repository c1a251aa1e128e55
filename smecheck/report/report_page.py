"""The report as a page made for looking: what is where in memory, whose it is, and what to do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from smecheck.answer import Report, Verdict
from smecheck.checks.finding import Severity
from smecheck.report.finding_words import place_of
from smecheck.report.memory_picture import found_id, memory_picture
from smecheck.report.page import figures, heading, page, places_table, texts
from smecheck.report.picture import NO_PICTURE, safe
from smecheck.report.verdict_words import VERDICT_WORDS, context_of, findings_count

if TYPE_CHECKING:
    from smecheck.checks.finding import Finding
    from smecheck.report.options import RenderOptions

SEVERITY_MARKS = {Severity.ERROR: "✕", Severity.WARNING: "!", Severity.NOTE: "i"}
_KINDS = {
    Verdict.CLEAR: "is-good",
    Verdict.COLLISION: "is-bad",
    Verdict.UNDECIDED: "is-open",
    Verdict.NOT_APPLICABLE: "",
}


def html_page(report: Report, options: RenderOptions) -> str:
    """Return the report as a page: to zoom and pan in, to read without scripts, and to print."""
    picture = memory_picture(report)
    verdict = VERDICT_WORDS[report.verdict]
    header = (
        heading(verdict, _KINDS[report.verdict], report.headline),
        f'<p class="dim">{safe(context_of(report))}; exit {options.exit_code}</p>',
        f"<p><strong>Do now:</strong> {safe(report.next_step)}</p>",
    )
    main = (
        "<h2>Memory</h2>",
        *(figures(picture) if picture is not None else [f"<p>{NO_PICTURE}</p>"]),
        *findings_list(report.findings, has_places=picture is not None and picture.is_physical),
        *(places_table(picture) if picture is not None else ()),
        *texts("Premises", report.assumptions),
        *texts("Not checked", report.not_checked),
    )
    return page(f"smecheck: {verdict}", header, main, picture)


def findings_list(findings: tuple[Finding, ...], *, has_places: bool) -> Iterator[str]:
    """Yield the findings in full.

    Args:
        findings: the worst first.
        has_places: whether the page has a place for each that has a range.
    """
    if not findings:
        return
    yield f"<h2>Findings: {findings_count(findings)}</h2>"
    yield '<ol class="findings">'
    for number, finding in enumerate(findings):
        severity = finding.severity
        yield "<li>"
        yield (
            f"<strong>{SEVERITY_MARKS[severity]} {severity.value} {safe(finding.rule)}</strong> "
            f"{safe(finding.message)}"
        )
        if finding.span is not None:
            place = f"<code>{safe(place_of(finding))}</code>"
            link = f'<a href="#{found_id(number)}">{place}</a>' if has_places else place
            yield f"<br>{link}"
        if finding.condition is not None:
            yield f"<br><em>only if:</em> {safe(finding.condition)}"
        if finding.remedy:
            yield f"<br><em>next:</em> {safe(finding.remedy)}"
        yield "</li>"
    yield "</ol>"
