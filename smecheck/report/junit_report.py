"""The report as JUnit XML, as GitLab, Jenkins and Beaker read it.

What failed is a ``failure``; an open question that counts and an input that cannot be read are an
``error``: the test could not be decided, and no reader shows that in green. What does not count,
and what there was nothing to look at for, is ``skipped``. There are no times: the same input gives
the same bytes.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, assert_never
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from smecheck import __version__
from smecheck.report.ci_cases import CiCase, Outcome, Suite, suite_of
from smecheck.report.safe_text import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from smecheck.answer import Report
    from smecheck.errors import SmecheckError
    from smecheck.report.options import RenderOptions


def render_junit(report: Report, options: RenderOptions) -> str:
    """Return the report as one test suite."""
    properties = {
        "verdict": report.verdict.value,
        "basis": report.basis.value,
        "exit-code": str(options.exit_code),
    }
    return junit_document((suite_of(report, options.tolerance),), properties)


def junit_error(error: SmecheckError) -> str:
    """Return a failure as a suite whose one case, ``input``, could not be run."""
    details = (error.message, f"next: {error.help_text}")
    case = CiCase("input", "can be read", Outcome.UNREADABLE, error.message, details)
    suite = Suite(error.where or "smecheck", (case,))
    return junit_document((suite,), {"exit-code": str(int(error.exit_code))})


def junit_document(suites: Iterable[Suite], properties: Mapping[str, str]) -> str:
    """Return the document of some suites; each has the properties."""
    root = Element("testsuites", {"name": "smecheck"})
    total: Counter[str] = Counter()
    for suite in suites:
        element = SubElement(root, "testsuite", {"name": printable(suite.name)})
        given = SubElement(element, "properties")
        for key, value in {"smecheck": __version__, **properties}.items():
            SubElement(given, "property", {"name": key, "value": printable(value)})
        counts = Counter(_case(element, case, suite.name) for case in suite.cases)
        _count(element, counts)
        total += counts
    _count(root, total)
    indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{tostring(root, encoding="unicode")}\n'


def _count(element: Element, counts: Counter[str]) -> None:
    element.set("tests", str(counts.total()))
    for plural, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        element.set(plural, str(counts[tag]))


def _case(suite: Element, case: CiCase, class_name: str) -> str:
    name = printable(f"{case.id}: {case.title}")
    return _result(
        SubElement(suite, "testcase", {"classname": printable(class_name), "name": name}), case
    )


def _result(element: Element, case: CiCase) -> str:
    """Give a test case its result; return the result's tag, empty for one that passed."""
    details = "\n".join(map(printable, case.details))
    match case.outcome:
        case Outcome.PASSED:
            if details:
                SubElement(element, "system-out").text = details
            return ""
        case Outcome.FAILED:
            tag = "failure"
        case Outcome.UNDECIDED | Outcome.UNREADABLE:
            tag = "error"
        case Outcome.EXCUSED | Outcome.SKIPPED:
            tag = "skipped"
        case _:
            assert_never(case.outcome)
    result = SubElement(element, tag, {"message": printable(case.summary)})
    if tag != "skipped":
        result.set("type", case.outcome.value)
    result.text = details or None
    return tag
