"""What is special about the formats of a gate and a comparison: targets, waivers, places."""

from __future__ import annotations

import re
from pathlib import Path

import format_readers as readers
import pytest
from commandline import SAMPLES, run
from format_cases import OLD, ending, fill


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("gate")
    fill(made)
    return made


def test_junit_has_a_suite_for_every_target(folder: Path) -> None:
    suites = list(readers.junit(ending("waived", "junit", folder).out))
    assert [suite.name for suite in suites] == ["kernel", "the machine, of [2019] #1", "policy"]
    (case,) = [case for case in suites[1] if case.name.startswith("SME001:")]
    (skipped,) = case.result
    assert skipped.message.startswith("waived until 2027-03-31 by ci: known: ")


def test_ktap_shows_which_subtest_failed(folder: Path) -> None:
    kernel, machine, policy = readers.ktap(ending("gate: machine collision", "ktap", folder).out)[
        -3:
    ]
    assert (kernel.ok, machine.ok) == (True, False)
    assert policy.description == "- policy"


def test_ktap_names_a_subtest_before_and_after_alike(folder: Path) -> None:
    out = ending("waived", "ktap", folder).out
    before = re.findall(r"^  # Subtest: (.*)$", out, re.MULTILINE)
    assert before == re.findall(r"^(?:not )?ok \d+ - (.*)$", out, re.MULTILINE)


def test_kcidb_paths_are_of_its_characters(folder: Path) -> None:
    paths = [row["path"] for row in readers.kcidb(ending("waived", "kcidb", folder).out)]
    assert "smecheck.kernel.proof" in paths
    assert "smecheck.the_machine__of__2019___1.SME001" in paths


def test_sarif_suppresses_what_is_waived(folder: Path) -> None:
    results = readers.sarif(ending("waived", "sarif", folder).out)["results"]
    results = [result for result in results if result["level"] != "note"]
    assert results
    for result in results:
        (suppression,) = result["suppressions"]
        assert suppression["justification"].startswith("waived until 2027-03-31 by ci")
    prints = [result["partialFingerprints"]["smecheck/v1"] for result in results]
    assert len(set(prints)) == len(prints)


def test_expired_waivers_are_shown_where_they_are(folder: Path) -> None:
    commands, _ = readers.github(ending("expired", "github", folder).out)
    expired = [c for c in commands if "waiver" in c.properties["title"] and c.name == "error"]
    assert expired
    assert {c.properties["file"] for c in expired} == {"waived.yaml"}
    assert all(int(c.properties["line"]) > 1 for c in expired)


def test_markdown_makes_nothing_of_reasons(folder: Path) -> None:
    page = readers.html(ending("waived", "markdown", folder).out)
    assert "known | <code>@</code>all" in page
    assert page.count("<table>") == 1


def test_markdown_tells_what_failed_from_what_is_noted(folder: Path) -> None:
    page = readers.html(ending("gate: machine collision", "markdown", folder).out)
    assert re.findall("<h4>(.*?)</h4>", page)[:3] == ["Failed", "Noted", "Waived"]
    noted = run("gate", OLD, "--policy", "noted.yaml", "--format", "markdown", cwd=folder)
    headings = re.findall("<h4>(.*?)</h4>", readers.html(noted.out))
    assert "Noted" in headings
    assert "Failed" not in headings


def test_one_check_that_fails_on_many_machines_is_one_annotation(tmp_path: Path) -> None:
    load = (SAMPLES / "founding-failure").as_posix()
    machines = "".join(
        f"  - {{name: m{number}, iomem: {load}/iomem.txt, segments: {load}/kexec.log, "
        "cmdline: nokaslr mem_encrypt=on}\n"
        for number in range(15)
    )
    (tmp_path / "p.yaml").write_text(f"schema: smecheck/policy-v1\nmachines:\n{machines}")
    found = run("gate", OLD, "--policy", "p.yaml", "--format", "github", cwd=tmp_path)
    assert found.status == 1
    commands, _ = readers.github(found.out)
    assert len(commands) <= 4
    (collision,) = [c for c in commands if c.properties["title"] == "SME001 on 15 targets"]
    assert collision.name == "error"
    lines = collision.message.split("\n")
    assert [line.split(":")[0] for line in lines] == [*(f"m{n}" for n in range(15)), "next"]
    assert "boot_params" in lines[0]
    assert "at: [0x70151000, 0x70155000), all of boot_params" in lines[0]
