"""The report as JUnit XML, as GitLab, Jenkins and Beaker read it.

What failed is a ``failure``; an open question that counts is an ``error``: the test could not be
decided, and no reader shows that in green. What does not count, and what there was nothing to look
at for, is ``skipped``. There are no times: the same input gives the same bytes.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, assert_never
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from smecheck import __version__
from smecheck.report.cases import Case, Outcome, cases_of, suite_name
from smecheck.report.safe_text import printable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from smecheck.errors import SmecheckError
    from smecheck.model.report import Report
    from smecheck.report.render import RenderOptions

_NO_XML = re.compile("[\ufffe\uffff]")
"""Beside what is not printable, XML 1.0 cannot hold these (its production Char)."""


def render_junit(report: Report, options: RenderOptions) -> str:
    """Return the report as one test suite."""
    cases = cases_of(report, options.tolerance)
    properties = {
        "smecheck": __version__,
        "verdict": report.verdict.value,
        "basis": report.basis.value,
        "exit-code": str(options.exit_code),
    }
    return _document(_suite(suite_name(report), cases, properties))


def junit_error(error: SmecheckError) -> str:
    """Return a failure as a suite whose one case, ``input``, could not be run."""
    where = printable(error.where or "smecheck")
    details = (error.message, f"next: {error.help_text}")
    case = Case("input", "can be read", Outcome.UNDECIDED, error.message, details)
    return _document(
        _suite(where, (case,), {"smecheck": __version__, "exit-code": str(int(error.exit_code))})
    )


def _document(suite: Element) -> str:
    counts = {name: suite.attrib[name] for name in ("tests", "failures", "errors", "skipped")}
    root = Element("testsuites", {"name": "smecheck", **counts})
    root.append(suite)
    indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{tostring(root, encoding="unicode")}\n'


def _suite(name: str, cases: Iterable[Case], properties: dict[str, str]) -> Element:
    suite = Element("testsuite")
    given = SubElement(suite, "properties")
    for key, value in properties.items():
        SubElement(given, "property", {"name": key, "value": value})
    counts: Counter[str] = Counter()
    for case in cases:
        element = SubElement(
            suite, "testcase", {"classname": "smecheck", "name": _text(f"{case.id}: {case.title}")}
        )
        result = _result(element, case)
        counts["tests"] += 1
        counts[result] += 1
    suite.attrib |= {"name": _text(name), "tests": str(counts["tests"])}
    suite.attrib |= {
        plural: str(counts[tag])
        for plural, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped"))
    }
    return suite


def _result(element: Element, case: Case) -> str:
    """Give a test case its result; return the result's tag, empty for one that passed."""
    details = "\n".join(map(_text, case.details))
    match case.outcome:
        case Outcome.PASSED:
            if details:
                SubElement(element, "system-out").text = details
            return ""
        case Outcome.FAILED:
            tag = "failure"
        case Outcome.UNDECIDED:
            tag = "error"
        case Outcome.EXCUSED | Outcome.SKIPPED:
            tag = "skipped"
        case _:
            assert_never(case.outcome)
    result = SubElement(element, tag, {"message": _text(case.summary)})
    if tag != "skipped":
        result.set("type", case.outcome.value)
    result.text = details or None
    return tag


def _text(text: str) -> str:
    return _NO_XML.sub(lambda match: f"\\u{ord(match[0]):04x}", printable(text))
