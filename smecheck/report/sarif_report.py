"""The report as SARIF: every finding is a result, and so is a verdict that is open.

The physical range that is hit is the result's address.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from smecheck.answer import Report, Verdict
from smecheck.report.finding_words import finding_lines
from smecheck.report.sarif_log import UNDECIDED, Result, sarif_log

if TYPE_CHECKING:
    from collections.abc import Iterator

    from smecheck.checks.finding import Finding
    from smecheck.report.json_values import Json
    from smecheck.report.options import RenderOptions


def render_sarif(report: Report, options: RenderOptions) -> str:
    """Return a log of one run."""
    invocation: Json = {"executionSuccessful": True, "exitCode": options.exit_code}
    properties: Json = {
        "verdict": report.verdict.value,
        "basis": report.basis.value,
        "headline": report.headline,
        "nextStep": report.next_step,
        "assumptions": list(report.assumptions),
        "notChecked": list(report.not_checked),
    }
    return sarif_log(_results(report, options), invocation, properties)


def _results(report: Report, options: RenderOptions) -> Iterator[Result]:
    seen: Counter[str] = Counter()
    source = report.image.source
    for finding in report.findings:
        about = about_of(finding, seen)
        excuse = options.tolerance.excuse(finding)
        yield result_of(finding, source, about, excuse)
    if report.verdict is Verdict.UNDECIDED:
        lines = (report.headline, f"next: {report.next_step}")
        yield Result(UNDECIDED, "none", lines, source, "")


def result_of(finding: Finding, where: str, about: str, excuse: str | None) -> Result:
    """Return a finding as a result."""
    lines = finding_lines(finding)
    return Result(finding.rule, finding.severity.value, lines, where, about, finding, excuse)


def about_of(finding: Finding, seen: Counter[str]) -> str:
    """Return what a finding is about, without addresses: it stays one when the kernel grows."""
    key = f"{finding.rule}\n{finding.other.name if finding.other else ''}"
    seen[key] += 1
    return f"{key}\n{seen[key]}"
