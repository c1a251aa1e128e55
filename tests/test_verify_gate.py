"""The kernel's own code in a gate and in an analysis, and what git bisect is told."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from commandline import PROGRAM, ROOT, SAMPLES, Run, environment, run, start, validator
from sme_program import elf, label, patched
from test_verify import JUMP_TO_ITSELF, RETURN, UNDEFINED, absolute_test, one_page_up

from smecheck.report.options import Format

CODE = {
    "agrees": {},
    "differs": one_page_up(),
    "faults": {"map_live": UNDEFINED},
    "not-recognized": {"map_live": JUMP_TO_ITSELF},
}
EARLY = {"sme_encrypt_kernel": RETURN}
"""Differs as well, after a few instructions."""
STATUS = {"agrees": 0, "differs": 1, "faults": 1, "not-recognized": 4}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a kernel for each result."""
    made = tmp_path_factory.mktemp("kernels")
    for result, changes in {**CODE, "early": EARLY}.items():
        (made / result).write_bytes(elf(patched(changes)))
    return made


def gate(folder: Path, result: str, *options: str) -> Run:
    return run("gate", result, "--verify", *options, cwd=folder)


def rows(document: dict[str, Any]) -> dict[str, Any]:
    return {row["check"]: row for row in document["results"]}


@pytest.fixture(scope="module")
def gates(folder: Path) -> Path:
    """Return a folder with a report of each result in each format."""
    for result, status in STATUS.items():
        reports = [f"--report={form.value}={result}.{form.value}" for form in Format]
        assert gate(folder, result, *reports, "--explain").status == status
    return folder


def reported(gates: Path, result: str) -> dict[str, Any]:
    """Return the JSON document of a gate with that result."""
    document: dict[str, Any] = json.loads((gates / f"{result}.json").read_text())
    validator(document["schema"]).validate(document)
    return document


def test_a_gate_passes_what_its_own_code_confirms(gates: Path) -> None:
    found = reported(gates, "agrees")
    assert found["exit_code"] == 0
    assert [rows(found)[check]["outcome"] for check in ("SME047", "SME048", "verify", "proof")] == (
        ["passed"] * 4
    )
    (premise,) = [text for text in found["assumptions"] if "upstream" in text]
    assert "confirmed by its machine code (51 of 51 runs)" in premise


@pytest.mark.parametrize(("result", "rule"), [("differs", "SME047"), ("faults", "SME048")])
def test_a_gate_fails_what_its_own_code_refutes_once(result: str, rule: str, gates: Path) -> None:
    found = reported(gates, result)
    assert found["exit_code"] == 1
    failed = [check for check, row in rows(found).items() if row["fails"]]
    assert failed == [rule]
    for check in ("verify", "proof"):
        assert rows(found)[check]["outcome"] == "skipped"
        assert rows(found)[check]["message"] == f"skipped because {rule} failed"


def test_a_fault_that_shows_without_running_is_one_failure(folder: Path) -> None:
    (folder / "absolute").write_bytes(elf(patched(absolute_test(label("levels")))))
    found = gate(folder, "absolute", "--format", "json")
    assert found.status == 1
    found_rows = rows(found.document)
    assert [check for check, row in found_rows.items() if row["fails"]] == ["SME046"]
    for check in ("SME048", "verify", "proof"):
        assert found_rows[check]["message"] == "skipped because SME046 failed"
    analyzed = run("analyze", "absolute", "--verify", "--format", "json", cwd=folder).document
    assert analyzed["machine_code"]["result"] == "faults"


def test_a_gate_is_undecided_of_code_that_cannot_be_run(folder: Path) -> None:
    found = gate(folder, "not-recognized", "--format", "json")
    assert found.status == 4
    found_rows = rows(found.document)
    assert [check for check, row in found_rows.items() if row["fails"]] == ["verify"]
    assert "instructions" in found_rows["verify"]["message"]
    assert gate(folder, "not-recognized", "--allow-undecided").status == 0


def test_nothing_is_run_unasked(folder: Path) -> None:
    found = run("gate", "differs", "--format", "json", cwd=folder)
    assert found.status == 0
    assert not {"verify", "SME047", "SME048"} & set(rows(found.document))


@pytest.mark.parametrize("form", list(Format), ids=lambda form: form.value)
def test_every_format_of_a_gate_has_the_row(form: Format, gates: Path) -> None:
    for result in STATUS:
        named = {"differs": "SME047", "faults": "SME048"}.get(result, "verify")
        if form in (Format.GITHUB, Format.SARIF, Format.MARKDOWN) and result == "agrees":
            continue  # they show what is not fine
        assert named in (gates / f"{result}.{form.value}").read_text()


def test_a_policy_can_waive_it(folder: Path) -> None:
    (folder / "policy.yaml").write_text(
        "schema: smecheck/policy-v1\n"
        "waivers:\n"
        "  - {check: SME047, reason: known, owner: me@example.org, expires: 2030-01-01}\n"
    )
    options = ("--policy", "policy.yaml", "--today", "2027-01-01", "--format", "json")
    found = gate(folder, "early", *options)
    assert rows(found.document)["SME047"]["outcome"] == "waived"
    assert found.status == 0


