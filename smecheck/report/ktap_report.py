"""The report as KTAP, the kernel's own test format (Documentation/dev-tools/ktap.rst).

What failed is ``not ok``; an open question that counts is ``not ok`` with the directive ERROR.
What does not count, and what there was nothing to look at for, is ``ok`` with the directive SKIP.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from smecheck.report.ci_cases import CiCase, Outcome, Suite, suite_of
from smecheck.report.safe_text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from smecheck.answer import Report
    from smecheck.errors import SmecheckError
    from smecheck.report.options import RenderOptions


def render_ktap(report: Report, options: RenderOptions) -> str:
    """Return one test for the verdict and one for every rule."""
    suite = suite_of(report, options.tolerance)
    return "".join(f"{line}\n" for line in _tests(suite, f"smecheck analyze {suite.name}"))


def ktap_document(suites: Sequence[Suite]) -> str:
    """Return a document with a subtest for every suite."""
    lines = ["KTAP version 1", f"1..{len(suites)}"]
    for number, suite in enumerate(suites, start=1):
        # A number sign would begin a directive; and both names must be the same.
        name = suite.name.replace("#", " ")
        lines += (f"  {line}" for line in _tests(suite, f"Subtest: {name}"))
        lines.append(f"{'not ok' if suite.is_bad else 'ok'} {number} - {name}")
    return "".join(f"{line}\n" for line in lines)


def ktap_error(error: SmecheckError) -> str:
    """Return a failure: no test was run."""
    where = f"{printable(error.where)}: " if error.where else ""
    return f"KTAP version 1\nBail out! {where}{printable(error.message)}\n"


def _tests(suite: Suite, title: str) -> Iterator[str]:
    yield "KTAP version 1"
    yield f"# {title}"
    yield f"1..{len(suite.cases)}"
    for number, case in enumerate(suite.cases, start=1):
        # What is said of a test stands before its result.
        yield from (f"# {line}" for line in case.details)
        yield _result(number, case)


def _result(number: int, case: CiCase) -> str:
    name = f"{number} - {case.id}: {case.title}".replace("#", " ")
    match case.outcome:
        case Outcome.PASSED:
            return f"ok {name}"
        case Outcome.FAILED:
            return f"not ok {name}"
        case Outcome.UNDECIDED | Outcome.UNREADABLE:
            return f"not ok {name} # ERROR {case.summary}"
        case Outcome.EXCUSED | Outcome.SKIPPED:
            return f"ok {name} # SKIP {case.summary}"
        case _:
            assert_never(case.outcome)
