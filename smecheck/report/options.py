"""The output formats, and what a reader asked for and can show."""

from __future__ import annotations

from enum import Enum

from smecheck.checks.tolerance import Tolerance
from smecheck.record import record


class Format(Enum):
    """How a report is written."""

    TEXT = "text"
    """For people at a terminal."""
    PLAIN = "plain"
    """One line per fact, for pipes."""
    JSON = "json"
    """``smecheck/report-v1``, for programs."""
    MARKDOWN = "markdown"
    """For tickets, mails and the summary of a CI job."""
    JUNIT = "junit"
    """JUnit XML, for GitLab, Jenkins and Beaker."""
    KTAP = "ktap"
    """The kernel's test format."""
    GITHUB = "github"
    """Annotations of GitHub Actions."""
    SARIF = "sarif"
    """SARIF 2.1.0, for code scanning."""
    KCIDB = "kcidb"
    """Rows for KernelCI's common database."""

    @property
    def is_for_people(self) -> bool:
        """Whether it is for eyes alone: in their terminal's encoding, and errors as two lines."""
        return self in (Format.TEXT, Format.PLAIN)


VERIFY_FORMATS = (Format.TEXT, Format.PLAIN, Format.JSON)
TRIAGE_FORMATS = (Format.TEXT, Format.PLAIN, Format.MARKDOWN, Format.JSON)
"""The formats of answers that no CI system takes."""


class Picture(Enum):
    """How the memory of a report is drawn."""

    SVG = "svg"
    HTML = "html"


@record
class RenderOptions:
    """What the reader asked for, and what the output can show."""

    explain: bool
    """Show every derivation, line by line, and so all that ``details`` shows."""
    color: bool
    width: int
    """Columns of the output; only text has a width."""
    unicode: bool
    """Whether the output can show more than ASCII; only text asks."""
    exit_code: int
    """What the program will exit with."""
    tolerance: Tolerance = Tolerance()
    """What of the report counts as failure."""
    details: bool = False
    """Show more than the first screen: placements, proof, kernel, boot, premises and rules."""
    rows: int | None = None
    """Lines of the terminal that text is written to; ``None`` where it goes elsewhere."""
    kcidb_build: str | None = None
    """The build that KCIDB rows belong to: ``ORIGIN:ID``."""
