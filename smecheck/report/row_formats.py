"""The formats for CI systems of an answer that consists of rows: a gate's, or a comparison's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smecheck import __version__
from smecheck.report.options import Format, RenderOptions
from smecheck.report.row_cases import RowReport, suites_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from smecheck.report.kcidb_report import Json


def render_rows(reports: Sequence[RowReport], chosen: Format, options: RenderOptions) -> str:
    """Write the rows of one answer, or of one for each of several builds, for a CI system.

    Raises:
        ValueError: the format is none of them.
    """
    match chosen:
        case Format.JUNIT:
            from smecheck.report.junit_report import junit_document

            verdicts = ", ".join(report.verdict for report in reports)
            properties = {"verdict": verdicts, "exit-code": str(options.exit_code)}
            return junit_document(suites_of(reports), properties)
        case Format.KTAP:
            from smecheck.report.ktap_report import ktap_document

            return ktap_document(suites_of(reports))
        case Format.KCIDB:
            return _kcidb(reports, options)
        case Format.GITHUB:
            from smecheck.report.row_results import rows_as_annotations

            return rows_as_annotations(reports)
        case Format.SARIF:
            from smecheck.report.row_results import rows_as_sarif

            return rows_as_sarif(reports, options.exit_code)
        case _:
            raise ValueError(f"{chosen.value} is not a format for rows")


def _kcidb(reports: Sequence[RowReport], options: RenderOptions) -> str:
    from smecheck.report.kcidb_report import build_named, kcidb_document, kcidb_rows

    rows = []
    for report in reports:
        built = report.build
        build = options.kcidb_build or build_named(built.build_id, built.release, built.source)
        misc: Json = {
            "smecheck_version": __version__,
            "verdict": report.verdict,
            "exit_code": options.exit_code,
            "against": list(report.against),
        }
        suites = [((suite.name,), suite) for suite in suites_of([report])]
        rows += kcidb_rows(suites, build, misc, report.against)
    return kcidb_document(rows)
