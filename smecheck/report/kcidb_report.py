"""The report as KCIDB rows: test results as the KernelCI project's common database takes them.

The document holds tests only. Checkout and build are the submitter's: ``--kcidb-build`` names the
build, and with it the origin, that the rows belong to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from smecheck import __version__
from smecheck.evidence import value_of
from smecheck.report.cases import Case, Outcome, suite_of
from smecheck.report.safe_text import json_text, printable

if TYPE_CHECKING:
    from smecheck.errors import SmecheckError
    from smecheck.model.report import Report
    from smecheck.report.render import RenderOptions

Json: TypeAlias = dict[str, object]

_VERSION = {"major": 5, "minor": 3}
"""Of the schema: kcidb_io/schema/v05_03.py in kcidb-io."""
_ORIGIN = "smecheck"
"""For rows that no build is named for."""
_STATUS = {
    Outcome.PASSED: "PASS",
    Outcome.FAILED: "FAIL",
    Outcome.UNDECIDED: "ERROR",  # "the status of the tested code is unknown"
    Outcome.EXCUSED: "DONE",  # completed, and takes no part in a summary
    Outcome.SKIPPED: "SKIP",
}
_LONGEST_EXCERPT = 16384
"""Characters of log_excerpt: maxLength in the schema."""


def render_kcidb(report: Report, options: RenderOptions) -> str:
    """Return the rows: one for the verdict, path ``smecheck``, and one for every rule."""
    build = options.kcidb_build or _build_of(report)
    misc: Json = {
        "smecheck_version": __version__,
        "verdict": report.verdict.value,
        "basis": report.basis.value,
        "exit_code": options.exit_code,
        "inputs": [source.path for source in report.inputs],
    }
    key = "\n".join([build, *(f"{source.kind} {source.path}" for source in report.inputs)])
    return _document(
        [_row(case, build, key, misc) for case in suite_of(report, options.tolerance).cases]
    )


def kcidb_error(error: SmecheckError) -> str:
    """Return a failure as a row of a build that nobody can know: nothing was tested."""
    build = f"{_ORIGIN}:{printable(error.where or 'unknown')}"
    row = {
        **_identity("verdict", build, f"{build}\n{error.where}"),
        "status": "MISS",
        "comment": printable(error.message),
        "misc": {"smecheck_version": __version__, "exit_code": int(error.exit_code)},
    }
    return _document([row])


def _document(rows: list[Json]) -> str:
    return json_text({"version": _VERSION, "tests": rows})


def _build_of(report: Report) -> str:
    image = report.image
    known = value_of(image.build_id) or value_of(image.release) or image.source
    return f"{_ORIGIN}:{printable(known)}"


def _row(case: Case, build: str, key: str, misc: Json) -> Json:
    row: Json = {
        **_identity(case.id, build, key),
        "status": _STATUS[case.outcome],
        "comment": f"{case.title}: {case.summary}" if case.summary else case.title,
        "misc": misc,
    }
    if case.details:
        excerpt = "".join(f"{line}\n" for line in case.details)
        row["log_excerpt"] = excerpt[:_LONGEST_EXCERPT]
    return row


def _identity(case_id: str, build: str, key: str) -> Json:
    """Return the keys of a row; the same build and inputs give the same."""
    from hashlib import sha256

    origin = build.partition(":")[0]
    path = "smecheck" if case_id == "verdict" else f"smecheck.{case_id}"
    digest = sha256(f"{path}\n{key}".encode("utf-8", "backslashreplace")).hexdigest()
    row_id = f"{origin}:{path}-{digest[:32]}"
    return {"id": row_id, "build_id": build, "origin": origin, "path": path}
