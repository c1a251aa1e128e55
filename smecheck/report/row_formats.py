"""The formats for CI systems of an answer that consists of rows: a gate's, or a comparison's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smecheck import __version__
from smecheck.report.options import Format, RenderOptions
from smecheck.report.row_cases import RowReport, suites_of

if TYPE_CHECKING:
    from smecheck.report.kcidb_report import Json


def render_rows(report: RowReport, chosen: Format, options: RenderOptions) -> str:
    """Write the rows in a format of CI systems.

    Raises:
        ValueError: the format is none of them.
    """
    match chosen:
        case Format.JUNIT:
            from smecheck.report.junit_report import junit_document

            properties = {"verdict": report.verdict, "exit-code": str(options.exit_code)}
            return junit_document(suites_of(report), properties)
        case Format.KTAP:
            from smecheck.report.ktap_report import ktap_document

            return ktap_document(suites_of(report))
        case Format.KCIDB:
            return _kcidb(report, options)
        case Format.GITHUB:
            from smecheck.report.row_results import rows_as_annotations

            return rows_as_annotations(report)
        case Format.SARIF:
            from smecheck.report.row_results import rows_as_sarif

            return rows_as_sarif(report, options.exit_code)
        case _:
            raise ValueError(f"{chosen.value} is no format of rows")


def _kcidb(report: RowReport, options: RenderOptions) -> str:
    from smecheck.report.kcidb_report import build_named, kcidb_document

    built = report.build
    build = options.kcidb_build or build_named(built.build_id, built.release, built.source)
    misc: Json = {
        "smecheck_version": __version__,
        "verdict": report.verdict,
        "exit_code": options.exit_code,
        "against": list(report.against),
    }
    suites = [((suite.name,), suite) for suite in suites_of(report)]
    return kcidb_document(suites, build, misc, report.against)
