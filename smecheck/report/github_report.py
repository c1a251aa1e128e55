"""The report as workflow commands of GitHub Actions: annotations on the run and in its log.

A clear answer annotates nothing; it is one line of the log.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from smecheck.answer import Report, Verdict
from smecheck.checks.catalogue import RULES
from smecheck.checks.finding import Severity
from smecheck.report.file_place import file_and_line
from smecheck.report.finding_words import finding_lines
from smecheck.report.safe_text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from smecheck.checks.finding import Finding
    from smecheck.errors import SmecheckError
    from smecheck.report.options import RenderOptions

_COMMANDS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "notice"}


def render_github(report: Report, options: RenderOptions) -> str:
    """Return an annotation for every finding and for a verdict that is open."""
    return "".join(f"{line}\n" for line in _lines(report, options))


def github_error(error: SmecheckError) -> str:
    """Return a failure as an annotation."""
    lines = (error.message, f"next: {error.help_text}")
    return annotation("error", error.where, f"smecheck: {error.nothing_done}", lines) + "\n"


def _lines(report: Report, options: RenderOptions) -> Iterator[str]:
    source = report.image.source
    for finding in report.findings:
        yield _finding(finding, source, options)
    if report.verdict is Verdict.UNDECIDED:
        command = "error" if options.tolerance.open_question_counts else "notice"
        lines = (report.headline, f"next: {report.next_step}")
        yield annotation(command, source, "smecheck: undecided", lines)
    yield log_line(f"smecheck: {report.verdict.value} ({report.basis.value}): {report.headline}")


def _finding(finding: Finding, source: str, options: RenderOptions) -> str:
    excuse = options.tolerance.excuse(finding)
    command = annotation_of(finding.severity) if excuse is None else "notice"
    lines = finding_lines(finding)
    if excuse is not None:
        lines = (*lines, f"not counted: {excuse}")
    rule = RULES.get(finding.rule)
    title = f"{finding.rule}: {rule.title}" if rule else finding.rule
    return annotation(command, source, title, lines)


def annotation_of(severity: Severity) -> str:
    """Return the name of the command that annotates so."""
    return _COMMANDS[severity]


def annotation(name: str, where: str | None, title: str, lines: tuple[str, ...]) -> str:
    """Write a workflow command that annotates a place in a file.

    What must be escaped, and how, is in the runner's ActionCommand.cs: the values of properties end
    at a comma, names at a colon.
    """
    properties = {"title": title}
    if where:
        file, line = file_and_line(where)
        properties |= {"file": file, "line": str(line)}
    shown = ",".join(f"{key}={_property(value)}" for key, value in properties.items())
    return f"::{name} {shown}::{_data(chr(10).join(map(printable, lines)))}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(printable(text)).replace(":", "%3A").replace(",", "%2C")


def log_line(text: str) -> str:
    """Return text for a line of the log that is not a command.

    The runner obeys its older form of commands, ``##[name]``, anywhere in a line.
    """
    return printable(text).replace("##[", "##\\x5b")
