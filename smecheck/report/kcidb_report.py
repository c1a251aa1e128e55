"""The report as KCIDB rows: test results as the KernelCI project's common database takes them.

The document holds tests only. Checkout and build are the submitter's: ``--kcidb-build`` names the
build, and with it the origin, that the rows belong to.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeAlias

from smecheck import __version__
from smecheck.evidence import Fact, value_of
from smecheck.report.ci_cases import CiCase, Outcome, Suite, suite_of
from smecheck.report.json_values import Json
from smecheck.report.safe_text import json_text, printable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from smecheck.answer import Report
    from smecheck.errors import SmecheckError
    from smecheck.report.options import RenderOptions

Path: TypeAlias = tuple[str, ...]
"""Of a test, below ``smecheck``; each part gets the characters that KCIDB takes."""

_VERSION = {"major": 5, "minor": 3}
"""Of the schema: kcidb_io/schema/v05_03.py in kcidb-io."""
_ORIGIN = "smecheck"
"""For rows that no build is named for."""
_STATUS = {
    Outcome.PASSED: "PASS",
    Outcome.FAILED: "FAIL",
    Outcome.UNDECIDED: "ERROR",  # "the status of the tested code is unknown"
    Outcome.UNREADABLE: "MISS",  # "due to a failure in the test harness"
    Outcome.EXCUSED: "DONE",  # completed, and takes no part in a summary
    Outcome.SKIPPED: "SKIP",
}
_NO_PATH = re.compile("[^a-zA-Z0-9_-]")
_LONGEST_EXCERPT = 16384
"""Characters of log_excerpt: maxLength in the schema."""


def render_kcidb(report: Report, options: RenderOptions) -> str:
    """Return the rows: one for the verdict, path ``smecheck.verdict``, and one for every rule."""
    image = report.image
    build = options.kcidb_build or build_named(image.build_id, image.release, image.source)
    misc: Json = {
        "smecheck_version": __version__,
        "verdict": report.verdict.value,
        "basis": report.basis.value,
        "exit_code": options.exit_code,
        "inputs": [source.path for source in report.inputs],
    }
    suite = suite_of(report, options.tolerance)
    inputs = (f"{source.kind} {source.path}" for source in report.inputs)
    return kcidb_document(kcidb_rows([((), suite)], build, misc, inputs))


def kcidb_rows(
    suites: Iterable[tuple[Path, Suite]], build: str, misc: Json, inputs: Iterable[str]
) -> list[Json]:
    """Return the rows of all cases.

    Args:
        suites: each with where its cases are in the tree of tests, below ``smecheck``.
        build: what was tested: ``ORIGIN:ID``.
        misc: what else there is to say, the same for all.
        inputs: what distinguishes this run from others of the same build.
    """
    key = "\n".join([build, *inputs])
    return [_row(case, path, build, key, misc) for path, suite in suites for case in suite.cases]


def kcidb_error(error: SmecheckError) -> str:
    """Return a failure as a row of a build that nobody can know: nothing was tested."""
    build = f"{_ORIGIN}:{printable(error.where or 'unknown')}"
    row = {
        **_identity(("verdict",), build, f"{build}\n{error.where}"),
        "status": "MISS",
        "comment": printable(error.message),
        "misc": {"smecheck_version": __version__, "exit_code": int(error.exit_code)},
    }
    return kcidb_document([row])


def kcidb_document(rows: list[Json]) -> str:
    """Return a document of rows."""
    return json_text({"version": _VERSION, "tests": rows})


def build_named(build_id: Fact[str], release: Fact[str], source: str) -> str:
    """Return a name for a build that its submitter did not name."""
    return f"{_ORIGIN}:{printable(value_of(build_id) or value_of(release) or source)}"


def _row(case: CiCase, path: Path, build: str, key: str, misc: Json) -> Json:
    row: Json = {
        **_identity((*path, case.id), build, key),
        "status": _STATUS[case.outcome],
        "comment": f"{case.title}: {case.summary}" if case.summary else case.title,
        "misc": misc,
    }
    if case.details:
        excerpt = "".join(f"{line}\n" for line in case.details)
        row["log_excerpt"] = excerpt[:_LONGEST_EXCERPT]
    return row


def _identity(path: Path, build: str, key: str) -> Json:
    """Return the keys of a row; the same build and inputs give the same."""
    from hashlib import sha256

    origin = build.partition(":")[0]
    dotted = ".".join(_NO_PATH.sub("_", part) for part in ("smecheck", *path))
    path_text = "\n".join([*path, key])
    digest = sha256(path_text.encode("utf-8", "backslashreplace")).hexdigest()
    row_id = f"{origin}:{dotted}-{digest[:32]}"
    return {"id": row_id, "build_id": build, "origin": origin, "path": dotted}