@pytest.mark.parametrize("result", ["differs", "faults"])
def test_nothing_is_clear_of_a_kernel_whose_code_is_refuted(result: str, folder: Path) -> None:
    options = ("--verify", "--format", "json", "--report", "text=text")
    found = run("analyze", result, *options, cwd=folder)
    document = found.document
    assert (found.status, document["verdict"], document["basis"]) == (1, "undecided", "partial")
    assert document["proof"]["holds"] is False
    assert document["machine_code"]["result"] == result
    assert any("refuted" in text for text in document["assumptions"])
    if result == "differs":
        assert "0x1401000 instead of 0x1400000" in document["headline"]
    shown = (folder / "text").read_text()
    brief = {
        "differs": "SME047  workarea start: 0x1401000 instead of 0x1400000",
        "faults": "SME048  the code executes an undefined instruction",
    }
    assert brief[result] in shown
    # The same kernel without a look at its code: what a proof rests on has to be said.
    unasked = run("analyze", result, "--format", "json", cwd=folder).document
    assert (unasked["verdict"], unasked["machine_code"]) == ("clear", None)


def test_a_kernel_whose_code_agrees_is_as_clear_as_before(folder: Path) -> None:
    document = run("analyze", "agrees", "--verify", "--format", "json", cwd=folder).document
    assert (document["verdict"], document["basis"]) == ("clear", "proof")
    assert document["machine_code"] == {
        "result": "agrees",
        "runs": 51,
        "agreeing": 51,
        "reason": None,
    }


def test_code_that_cannot_be_run_is_said_and_changes_nothing(folder: Path) -> None:
    found = run("analyze", "not-recognized", "--verify", "--format", "json", cwd=folder)
    assert (found.status, found.document["verdict"]) == (0, "clear")
    assert any("not recognized" in text for text in found.document["assumptions"])


def test_sme_off_needs_no_code(folder: Path) -> None:
    options = ("--verify", "--sme", "off", "--format", "json")
    found = run("analyze", "early", *options, cwd=folder)
    assert (found.status, found.document["verdict"]) == (0, "not-applicable")


# git bisect


def bisected(folder: Path, *arguments: str) -> int:
    return run("gate", "--bisect", "-q", *arguments, cwd=folder).status


def test_git_bisect_is_told_good_bad_and_skip(folder: Path, tmp_path: Path) -> None:
    assert bisected(folder, "agrees") == 0
    assert bisected(folder, "early", "--verify") == 1
    assert bisected(folder, "faults", "--verify") == 1
    assert bisected(folder, "not-recognized", "--verify") == 125
    assert bisected(folder, "nosuch") == 125
    (tmp_path / "empty").write_bytes(b"")
    assert bisected(tmp_path, "empty") == 125
    old = ROOT / "tests" / "data" / "kernels" / "5.0-old.yaml"
    assert bisected(tmp_path, str(old)) in (1, 125)


def test_git_bisect_is_stopped_by_what_is_no_answer(folder: Path) -> None:
    assert bisected(folder, "agrees", "--nosuch") == 130
    assert bisected(folder) == 130
    assert bisected(folder, "agrees", "-o", "/nosuch/folder/report") == 130
    # A bug of smecheck: 70, and 128.
    bug = "import smecheck.builds.gate as g; g.gate = None; import smecheck.__main__ as m; m.main()"
    program = (sys.executable, "-c", bug)
    found = start("gate", "--bisect", "-q", "agrees", cwd=folder, program=program)
    assert found.status == 198
    assert "bug" in found.err


def test_git_bisect_finds_the_commit(tmp_path: Path) -> None:
    """A history with a build in the middle that cannot be read, which must not be blamed."""

    def git(*arguments: str) -> str:
        identity = ("-c", "user.name=A", "-c", "user.email=a@example.org")
        done = subprocess.run(
            ["git", *identity, *arguments],  # noqa: S607 - git of whoever tests
            cwd=tmp_path,
            env=environment({"GIT_CONFIG_NOSYSTEM": "1", "HOME": str(tmp_path)}),
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout

    git("init", "-q")
    good, bad = elf(five_levels=False), elf(patched(EARLY))
    for number, kernel in enumerate((good, good, b"not a kernel", good, bad)):
        (tmp_path / "vmlinux").write_bytes(kernel)
        git("add", "vmlinux")
        git("commit", "-q", "--allow-empty", "-m", f"build {number}")
    git("bisect", "start", "HEAD", "HEAD~4")
    ours = (f"PYTHONPATH={ROOT}", *PROGRAM, "gate", "-q", "--bisect", "--verify", "vmlinux")
    found = git("bisect", "run", "env", *ours)
    assert "is the first bad commit" in found
    assert "build 4" in found.partition("is the first bad commit")[2]


def test_samples_have_no_code(tmp_path: Path) -> None:
    kernel = str(SAMPLES / "founding-fixed" / "kernel.yaml")
    found = run("gate", kernel, "--verify", "--format", "json", cwd=tmp_path)
    assert found.status == 4
    assert "no code" in rows(found.document)["verify"]["message"]
