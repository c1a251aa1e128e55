"""The report as Markdown, for tickets, mails and the summary of a CI job."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smecheck.record import replace
from smecheck.report.finding_words import finding_lines
from smecheck.report.markdown_text import code, words
from smecheck.report.placement_rows import (
    compared_placements,
    extent_rows,
    other_placement,
    status_of,
)
from smecheck.report.verdict_words import VERDICT_WORDS, context_of, findings_count

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from smecheck.answer import Report
    from smecheck.checks.finding import Finding
    from smecheck.errors import SmecheckError
    from smecheck.report.options import RenderOptions


def render_markdown(report: Report, options: RenderOptions) -> str:
    """Return verdict, findings, what to do now, placement and premises: a ticket's order."""
    return "".join(f"{line}\n" for line in _lines(report, options))


def markdown_error(error: SmecheckError) -> str:
    """Return a failure and its next step."""
    where = f"{code(error.where)}: " if error.where else ""
    lines = ["### smecheck: nothing was analyzed", "", f"{where}{words(error.message)}"]
    if error.help_text:
        lines += ["", f"**Next:** {words(error.help_text)}"]
    return "".join(f"{line}\n" for line in lines)


def _lines(report: Report, options: RenderOptions) -> Iterator[str]:
    yield f"### smecheck: {VERDICT_WORDS[report.verdict]} ({report.basis.value})"
    yield ""
    yield f"**{words(report.headline)}**"
    yield ""
    yield f"{code(report.image.source)}: {words(context_of(report))}; exit {options.exit_code}"
    if report.findings:
        yield from _titled(f"Findings: {findings_count(report.findings)}")
        followers = (*report.findings[1:], None)
        for finding, follower in zip(report.findings, followers, strict=True):
            said = follower is not None and follower.remedy == finding.remedy
            yield from _finding(finding, options, with_remedy=not said)
    yield from _list("Do now", report.next_step.split("; "))
    yield from _titled("Placement (spans are half-open)")
    yield from _placement(report)
    yield from _list("Premises", report.assumptions)
    yield from _list("Not checked", report.not_checked)
    yield from _list("Inputs", (f"{source.path} ({source.kind})" for source in report.inputs))


def _titled(title: str) -> tuple[str, ...]:
    return ("", f"#### {title}", "")


def _finding(finding: Finding, options: RenderOptions, *, with_remedy: bool) -> Iterator[str]:
    message, *further = finding_lines(finding if with_remedy else replace(finding, remedy=""))
    excuse = options.tolerance.excuse(finding)
    if excuse is not None:
        further.append(f"not counted: {excuse}")
    yield f"- **{finding.severity.value.upper()} {words(finding.rule)}** {words(message)}"
    # Paragraphs of their own in the item, so that they stay lines in every reader.
    yield from (line for text in further for line in ("", f"  {words(text)}"))


def _placement(report: Report) -> Iterator[str]:
    placements, other = compared_placements(report), other_placement(report)
    yield _row("", (f"{p.scheme.value} ({status_of(p)})" for p in placements))
    yield "|---" * (len(placements) + 1) + "|"
    yield from (_row(name, cells) for name, cells in extent_rows(placements))
    yield _row("owner", (f"{p.owner.value}: {p.owner_reason}" for p in placements))
    if other is not None:
        yield from ("", words(other))


def _row(name: str, cells: Iterable[str]) -> str:
    return f"| {name} | {' | '.join(map(words, cells))} |"


def _list(title: str, texts: Iterable[str]) -> Iterator[str]:
    items = [f"- {words(text)}" for text in texts]
    if items:
        yield from (*_titled(title), *items)
