"""What people hand in, broken, partial, foreign or contradictory: it must never read as an answer.

``NOT_YET`` holds the cases whose answer is known to be wrong. A case in it that passes fails here,
so that the set can only shrink.
"""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml
from commandline import ROOT, Run, call
from recorded import DATA

FOLDER = DATA / "evidence"
CASES = yaml.safe_load((FOLDER / "cases.yaml").read_text())
NOT_YET: frozenset[str] = frozenset({})


def arguments(case: dict[str, Any]) -> list[str]:
    places = {"@/": f"{ROOT}/", "+/": f"{FOLDER}/files/"}
    return [places.get(word[:2], word[:2]) + word[2:] for word in map(str, case["args"])]


def faults(case: dict[str, Any]) -> list[str]:
    """Return what is wrong with the answer to a case: in JSON, in plain, or between the two."""
    as_json = call(*arguments(case), "--format", "json")
    plain = call(*arguments(case), "--format", "plain")
    report = as_json.document
    verdict = report.get("verdict") or report.get("result")
    return [*_of_verdict(case["want"], report, verdict), *_of_text(case["want"], as_json, plain)]


def _of_verdict(want: dict[str, Any], report: dict[str, Any], verdict: object) -> list[str]:
    found = []
    if "verdict" in want and verdict not in want["verdict"]:
        found.append(f"the verdict is {verdict}, not {' or '.join(want['verdict'])}")
    if verdict in want.get("not_verdict", ()):
        found.append(f"the verdict is {verdict}")
    severities = [finding["severity"] for finding in report.get("findings", ())]
    if verdict == "clear" and "error" in severities:
        found.append("clear stands beside a finding of severity error")
    return found


def _of_text(want: dict[str, Any], as_json: Run, plain: Run) -> list[str]:
    text = plain.out + plain.err
    found = [f"does not say {x}" for x in want.get("says", ()) if not re.search(x, text, re.I)]
    found += [f"says {x}" for x in want.get("says_not", ()) if re.search(x, text, re.I)]
    if as_json.status != plain.status:
        found.append(f"exit {as_json.status} in JSON, {plain.status} in plain")
    if "exit" in want and plain.status not in want["exit"]:
        found.append(f"exit {plain.status}, not {want['exit']}")
    return found


def test_all_cases_are_there() -> None:
    names = [case["id"] for case in CASES]
    assert len(names) == len(set(names)) == 49
    assert set(names) >= NOT_YET


@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_case(case: dict[str, Any]) -> None:
    found = faults(case)
    if case["id"] in NOT_YET:
        assert found, f"{case['id']} passes: take it out of NOT_YET"
    else:
        assert not found, case["what"]
