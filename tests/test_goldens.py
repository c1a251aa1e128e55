"""Every sample's whole answer for people, as it was last approved.

``SMECHECK_UPDATE_GOLDENS=1 python -m pytest tests/test_goldens.py`` writes tests/goldens anew; what
changed is then read in the diff. The verdicts are asserted here as well: no golden can bless a
wrong one.
"""

from __future__ import annotations

import os
import re
from difflib import unified_diff
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from commandline import ROOT, SAMPLES, Run, run, sample

GOLDENS = Path(__file__).parent / "goldens"
UPDATE = os.environ.get("SMECHECK_UPDATE_GOLDENS") == "1"
NAMES = sorted(path.parent.name for path in SAMPLES.glob("*/kernel.yaml"))
VERDICTS = {
    "crash-leaves-reservation": ("collision", 1),
    "dead-kdump": ("collision", 1),
    "debian-6.1-kexec": ("clear", 0),
    "founding-failure": ("collision", 1),
    "founding-fixed": ("clear", 0),
    "kaslr-gamble": ("collision", 1),
    "kdump-from-a-log": ("clear", 0),
    "no-sme": ("not-applicable", 0),
}
EXPLAINED = "founding-failure.explain.text"
DETAILED = "founding-failure.details.text"
APPROVED = ("text", "plain")
CASES = {f"{name}.{form}": (name, ("--format", form)) for name in NAMES for form in APPROVED} | {
    DETAILED: ("founding-failure", ("--format", "text", "--details")),
    EXPLAINED: ("founding-failure", ("--format", "text", "--explain")),
}


@cache
def answer(golden: str) -> Run:
    name, options = CASES[golden]
    return run(*sample(name, Path("samples")), *options, cwd=ROOT, env={"COLUMNS": "100"})


@cache
def document(name: str) -> Any:
    return run(*sample(name, Path("samples")), "--format", "json", cwd=ROOT).document


def errors(name: str, rule: str) -> list[Any]:
    """Return the findings of a rule that are errors and depend on nothing but SME."""
    found = [f for f in document(name)["findings"] if (f["rule"], f["severity"]) == (rule, "error")]
    return [finding for finding in found if finding["condition"] == "SME is on"]


def hits(name: str, rule: str) -> set[str]:
    """Return whom the errors of a rule name."""
    return {finding["other"]["name"] for finding in errors(name, rule)}


def compare(actual: str, golden: Path, *, update: bool = UPDATE) -> None:
    """Fail with a diff where ``actual`` is not what the golden file holds."""
    if update:
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(actual, encoding="utf-8")
    approved = golden.read_text(encoding="utf-8") if golden.exists() else ""
    lines = approved.splitlines(keepends=True), actual.splitlines(keepends=True)
    difference = "".join(unified_diff(*lines, f"approved {golden.name}", "actual"))
    if difference or not golden.exists():
        pytest.fail(f"{golden} is another, or missing:\n{difference}", pytrace=False)


@pytest.mark.parametrize("golden", CASES)
def test_output_is_the_approved_one(golden: str) -> None:
    found = answer(golden)
    assert found.status == VERDICTS[CASES[golden][0]][1]
    assert found.err == ""
    compare(found.out, GOLDENS / golden)


def test_there_is_a_golden_for_everything_and_nothing_else() -> None:
    assert {path.name for path in GOLDENS.iterdir()} == set(CASES)
    assert set(NAMES) == set(VERDICTS)


@pytest.mark.parametrize("name", NAMES)
def test_verdict(name: str) -> None:
    found = document(name)
    assert (found["verdict"], found["exit_code"]) == VERDICTS[name]


def test_founding_failure_overwrites_boot_params_and_purgatory() -> None:
    assert hits("founding-failure", "SME001") == {"boot_params", "purgatory"}
    assert document("founding-failure")["basis"] == "machine"


@pytest.mark.parametrize("name", ["founding-fixed", "debian-6.1-kexec", "kdump-from-a-log"])
def test_fixed_kernels_are_proven_clear(name: str) -> None:
    found = document(name)
    assert found["basis"] == "proof"
    assert found["proof"]["holds"] is True
    assert {finding["severity"] for finding in found["findings"]} <= {"note"}


def test_a_dead_kdump_without_a_log_is_explained() -> None:
    found = document("dead-kdump")
    assert {segment["origin"] for segment in found["segments"]} == {"predicted"}
    assert hits("dead-kdump", "SME001") == {"boot_params", "purgatory", "elfcorehdr", "backup"}
    assert found["basis"] == "machine"
    assert found["load"] == {"accepted": True, "refusal": None}


def test_crash_kernel_leaves_its_reservation() -> None:
    iomem = (SAMPLES / "crash-leaves-reservation" / "iomem.txt").read_text()
    (last,) = re.findall(r"-(\w+) : Crash kernel", iomem)
    (outside,) = errors("crash-leaves-reservation", "SME006")
    assert int(outside["span"]["start"], 16) == int(last, 16) + 1
    assert "boot_params" in hits("crash-leaves-reservation", "SME001")
    assert document("crash-leaves-reservation")["boot"]["path"] == "kdump"


def test_kernel_without_sme_has_no_findings() -> None:
    assert document("no-sme")["findings"] == []
    assert document("no-sme")["kernel"]["scheme"] == "no-sme"


@pytest.mark.parametrize("form", ["text", "plain"])
@pytest.mark.parametrize("name", NAMES)
def test_people_read_the_same_verdict_first(name: str, form: str) -> None:
    verdict = VERDICTS[name][0]
    word = verdict if form == "plain" else verdict.upper().replace("-", " ")
    assert word in answer(f"{name}.{form}").out.split("\n")[0]


@pytest.mark.parametrize("golden", [name for name in CASES if name.endswith(".text")])
def test_text_keeps_to_its_columns(golden: str) -> None:
    assert max(len(line) for line in answer(golden).out.split("\n")) <= 100


def test_explain_adds_the_derivations_and_takes_nothing_away() -> None:
    explained = answer(EXPLAINED).out
    assert "DERIVATION" in explained
    missing = set(answer(DETAILED).out.split("\n")) - set(explained.split("\n"))
    assert not missing


@pytest.mark.parametrize("name", NAMES)
def test_the_first_screen_is_enough(name: str) -> None:
    found = run(*sample(name, Path("samples")), "--format", "text", cwd=ROOT, env={"COLUMNS": "80"})
    lines = found.out.splitlines()
    verdict, _ = VERDICTS[name]
    assert lines[0].startswith(verdict.upper().replace("-", " "))
    findings = document(name)["findings"]
    if findings:
        assert any(findings[0]["rule"] in line for line in lines[:10])
    next_step = next(index for index, line in enumerate(lines) if line.startswith("DO NOW"))
    assert next_step < 24
    assert len(lines) <= 28
    assert max(map(len, lines)) <= 80


def test_no_golden_tells_where_it_was_made() -> None:
    for golden in CASES:
        assert str(ROOT) not in answer(golden).out


def test_a_difference_fails_with_a_diff(tmp_path: Path) -> None:
    golden = tmp_path / "new.plain"
    with pytest.raises(pytest.fail.Exception, match=r"\+verdict: clear"):
        compare("verdict: clear\n", golden, update=False)
    compare("verdict: clear\n", golden, update=True)
    compare("verdict: clear\n", golden, update=False)
    with pytest.raises(pytest.fail.Exception, match=r"-verdict: clear\n\+verdict: collision"):
        compare("verdict: collision\n", golden, update=False)
